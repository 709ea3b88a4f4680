import { isTokenByte } from './head-reader.ts';

/** Of the line before a chunk: its size, with any noughts before it, and what is said of it, which nobody heeds (RFC 9112 §7.1.1). */
const lineBytesMax = 256;
const trailerBytesMax = 4_096;
/** RFC 9110 §6.5.1: where the message ends is told before it. */
const noTrailers = new Set(['content-length', 'transfer-encoding', 'host']);
/** More than any body may have. */
const chunkBytesMax = 0x7fff_ffff;

const [tab, lineFeed, carriageReturn, space, quote] = [0x09, 0x0a, 0x0d, 0x20, 0x22];
const [colon, semicolon, equals, backslash, deleted] = [0x3a, 0x3b, 0x3d, 0x5c, 0x7f];

const hexadecimal = new Int8Array(256).fill(-1);
for (const [value, letter] of [...'0123456789abcdef'].entries()) {
  hexadecimal[letter.charCodeAt(0)] = value;
  hexadecimal[letter.toUpperCase().charCodeAt(0)] = value;
}

type State =
  | 'size'
  | 'extension'
  | 'extension-name'
  | 'extension-value'
  | 'extension-token'
  | 'extension-quoted'
  | 'extension-escape'
  | 'extension-end'
  | 'size-end'
  | 'data'
  | 'data-return'
  | 'data-end'
  | 'trailer'
  | 'trailer-name'
  | 'trailer-value'
  | 'trailer-end'
  | 'last'
  | 'done';

const isText = (byte: number) => (byte >= space && byte !== deleted) || byte === tab;

/** A body in chunks (RFC 9112 §7.1). What is said beside the data is bounded, looked at for its form and dropped. */
export class ChunkReader {
  #state: State = 'size';
  #digits = 0;
  #left = 0;
  #lineBytes = 0;
  #trailerBytes = 0;
  /** Of the trailer that is being read. */
  #name = '';

  get isDone(): boolean {
    return this.#state === 'done';
  }

  /**
   * How many bytes of the piece, from `from` on, are data of one chunk; `at` is where they begin. None: the piece has ended, or the body has. A text
   * says what is wrong with it.
   */
  at = 0;
  next(piece: Buffer, from: number): number | string {
    let at = from;
    while (at < piece.length && this.#state !== 'done') {
      if (this.#state === 'data') {
        const bytes = Math.min(this.#left, piece.length - at);
        this.#left -= bytes;
        if (this.#left === 0) this.#state = 'data-return';
        this.at = at;
        return bytes;
      }
      const wrong = this.#step(piece[at++] as number);
      if (wrong !== undefined) return wrong;
    }
    this.at = at;
    return 0;
  }

  #step(byte: number): string | undefined {
    switch (this.#state) {
      case 'size':
        return this.#size(byte);
      case 'size-end':
        if (byte !== lineFeed) return 'a carriage return stands within the line of a chunk';
        return this.#sized();
      case 'data-return':
        return this.#expect(byte, carriageReturn, 'data-end');
      case 'data-end':
        return this.#expect(byte, lineFeed, 'size');
      case 'trailer':
      case 'trailer-name':
      case 'trailer-value':
      case 'trailer-end':
      case 'last':
        return this.#trailer(byte);
      default:
        return this.#extension(byte);
    }
  }

  #expect(byte: number, expected: number, next: State): string | undefined {
    this.#state = next;
    return byte === expected ? undefined : 'a chunk is not followed by the end of its line';
  }

  #size(byte: number): string | undefined {
    const value = hexadecimal[byte] as number;
    if (value >= 0) {
      this.#digits++;
      this.#left = this.#left * 16 + value;
      return this.#left > chunkBytesMax ? 'a chunk is larger than any body may be' : this.#bounded();
    }
    if (this.#digits === 0) return 'a chunk has no size';
    if (byte === carriageReturn) this.#state = 'size-end';
    else if (byte === semicolon) this.#state = 'extension';
    else return 'the size of a chunk is no number';
    return this.#bounded();
  }

  #extension(byte: number): string | undefined {
    const next = this.#afterExtension(byte);
    if (next === undefined) return 'what is said of a chunk is not ";name=value"';
    this.#state = next;
    return this.#bounded();
  }

  /** RFC 9112 §7.1.1, without its white space. */
  #afterExtension(byte: number): State | undefined {
    const isToken = isTokenByte[byte] === 1;
    const state = this.#state;
    if (state === 'extension') return isToken ? 'extension-name' : undefined;
    if (state === 'extension-value' && byte === quote) return 'extension-quoted';
    if (state === 'extension-value') return isToken ? 'extension-token' : undefined;
    if (state === 'extension-escape') return isText(byte) ? 'extension-quoted' : undefined;
    if (state === 'extension-quoted') {
      if (byte === quote) return 'extension-end';
      if (byte === backslash) return 'extension-escape';
      return isText(byte) ? 'extension-quoted' : undefined;
    }
    if (isToken && state !== 'extension-end') return state;
    if (byte === equals && state === 'extension-name') return 'extension-value';
    if (byte === semicolon) return 'extension';
    return byte === carriageReturn ? 'size-end' : undefined;
  }

  #bounded(): string | undefined {
    return ++this.#lineBytes > lineBytesMax ? `the line of a chunk is longer than ${lineBytesMax} bytes` : undefined;
  }

  #sized(): undefined {
    this.#state = this.#left === 0 ? 'trailer' : 'data';
    this.#digits = 0;
    this.#lineBytes = 0;
    return undefined;
  }

  #trailer(byte: number): string | undefined {
    if (++this.#trailerBytes > trailerBytesMax) return `the trailers are larger than ${trailerBytesMax} bytes`;
    const next = this.#afterTrailer(byte);
    if (next === undefined) return 'a trailer is not "name: value"';
    if (next === 'trailer') this.#name = '';
    if (next === 'trailer-name') this.#name += String.fromCharCode(byte).toLowerCase();
    if (next === 'trailer-value' && noTrailers.has(this.#name)) return `"${this.#name}" is no trailer`;
    this.#state = next;
    return undefined;
  }

  #afterTrailer(byte: number): State | undefined {
    const isToken = isTokenByte[byte] === 1;
    switch (this.#state) {
      case 'trailer':
        if (byte === carriageReturn) return 'last';
        return isToken ? 'trailer-name' : undefined;
      case 'trailer-name':
        if (byte === colon) return 'trailer-value';
        return isToken ? 'trailer-name' : undefined;
      case 'trailer-value':
        if (byte === carriageReturn) return 'trailer-end';
        return isText(byte) ? 'trailer-value' : undefined;
      case 'trailer-end':
        return byte === lineFeed ? 'trailer' : undefined;
      default:
        return byte === lineFeed ? 'done' : undefined;
    }
  }
}
