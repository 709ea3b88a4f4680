import { existsSync, readFileSync } from 'node:fs';
import { JournalHash, PortcullisError } from '@portcullis/contract';
import { z } from 'zod';
import { type Log, replaceFile } from '../telemetry/telemetry.ts';

const Seen = z.object({ revision: z.int().nonnegative(), hash: JournalHash });
export type Seen = z.infer<typeof Seen>;
const File = z.object({
  /** Not given: nothing yet, or an operator accepted another history. */
  seen: Seen.optional(),
  /** The highest of a list of an issuer that is no root; after a restore was accepted, more than any of them. */
  listNumber: z.int().nonnegative(),
});
type File = z.infer<typeof File>;

const writeDelayMs = 100;
/** More than the lists that an authority made meanwhile, each of which has one. */
const numbersLeapt = 5_000;
const none: File = { listNumber: 0 };

/**
 * What a desk remembers of what it told strangers by: an authority that is behind it, or on another history, is not believed (P9, E8).
 * It is written a moment after it changes; a crash before that leaves an earlier point of the same history.
 */
export class Position {
  readonly #file: string;
  readonly #log: Log;
  #held: File;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** @throws {PortcullisError} `store_damaged` */
  constructor(file: string, log: Log) {
    this.#file = file;
    this.#log = log;
    this.#held = heldIn(file);
  }

  get seen(): Seen | undefined {
    return this.#held.seen;
  }

  get listNumber(): number {
    return this.#held.listNumber;
  }

  /** What an authority is asked with: it refuses where it does not know this. */
  get asked(): Record<string, string> {
    const { seen } = this.#held;
    return seen ? { after: String(seen.revision), hash: seen.hash } : {};
  }

  /** The authority checks this too; a desk does not take its word for it. `before`: where this was when it was asked. */
  requireForward(before: Seen | undefined, { revision, hash }: { revision: number; hash?: string | undefined }): void {
    if (!before || revision > before.revision) return;
    if (revision === before.revision && (hash ?? before.hash) === before.hash) return;
    const why =
      revision === before.revision
        ? 'has another history'
        : `is at revision ${revision}, and was at ${before.revision}`;
    throw new PortcullisError('revision_regressed', `the authority ${why}`);
  }

  /** Of two feeds one may be behind the other. An authority of an earlier version says no hash, and nothing is remembered of it. */
  move({ revision, hash }: { revision: number; hash?: string | undefined }): void {
    if (hash === undefined || revision <= (this.#held.seen?.revision ?? -1)) return;
    this.#hold({ ...this.#held, seen: { revision, hash } });
  }

  gaveList(number: number): void {
    if (number > this.#held.listNumber) this.#hold({ ...this.#held, listNumber: number });
  }

  /** True once an operator has accepted the authority's other history: this one is forgotten. */
  async isForgotten(): Promise<boolean> {
    if (this.#timer) await this.write();
    const { seen, listNumber } = heldIn(this.#file);
    if (seen) return false;
    this.#held = { listNumber: Math.max(listNumber, this.#held.listNumber) };
    return true;
  }

  async write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const content = JSON.stringify(this.#held);
    this.#writing = this.#writing
      .then(() => replaceFile(this.#file, content))
      .catch((error: unknown) => {
        this.#log.warn({ err: error }, "couldn't write what this desk was told; an older place is remembered");
      });
    await this.#writing;
  }

  #hold(held: File): void {
    this.#held = held;
    this.#timer ??= setTimeout(() => void this.write(), writeDelayMs);
  }

  async close(): Promise<void> {
    if (this.#timer) await this.write();
    await this.#writing;
  }
}

function heldIn(file: string): File {
  if (!existsSync(file)) return none;
  try {
    return File.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    const message = `"${file}" is damaged; without it the desk starts anew from what the authority has`;
    throw new PortcullisError('store_damaged', message, { cause });
  }
}

/**
 * Forgets the history that this desk was told of: the authority was restored on purpose. Numbers of lists go on, with a leap: what is restored
 * may have made lists since, of which one has a number that was given out by another list of the lost history. True when there was one.
 */
export async function acceptRestore(file: string): Promise<boolean> {
  const { seen, listNumber } = heldIn(file);
  if (seen) await replaceFile(file, JSON.stringify({ listNumber: listNumber === 0 ? 0 : listNumber + numbersLeapt }));
  return seen !== undefined;
}
