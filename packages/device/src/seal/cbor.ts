/**
 * The little of CBOR (RFC 8949) that a COSE_Sign1 is made of: integers, byte strings, texts, arrays and maps, each of a stated length.
 * Written in the core deterministic encoding (§4.2.1); read in any, but with no key twice. A general decoder takes fifty times as long.
 */

export type CborKey = number | string;
export type CborValue = number | string | Buffer | readonly CborValue[] | CborMap;
export type CborMap = ReadonlyMap<CborKey, CborValue>;

const depthMax = 4;
const itemsMax = 64;

export class CborMalformed extends Error {}

export class CborReader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at = 0) {
    [this.#bytes, this.#at] = [bytes, at];
  }

  get at(): number {
    return this.#at;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** Past one byte, if it is that one. */
  takes(byte: number): boolean {
    if (this.#bytes[this.#at] !== byte) return false;
    this.#at++;
    return true;
  }

  byteString(): Buffer {
    const { major, value } = this.#head();
    if (major !== 2) throw new CborMalformed('it has something else where a byte string belongs');
    return this.#take(value);
  }

  value(depth = 0): CborValue {
    if (depth > depthMax) throw new CborMalformed(`it is nested deeper than ${depthMax} levels`);
    const { major, value } = this.#head();
    switch (major) {
      case 0:
        return value;
      case 1:
        return -1 - value;
      case 2:
        return this.#take(value);
      case 3:
        return this.#text(value);
      case 4:
        return Array.from({ length: bounded(value) }, () => this.value(depth + 1));
      case 5:
        return this.#map(bounded(value), depth);
      default:
        throw new CborMalformed('it holds a tag, a float or a simple value');
    }
  }

  #text(length: number): string {
    const bytes = this.#take(length);
    const text = bytes.toString('utf8');
    if (!Buffer.from(text).equals(bytes)) throw new CborMalformed('a text in it is not UTF-8');
    return text;
  }

  #map(length: number, depth: number): CborMap {
    const map = new Map<CborKey, CborValue>();
    for (let count = 0; count < length; count++) {
      const key = this.value(depth + 1);
      if (typeof key !== 'number' && typeof key !== 'string')
        throw new CborMalformed('a key of a map is neither an integer nor a text');
      if (map.has(key)) throw new CborMalformed(`the key ${JSON.stringify(key).slice(0, 64)} stands twice`);
      map.set(key, this.value(depth + 1));
    }
    return map;
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new CborMalformed('it ends amid an item');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  /** RFC 8949 §3: three bits of type, and a number. */
  #head(): { major: number; value: number } {
    const [first = 0] = this.#take(1);
    const [major, short] = [first >> 5, first & 0x1f];
    if (short < 24) return { major, value: short };
    if (short > 27) throw new CborMalformed('an item of it has no stated length');
    const size = 1 << (short - 24);
    const bytes = this.#take(size);
    if (first === float64) return { major: 0, value: wholeIn(bytes) };
    const value = size === 8 ? Number(bytes.readBigUInt64BE()) : bytes.readUIntBE(0, size);
    if (value > Number.MAX_SAFE_INTEGER) throw new CborMalformed('a number of it is beyond 2^53');
    return { major, value };
  }
}

const float64 = 0xfb;

/** As some encoders write an integer beyond 32 bits. */
function wholeIn(bytes: Buffer): number {
  const value = bytes.readDoubleBE();
  if (!Number.isSafeInteger(value) || value < 0) throw new CborMalformed('it holds a float that is no whole number');
  return value;
}

function bounded(length: number): number {
  if (length > itemsMax) throw new CborMalformed(`an array or a map of it has more than ${itemsMax} items`);
  return length;
}

export function writeCbor(value: CborValue): Buffer {
  if (typeof value === 'number') return value < 0 ? headOf(1, -1 - value) : headOf(0, value);
  if (typeof value === 'string') {
    const bytes = Buffer.from(value);
    return Buffer.concat([headOf(3, bytes.length), bytes]);
  }
  if (Buffer.isBuffer(value)) return Buffer.concat([headOf(2, value.length), value]);
  if (value instanceof Map) {
    const entries = [...value].map(
      ([key, member]) => [writeCbor(key as CborKey), writeCbor(member as CborValue)] as const,
    );
    const sorted = entries.toSorted(([one], [other]) => Buffer.compare(one, other));
    return Buffer.concat([headOf(5, sorted.length), ...sorted.flat()]);
  }
  const items = value as readonly CborValue[];
  return Buffer.concat([headOf(4, items.length), ...items.map(writeCbor)]);
}

export function headOf(major: number, value: number): Buffer {
  const type = major << 5;
  if (value < 24) return Buffer.from([type | value]);
  if (value < 0x100) return Buffer.from([type | 24, value]);
  if (value < 0x1_0000) return Buffer.from([type | 25, value >> 8, value & 0xff]);
  const wide = value >= 0x1_0000_0000;
  const head = Buffer.alloc(wide ? 9 : 5);
  head[0] = type | (wide ? 27 : 26);
  if (wide) head.writeBigUInt64BE(BigInt(value), 1);
  else head.writeUInt32BE(value, 1);
  return head;
}
