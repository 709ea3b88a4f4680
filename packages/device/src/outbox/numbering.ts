import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../durable.ts';
import type { System } from '../system.ts';
import { numbered, numberIn } from './reading.ts';

const runBytes = 9;

/**
 * The numbers of the readings of one outbox: 1, 2, 3 and so on within a run, so that whoever stores them sees which one is missing. A
 * number is never given to two readings of a run; where it is not known any more which was the last, another run begins. What was
 * given is known from the cursor and from what waits: nothing is written for a number alone.
 */
export class Numbering {
  readonly #file: string;
  readonly #random: System['random'];
  #run: string | undefined;
  #last: number | undefined;

  constructor(directory: string, random: System['random'], last: number | undefined) {
    this.#file = join(directory, 'run');
    this.#random = random;
    this.#run = readRun(this.#file);
    this.#last = last;
  }

  /** The last number that was given; undefined: none is known of. */
  get last(): number | undefined {
    return this.#last;
  }

  /** A reading that waits from before. */
  saw(line: Buffer): void {
    const own = numberIn(line.toString('latin1', 0, headBytes));
    if (own && own.run === this.#run) this.#last = Math.max(this.#last ?? 0, own.sequence);
  }

  /** What waited is damaged, and with it perhaps the last number that was given. */
  lose(): void {
    this.#last = undefined;
  }

  /** The line with the next number; one that has a number keeps it. A crash before it is on disk gives the number again. */
  number(line: string): string {
    if (this.#run === undefined || this.#last === undefined || numberIn(line)) return line;
    this.#last++;
    return numbered(line, { run: this.#run, sequence: this.#last });
  }

  /** What was numbered behind it is not on disk and waits nowhere. */
  backTo(last: number | undefined): void {
    this.#last = last;
  }

  /** The name of a new run is on disk before a number is given in it. @throws where the disk has no room for it */
  requireRun(): void {
    if (this.#run !== undefined && this.#last !== undefined) return;
    const run = this.#random(runBytes).toString('base64url');
    try {
      replaceFile(this.#file, `${run}\n`);
    } catch (error) {
      rmSync(`${this.#file}.next`, { force: true });
      throw error;
    }
    [this.#run, this.#last] = [run, 0];
  }
}

/** No number with its run takes more at the beginning of a line. */
const headBytes = 128;

function readRun(file: string): string | undefined {
  if (!existsSync(file)) return undefined;
  const run = readFileSync(file, 'utf8').trim();
  return /^[A-Za-z0-9_-]{1,32}$/.test(run) ? run : undefined;
}
