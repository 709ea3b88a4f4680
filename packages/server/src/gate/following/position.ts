import { existsSync, readFileSync, rmSync } from 'node:fs';
import { JournalHash, PortcullisError } from '@portcullis/contract';
import { z } from 'zod';
import { type Log, replaceFile } from '../../telemetry/telemetry.ts';

const Held = z.object({
  fleet: z.string(),
  revision: z.int().nonnegative(),
  hash: JournalHash,
  /** Milliseconds since 1970: the time that the authority last said. No certificate is judged by an earlier one. */
  clockFloor: z.int().nonnegative(),
});
export type Held = z.infer<typeof Held>;

const writeDelayMs = 100;
/** A floor that is this much too low judges no certificate otherwise that matters. */
const floorDelayMs = 10_000;

/**
 * What a gate remembers of the fleet's history: an authority that is behind it, or on another history, is not believed (E8).
 * It is written a moment after it changes; a crash before that leaves an earlier point of the same history.
 */
export class Position {
  readonly #file: string;
  readonly #log: Log;
  #held: Held | undefined;
  #timer: NodeJS.Timeout | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #writing: Promise<void> = Promise.resolve();

  constructor(file: string, log: Log) {
    this.#file = file;
    this.#log = log;
    this.#held = readHeld(file);
  }

  get held(): Held | undefined {
    return this.#held;
  }

  move(held: Omit<Held, 'clockFloor'>): void {
    this.#held = { ...held, clockFloor: this.#held?.clockFloor ?? 0 };
    this.#writeWithin(writeDelayMs);
  }

  raiseFloor(time: number): void {
    if (!this.#held || time <= this.#held.clockFloor) return;
    this.#held = { ...this.#held, clockFloor: time };
    this.#writeWithin(floorDelayMs);
  }

  /** True once an operator has accepted the authority's other history: this one is forgotten. */
  async isForgotten(): Promise<boolean> {
    if (this.#timer) await this.write();
    if (existsSync(this.#file)) return false;
    this.#held = undefined;
    return true;
  }

  async write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dueMs = Number.POSITIVE_INFINITY;
    const content = this.#held && `${JSON.stringify(this.#held)}\n`;
    const replace = () => (content === undefined ? undefined : replaceFile(this.#file, content));
    this.#writing = this.#writing.then(replace).catch((error: unknown) => {
      this.#log.warn({ err: error }, "couldn't write where this gate stands; an older place is remembered");
    });
    await this.#writing;
  }

  #writeWithin(milliseconds: number): void {
    if (milliseconds >= this.#dueMs) return;
    clearTimeout(this.#timer);
    this.#dueMs = milliseconds;
    this.#timer = setTimeout(() => void this.write(), milliseconds);
  }
}

function readHeld(file: string): Held | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return Held.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    const message = `"${file}" is damaged; "portcullis gate accept-restore" starts anew from what the authority has`;
    throw new PortcullisError('store_damaged', message, { cause });
  }
}

/** Forgets the history that this gate has seen: the authority was restored on purpose. True when there was one. */
export function acceptRestore(file: string): boolean {
  if (!existsSync(file)) return false;
  rmSync(file);
  return true;
}
