import { createHash } from 'node:crypto';

/** What one connection carried, for who is at its other end: whatever either of them does wrong between journal and wire is found. */
export class Tally {
  readonly #hash = createHash('sha256');
  #bytes = 0;

  add(piece: string | Uint8Array): void {
    this.#hash.update(piece);
    this.#bytes += Buffer.byteLength(piece);
  }

  now(): { bytes: number; hash: string } {
    return { bytes: this.#bytes, hash: this.#hash.copy().digest('hex') };
  }
}
