import type { Budget } from '../../bounds/bounds.ts';

/** What all listeners of a gate share while they take readings in: one budget of bytes, one maker of ids. */
export class Intake implements Budget {
  readonly bytesMax: number;
  /** What bodies that are being received take in memory, of all connections together. */
  bytes = 0;
  readonly #instance: string;
  #made = 0;

  constructor(instance: string, bytesMax: number) {
    this.#instance = instance;
    this.bytesMax = bytesMax;
  }

  take(bytes: number): boolean {
    if (this.bytes + bytes > this.bytesMax) return false;
    this.bytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.bytes -= bytes;
  }

  /** Unique over gates and restarts, since an instance is. */
  makeId(): string {
    return `${this.#instance.slice(0, 20)}-${(++this.#made).toString(36)}`;
  }
}
