import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type HeldHead, JournalHash, PortcullisError } from '@portcullis/contract';
import { z } from 'zod';
import { type Log, replaceFile, timestamp } from '../../telemetry/telemetry.ts';
import { setHeadsAside } from './heads.ts';

const Held = z.object({
  fleet: z.string(),
  revision: z.int().nonnegative(),
  hash: JournalHash,
  /** Milliseconds since 1970: the time that the authority last said. No certificate is judged by an earlier one. */
  clockFloor: z.int().nonnegative(),
});
export type Held = z.infer<typeof Held>;

export const positionIn = (directory: string) => join(directory, 'position.json');

const writeDelayMs = 100;
/** A floor that is this much too low judges no certificate otherwise that matters. */
export const floorDelayMs = 10_000;

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
  #writing: Promise<boolean> = Promise.resolve(true);

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

  /** An operator said that the clock was ahead. */
  lowerFloor(time: number): void {
    if (this.#held) this.#held = { ...this.#held, clockFloor: time };
  }

  /** True once an operator has accepted the authority's other history: this one is forgotten. */
  async isForgotten(): Promise<boolean> {
    if (this.#timer) await this.write();
    if (existsSync(this.#file)) return false;
    this.#held = undefined;
    return true;
  }

  /** False: the disk did not take it, and it is as it was there. */
  async write(): Promise<boolean> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dueMs = Number.POSITIVE_INFINITY;
    const content = this.#held && `${JSON.stringify(this.#held)}\n`;
    const replace = async () => {
      if (content !== undefined) await replaceFile(this.#file, content);
      return true;
    };
    this.#writing = this.#writing.then(replace).catch((error: unknown) => {
      this.#log.warn({ err: error }, "couldn't write where this gate stands; an older place is remembered");
      return false;
    });
    return this.#writing;
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

/** Undefined where the gate of this directory holds no history. @throws {PortcullisError} `store_damaged` */
export const clockFloorIn = (directory: string) => readHeld(positionIn(directory))?.clockFloor;

/** What this gate saw last, at the time of the file; undefined where there is none, or none that can be read. */
function lastHead(file: string): HeldHead | undefined {
  try {
    const held = readHeld(file);
    return held && { revision: held.revision, hash: held.hash, time: timestamp(statSync(file).mtimeMs) };
  } catch {
    return undefined;
  }
}

/** Forgets the history that the gate of this directory has seen: the authority was restored on purpose. Its heads stay beside. True when there was one. */
export async function acceptRestore(directory: string): Promise<boolean> {
  const file = positionIn(directory);
  await setHeadsAside(directory, lastHead(file));
  if (!existsSync(file)) return false;
  rmSync(file);
  return true;
}
