/** Memory that several bodies share. */
export interface Budget {
  /** False: there is not so much left, and nothing was taken. */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

export type BodyRefused = 'too_large' | 'too_many_pieces' | 'no_room';

/**
 * A body comes in so many pieces at most: chunks, or records of TLS. Each costs some microseconds and some hundred bytes, whatever it
 * holds; a batch that is sent line by line has 10 000.
 */
export const piecesMax = 16_384;
/** Beyond so many, they hold so many bytes on average: a short reading has as many. */
const smallPiecesMax = 1_024;
const pieceBytesMin = 8;
const piecesFor = (bytes: number) => Math.min(piecesMax, smallPiecesMax + bytes / pieceBytesMin);

const grownBytesMin = 1_024;
const nothing: Buffer = Buffer.alloc(0);

/**
 * What has come of a body. A single piece is kept as it came; from the second on there is one buffer that doubles. What is charged is what it
 * takes in memory, not what was sent.
 */
export class GrowingBody {
  readonly #bytesMax: number;
  readonly #budget: Budget | undefined;
  #held: Buffer = nothing;
  #bytes = 0;
  #pieces = 0;

  constructor(bytesMax: number, budget?: Budget) {
    this.#bytesMax = bytesMax;
    this.#budget = budget;
  }

  /** Undefined: it is kept. Who is refused lets go of the body. */
  add(piece: Buffer): BodyRefused | undefined {
    const needed = this.#bytes + piece.length;
    if (needed > this.#bytesMax) return 'too_large';
    if (++this.#pieces > piecesFor(needed)) return 'too_many_pieces';
    if (this.#pieces === 1) {
      if (this.#budget?.take(piece.length) === false) return 'no_room';
      this.#held = piece;
    } else {
      if (needed > this.#held.length && !this.#grow(needed)) return 'no_room';
      piece.copy(this.#held, this.#bytes);
    }
    this.#bytes = needed;
    return undefined;
  }

  /** The whole of it, which the caller answers for from now on. */
  end(): Buffer {
    const whole = this.#held.subarray(0, this.#bytes);
    this.letGo();
    return whole;
  }

  letGo(): void {
    this.#budget?.give(this.#held.length);
    this.#held = nothing;
    this.#bytes = 0;
  }

  /** While it is copied the smaller buffer is there too: one, in all of the process. */
  #grow(needed: number): boolean {
    const grownBytes = Math.min(this.#bytesMax, Math.max(grownBytesMin, 2 * needed));
    if (this.#budget?.take(grownBytes - this.#held.length) === false) return false;
    const grown = Buffer.allocUnsafeSlow(grownBytes);
    this.#held.copy(grown, 0, 0, this.#bytes);
    this.#held = grown;
    return true;
  }
}
