import { PortcullisError } from '@portcullis/contract';

export const tags = {
  integer: 0x02,
  octets: 0x04,
  objectIdentifier: 0x06,
  null: 0x05,
  boolean: 0x01,
  bits: 0x03,
  sequence: 0x30,
  set: 0x31,
} as const;
/** `[number]` around what is within (X.690 §8.1.2). */
export const contextTag = (number: number) => 0xa0 | number;

/** What is read here has less than 64 KiB. */
const lengthBytesMax = 2;

/** Reads elements in their order; any other form than DER's (X.690 §10), and what is left over, is refused. */
export class DerReader {
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;

  constructor(bytes: Buffer, from = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = end;
  }

  /** The tag of what comes next; undefined: nothing. */
  get next(): number | undefined {
    return this.#at < this.#end ? this.#bytes[this.#at] : undefined;
  }

  /** Its content. @throws {PortcullisError} `request_malformed` */
  read(tag: number): Buffer {
    const { from, to } = this.#take(tag);
    return this.#bytes.subarray(from, to);
  }

  /** With tag and length. @throws {PortcullisError} `request_malformed` */
  whole(tag: number): Buffer {
    const start = this.#at;
    const { to } = this.#take(tag);
    return this.#bytes.subarray(start, to);
  }

  /** What is within. @throws {PortcullisError} `request_malformed` */
  within(tag: number): DerReader {
    const { from, to } = this.#take(tag);
    return new DerReader(this.#bytes, from, to);
  }

  /** What is within where that comes next, else undefined. @throws {PortcullisError} `request_malformed` */
  optional(tag: number): DerReader | undefined {
    return this.next === tag ? this.within(tag) : undefined;
  }

  /** @throws {PortcullisError} `request_malformed` where something follows */
  end(): void {
    if (this.#at !== this.#end) throw malformed(`has ${this.#end - this.#at} bytes more than it may at ${this.#at}`);
  }

  #take(tag: number): { from: number; to: number } {
    if (this.next !== tag) throw malformed(`has no element with tag 0x${tag.toString(16)} at ${this.#at}`);
    const { length, from } = this.#length(this.#at + 1);
    const to = from + length;
    if (to > this.#end) throw malformed(`ends before its element at ${this.#at} does`);
    this.#at = to;
    return { from, to };
  }

  /** Definite, in as few bytes as it takes (X.690 §10.1). */
  #length(at: number): { length: number; from: number } {
    const first = at < this.#end ? (this.#bytes[at] as number) : 0x80;
    if (first < 0x80) return { length: first, from: at + 1 };
    const bytes = first & 0x7f;
    if (bytes === 0 || bytes > lengthBytesMax || at + 1 + bytes > this.#end)
      throw malformed(`has no length of DER at ${at}`);
    const length = this.#bytes.readUIntBE(at + 1, bytes);
    if (length < 0x80 || (bytes === 2 && length < 0x100)) throw malformed(`has a length in too many bytes at ${at}`);
    return { length, from: at + 1 + bytes };
  }
}

/** `identifier`: an object identifier in DER, which was read. As people write it (X.690 §8.19). */
export function dottedOf(identifier: Buffer): string {
  const numbers: bigint[] = [];
  let number = 0n;
  for (const byte of new DerReader(identifier).read(tags.objectIdentifier)) {
    number = (number << 7n) | BigInt(byte & 0x7f);
    if (byte >= 0x80) continue;
    numbers.push(number);
    number = 0n;
  }
  const [first = 0n, ...rest] = numbers;
  const root = first < 80n ? first / 40n : 2n;
  return [root, first - root * 40n, ...rest].join('.');
}

function malformed(why: string): PortcullisError {
  return new PortcullisError('request_malformed', `the DER ${why}`);
}
