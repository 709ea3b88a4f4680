import assert from 'node:assert/strict';

/** Which numbers of a sender came already (RFC 8613 §7.4, as RFC 6347 §4.1.2.6): a number is taken once, an old one never. */
export class ReplayWindow {
  readonly #size: number;
  /** The highest that came, and by one bit each those below it that came too. */
  #highest = -1;
  #seen = 0n;

  constructor(size: number) {
    assert.ok(size >= 32 && size <= 64, 'a window of 32 to 64');
    this.#size = size;
  }

  isNew(number: number): boolean {
    if (number > this.#highest) return true;
    const below = this.#highest - number;
    return below < this.#size && (this.#seen & (1n << BigInt(below))) === 0n;
  }

  mark(number: number): void {
    if (number <= this.#highest) {
      this.#seen |= 1n << BigInt(this.#highest - number);
      return;
    }
    const ahead = number - this.#highest;
    this.#seen = ahead >= this.#size ? 1n : BigInt.asUintN(this.#size, (this.#seen << BigInt(ahead)) | 1n);
    this.#highest = number;
  }
}
