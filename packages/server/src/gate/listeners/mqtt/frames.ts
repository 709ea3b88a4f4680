import { type Budget, GrowingBody } from '../../../bounds/bounds.ts';
import { codes, type Fault, malformed } from './fault.ts';
import { checkFirstByte, connectBytesMax, types, type Version } from './wire-check.ts';

/** One packet as it came; its body begins at `body`. */
export interface Frame {
  packet: Buffer;
  body: number;
}

/** There is no room for it among all that is being received. */
export const noRoom = 'no room';
const nothing: Buffer = Buffer.alloc(0);

/**
 * From a stream of bytes to packets. What a packet announces is judged before any of it is kept (FIELD-NOTES F3); one that lies whole
 * in what came is not copied.
 */
export class Frames {
  /** Known once its CONNECT was taken. */
  version: Version | undefined;
  readonly #budget: Budget;
  readonly #packetBytesMax: number;
  #waiting: Buffer = nothing;
  #growing: GrowingBody | undefined;
  #missing = 0;
  #body = 0;

  constructor(packetBytesMax: number, budget: Budget) {
    [this.#packetBytesMax, this.#budget] = [packetBytesMax, budget];
  }

  /** Some bytes of a packet are here, and not all. */
  get isWithin(): boolean {
    return this.#growing !== undefined || this.#waiting.length > 0;
  }

  add(piece: Buffer): void {
    this.#waiting = this.#waiting.length === 0 ? piece : Buffer.concat([this.#waiting, piece]);
  }

  letGo(): void {
    this.#growing?.letGo();
    this.#growing = undefined;
    this.#waiting = nothing;
  }

  /** Undefined: it is not whole yet. */
  next(): Frame | Fault | typeof noRoom | undefined {
    if (this.#growing) return this.#grow(this.#growing);
    const [first] = this.#waiting;
    if (first === undefined) return undefined;
    const fault = checkFirstByte(first, this.version);
    if (fault) return fault;
    const announced = this.#announced();
    if (announced === undefined || 'code' in announced) return announced;
    const { length, body } = announced;
    if (length > this.#bytesMax(first >> 4)) {
      return {
        code: codes.tooLarge,
        words: `a packet of ${length} bytes; at most ${this.#bytesMax(first >> 4)} are allowed`,
      };
    }
    return this.#take(body + length, body);
  }

  #take(bytes: number, body: number): Frame | Fault | typeof noRoom | undefined {
    if (this.#waiting.length >= bytes) return { packet: this.#cut(bytes), body };
    [this.#missing, this.#body] = [bytes, body];
    this.#growing = new GrowingBody(bytes, this.#budget);
    return this.#grow(this.#growing);
  }

  #grow(growing: GrowingBody): Frame | Fault | typeof noRoom | undefined {
    const piece = this.#cut(Math.min(this.#missing, this.#waiting.length));
    if (piece.length === 0) return undefined;
    const refused = growing.add(piece);
    if (refused === 'no_room') return noRoom;
    if (refused) return { code: codes.quotaExceeded, words: 'a packet comes in too many pieces; send larger ones' };
    this.#missing -= piece.length;
    if (this.#missing > 0) return undefined;
    this.#growing = undefined;
    return { packet: growing.end(), body: this.#body };
  }

  #cut(bytes: number): Buffer {
    const cut = this.#waiting.subarray(0, bytes);
    this.#waiting = this.#waiting.length === bytes ? nothing : this.#waiting.subarray(bytes);
    return cut;
  }

  /** Its remaining length, and where its body begins. */
  #announced(): { length: number; body: number } | Fault | undefined {
    let length = 0;
    for (let at = 1; at <= 4; at++) {
      const byte = this.#waiting[at];
      if (byte === undefined) return undefined;
      length += (byte & 0x7f) * 2 ** (7 * (at - 1));
      if (byte >= 0x80) continue;
      // [MQTT-1.5.5-1]; MQTT 3.1.1 demands it of nobody.
      if (byte === 0 && at > 1 && this.version === 5)
        return malformed('a length is written with more bytes than it needs');
      return { length, body: at + 1 };
    }
    return malformed('a length has more than four bytes');
  }

  #bytesMax(type: number): number {
    return type === types.publish ? this.#packetBytesMax : connectBytesMax;
  }
}
