import assert from 'node:assert/strict';
import { numberMax } from './protection.ts';

/**
 * The numbers of a sender, each given once whatever happens (RFC 8613 appendix B.1.1). They are reserved in blocks: a number is
 * given only when `keep` has put on disk one that is above it; after a crash those of the block that were not used are lost.
 */
export class SenderNumbers {
  readonly #block: number;
  readonly #keep: (reserved: number) => Promise<void>;
  #next: number;
  #reserved: number;

  /** `reserved` is what was kept last: no number from it on was ever given. */
  constructor(reserved: number, block: number, keep: (reserved: number) => Promise<void>) {
    assert.ok(block >= 1 && reserved >= 0);
    this.#next = reserved;
    this.#reserved = reserved;
    this.#block = block;
    this.#keep = keep;
  }

  /** One after the other: the caller waits for a number before it asks for the next. */
  async next(): Promise<number> {
    // At the end the key is spent (RFC 8613 §7.2.1).
    if (this.#next > numberMax) throw new RangeError('the numbers of this key are used up; it needs a new key');
    if (this.#next >= this.#reserved) {
      const reserved = this.#next + this.#block;
      await this.#keep(reserved);
      this.#reserved = reserved;
    }
    const number = this.#next;
    this.#next += 1;
    return number;
  }
}
