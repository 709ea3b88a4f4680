import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { JournalHash, PortcullisError } from '@portcullis/contract';
import { z } from 'zod';

const Held = z.strictObject({
  fleet: z.string(),
  revision: z.int().nonnegative(),
  hash: JournalHash,
  /** Milliseconds since 1970: the time that the authority last said. No certificate is judged by an earlier one. */
  clockFloor: z.int().nonnegative(),
});
export type Held = z.infer<typeof Held>;

const writeDelayMs = 100;

/**
 * What a gate remembers of the fleet's history: an authority that is behind it, or on another history, is not believed (E8).
 * It is written a moment after it changes; a crash before that leaves an earlier point of the same history.
 */
export class Position {
  readonly #file: string;
  #held: Held | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(file: string) {
    this.#file = file;
    this.#held = readHeld(file);
  }

  get held(): Held | undefined {
    return this.#held;
  }

  move(held: Omit<Held, 'clockFloor'> & { clockFloor?: number }): void {
    this.#held = { ...held, clockFloor: Math.max(this.#held?.clockFloor ?? 0, held.clockFloor ?? 0) };
    this.#timer ??= setTimeout(() => this.write(), writeDelayMs);
  }

  write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#held) return;
    const next = `${this.#file}.next`;
    const handle = openSync(next, 'w', 0o600);
    try {
      writeSync(handle, `${JSON.stringify(this.#held)}\n`);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(next, this.#file);
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
