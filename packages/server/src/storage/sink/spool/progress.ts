import { join } from 'node:path';
import { z } from 'zod';
import type { Log } from '../../../telemetry/telemetry.ts';
import type { Disk } from './disk.ts';

/** How far the spool has come on the way to the sink. Batches have the sink's numbers. */
export interface Progress {
  /** Records up to this one are in the sink. */
  drained: number;
  /** The batch that the last of them came in. */
  batch: number;
  /** Batches after this one are the spool's, as long as it holds anything. */
  direct: number;
}

const number = z.int().nonnegative();
const Kept = z.strictObject({ version: z.literal(1), drained: number, batch: number, direct: number });

/** No batch of the sink has a number above it. */
export const afterAll = Number.MAX_SAFE_INTEGER;

/** Where it is not known, everything goes to the sink again, which has each reading by its key, and nothing that it finds there is called proven. */
const unknown: Progress = { drained: 0, batch: afterAll, direct: 0 };

export class ProgressFile {
  readonly #file: string;
  readonly #disk: Disk;
  #now: Progress;

  private constructor(file: string, disk: Disk, now: Progress) {
    [this.#file, this.#disk, this.#now] = [file, disk, now];
  }

  static async open(directory: string, disk: Disk, log: Log): Promise<ProgressFile> {
    const file = join(directory, 'progress.json');
    return new ProgressFile(file, disk, await progressIn(directory, disk, log));
  }

  get now(): Progress {
    return this.#now;
  }

  async write(next: Progress): Promise<void> {
    await this.#disk.replace(this.#file, `${JSON.stringify({ version: 1, ...next })}\n`);
    this.#now = next;
  }
}

export async function progressIn(directory: string, disk: Disk, log?: Log): Promise<Progress> {
  const names = await disk.names(directory);
  if (!names.includes('progress.json')) return unknown;
  const text = (await disk.read(join(directory, 'progress.json'))).toString();
  try {
    const { drained, batch, direct } = Kept.parse(JSON.parse(text));
    return { drained, batch, direct };
  } catch (error) {
    log?.error({ err: error }, "couldn't read how far the spool has come: all that it holds goes to the sink again");
    return unknown;
  }
}
