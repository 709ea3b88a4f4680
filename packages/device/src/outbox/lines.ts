import type { Hash } from 'node:crypto';
import type { Readable } from 'node:stream';

export interface Line {
  /** From 1. */
  number: number;
  /** Without its line feed. */
  bytes: Buffer;
  /** Where it begins and where the next one does, in bytes of the input. */
  start: number;
  end: number;
  /** It was longer than any line may be, and `bytes` is only its beginning. */
  isCut: boolean;
}

export interface LineGroup {
  lines: Line[];
  /** SHA-256 of the input up to the end of the last of them, where that is asked for. */
  digest(): string;
}

export const lineBytesMax = 1024 * 1024;
const cutBytes = 4096;
const lineFeed = 0x0a;

/** The lines of an input in groups as they come: many from a file, few from a slow pipe. A line without an end is cut, not gathered. */
export class Lines {
  #rest: Buffer[] = [];
  #restBytes = 0;
  #isCut = false;
  #start: number;
  #number: number;
  readonly #hash: Hash | undefined;

  /** Where the input begins: so many bytes and lines of it came before, which `hash` has had. */
  constructor(start = 0, lines = 0, hash?: Hash) {
    this.#start = start;
    this.#number = lines + 1;
    this.#hash = hash;
  }

  async *of(input: Readable): AsyncGenerator<LineGroup> {
    for await (const chunk of input as AsyncIterable<Buffer>) {
      const end = chunk.lastIndexOf(lineFeed) + 1;
      const lines = this.#split(chunk);
      this.#hash?.update(chunk.subarray(0, end));
      const upToHere = this.#hash?.copy();
      this.#hash?.update(chunk.subarray(end));
      if (lines.length > 0) yield { lines, digest: () => upToHere?.digest('hex') ?? '' };
    }
    const lines = this.#restBytes > 0 ? [this.#end(Buffer.alloc(0), 0)] : [];
    if (lines.length > 0) yield { lines, digest: () => this.#hash?.digest('hex') ?? '' };
  }

  #split(chunk: Buffer): Line[] {
    const lines: Line[] = [];
    let from = 0;
    for (let at = chunk.indexOf(lineFeed); at !== -1; at = chunk.indexOf(lineFeed, from)) {
      lines.push(this.#end(chunk.subarray(from, at), 1));
      from = at + 1;
    }
    this.#gather(chunk.subarray(from));
    return lines;
  }

  #gather(part: Buffer): void {
    this.#restBytes += part.length;
    if (this.#restBytes > lineBytesMax && !this.#isCut) {
      this.#rest = [Buffer.concat([...this.#rest, part]).subarray(0, cutBytes)];
      this.#isCut = true;
    }
    if (!this.#isCut && part.length > 0) this.#rest.push(part);
  }

  #end(part: Buffer, feed: number): Line {
    this.#gather(part);
    const end = this.#start + this.#restBytes + feed;
    const bytes = this.#rest.length === 1 ? (this.#rest[0] as Buffer) : Buffer.concat(this.#rest);
    const line = { number: this.#number++, bytes, start: this.#start, end, isCut: this.#isCut };
    [this.#rest, this.#restBytes, this.#isCut, this.#start] = [[], 0, false, end];
    return line;
  }
}

/** White space is all that it has. */
export function isBlank({ bytes }: Line): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
