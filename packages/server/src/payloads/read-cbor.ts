import { isUtf8 } from 'node:buffer';
import { jsonDepthMax } from '@portcullis/contract';
import { type Item, type Members, Numeral } from './item.ts';
import { Unmappable } from './unmappable.ts';

/** One item and nothing behind it (RFC 8949), of what JSON has. Throws `Unmappable`. */
export function readCbor(bytes: Buffer, names: 'text' | 'text and integers' = 'text'): Item {
  const reader = new Reader(bytes, names);
  const item = reader.item(0);
  reader.end();
  return item;
}

interface Head {
  major: number;
  /** The five bits beside it. */
  info: number;
  argument: bigint;
}

const indefinite = 31;
const breakByte = 0xff;

class Reader {
  readonly #bytes: Buffer;
  readonly #names: 'text' | 'text and integers';
  #at = 0;

  constructor(bytes: Buffer, names: 'text' | 'text and integers') {
    this.#bytes = bytes;
    this.#names = names;
  }

  end(): void {
    const left = this.#bytes.length - this.#at;
    if (left > 0) throw new Unmappable(`${left} bytes stand after the item`);
  }

  item(depth: number): Item {
    if (depth > jsonDepthMax) throw new Unmappable(`it is nested deeper than ${jsonDepthMax} levels`);
    const head = this.#head();
    switch (head.major) {
      case 0:
        return new Numeral(String(head.argument));
      case 1:
        return new Numeral(String(-1n - head.argument));
      case 2:
        throw new Unmappable('a byte string has no form in JSON; write it as text');
      case 3:
        return this.#text(head);
      case 4:
        return this.#array(head, depth);
      case 5:
        return this.#map(head, depth);
      case 6:
        throw new Unmappable(`tag ${head.argument} has no form in JSON`);
      default:
        return this.#simple(head);
    }
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new Unmappable('it ends within an item');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  #head(): Head {
    const [first = 0] = this.#take(1);
    const [major, info] = [first >> 5, first & 0x1f];
    if (info < 24) return { major, info, argument: BigInt(info) };
    if (info < 28) return { major, info, argument: BigInt(`0x${this.#take(1 << (info - 24)).toString('hex')}`) };
    if (info === indefinite && (major === 4 || major === 5)) return { major, info, argument: 0n };
    if (info === indefinite && major === 3) throw new Unmappable('a text in chunks is not taken; write it whole');
    if (info === indefinite && major === 7) throw new Unmappable('a break stands where an item should');
    throw new Unmappable(`the byte 0x${first.toString(16).padStart(2, '0')} begins no item`);
  }

  #text({ argument }: Head): string {
    const left = this.#bytes.length - this.#at;
    if (argument > left) throw new Unmappable('it ends within a text');
    const bytes = this.#take(Number(argument));
    if (!isUtf8(bytes)) throw new Unmappable('a text is not UTF-8');
    return bytes.toString('utf8');
  }

  /** Runs `one` for each member: as many as the head says, or until the break. */
  #each({ info, argument }: Head, one: () => void): void {
    // A member takes a byte at least: a count that can not be there is refused before anything is read for it.
    if (argument > this.#bytes.length - this.#at) throw new Unmappable('it ends within an array or a map');
    if (info !== indefinite) {
      for (let left = Number(argument); left > 0; left--) one();
      return;
    }
    while (this.#bytes[this.#at] !== breakByte) one();
    this.#at++;
  }

  #array(head: Head, depth: number): Item[] {
    const items: Item[] = [];
    this.#each(head, () => items.push(this.item(depth + 1)));
    return items;
  }

  #map(head: Head, depth: number): Members {
    const members: Members = new Map();
    this.#each(head, () => {
      const name = this.#name();
      if (members.has(name)) throw new Unmappable(`the member ${shown(name)} stands twice in the same map`);
      members.set(name, this.item(depth + 1));
    });
    return members;
  }

  #name(): string | number {
    const head = this.#head();
    if (head.major === 3) return this.#text(head);
    if (this.#names === 'text and integers' && head.major < 2 && head.argument < 256n) {
      return head.major === 0 ? Number(head.argument) : -1 - Number(head.argument);
    }
    throw new Unmappable('the name of a member is no text');
  }

  #simple({ info, argument }: Head): Item {
    if (info === 20 || info === 21) return info === 21;
    if (info === 22) return null;
    if (info === 23) throw new Unmappable('undefined has no form in JSON; leave the member out');
    if (info === 25) return numeralOf(halfOf(Number(argument)));
    if (info === 26 || info === 27) {
      const bytes = this.#bytes.subarray(this.#at - (info === 26 ? 4 : 8), this.#at);
      return numeralOf(info === 26 ? bytes.readFloatBE() : bytes.readDoubleBE());
    }
    throw new Unmappable(`the simple value ${argument} has no form in JSON`);
  }
}

const shown = (name: string | number) =>
  JSON.stringify(typeof name === 'string' ? name.slice(0, 64).toWellFormed() : name);

/** The shortest decimal that is read back as the same number; how many bytes it came in is no part of its value (RFC 8949 §4.1). */
function numeralOf(value: number): Numeral {
  if (!Number.isFinite(value)) throw new Unmappable(`${value} has no form in JSON; leave the member out`);
  return new Numeral(Object.is(value, -0) ? '-0' : String(value));
}

/** RFC 8949 appendix D. */
function halfOf(bits: number): number {
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (fraction + 1024) * 2 ** (exponent - 25);
}
