import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { makeDirectory, replaceFile, syncDirectory } from '../durable.ts';
import { type Gap, readGap, recordsIn } from './segment.ts';

/** Bytes of an outbox that are no readings any more. */
export interface Damage {
  bytes: number;
  /** How many readings they were, at least. */
  readings: number;
  /** Where they are kept. */
  file: string;
  /** False: the disk had no room. */
  isKept: boolean;
}

const keptBytesMax = 16 * 1024 * 1024;

/** The damaged bytes of one outbox, kept for whoever may still read something in them. */
export class DamagedBytes {
  readonly #directory: string;

  constructor(outbox: string) {
    this.#directory = join(outbox, 'damaged');
  }

  /** Keeps a copy. Undefined: it was kept, and told, before. */
  keep(segment: string, gap: Gap): Damage | undefined {
    const bytes = readGap(segment, gap);
    const file = join(this.#directory, `${basename(segment, '.log')}-${gap.from}-${gap.to}.bin`);
    if (existsSync(file)) return undefined;
    return { bytes: bytes.length, readings: recordsIn(bytes), file, isKept: this.#write(file, bytes) };
  }

  /** Instead of removing a segment whose damaged bytes could not be copied: a rename needs no room. */
  take(segment: string): void {
    makeDirectory(this.#directory);
    renameSync(segment, join(this.#directory, basename(segment)));
    syncDirectory(this.#directory);
  }

  #write(file: string, bytes: Buffer): boolean {
    try {
      makeDirectory(this.#directory);
      replaceFile(file, bytes);
      this.#bound();
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      rmSync(`${file}.next`, { force: true });
      return false;
    }
  }

  /** The oldest go once there is more than anybody will look through. */
  #bound(): void {
    const files = readdirSync(this.#directory).sort();
    const sizes = files.map((name) => statSync(join(this.#directory, name)).size);
    let total = sizes.reduce((sum, size) => sum + size, 0);
    for (const [index, name] of files.entries()) {
      if (total <= keptBytesMax || index === files.length - 1) return;
      rmSync(join(this.#directory, name));
      total -= sizes[index] ?? 0;
    }
  }
}
