import { isUtf8 } from 'node:buffer';
import { Faulty, malformed, protocolError } from './fault.ts';

type Form = 'flag' | 'u16' | 'u32' | 'variable' | 'text' | 'binary' | 'pair';

/** MQTT 5 §2.2.2.2: the properties that a client may send, and how each is written. */
const forms: Record<number, Form> = {
  1: 'flag', // Payload Format Indicator
  2: 'u32', // Message Expiry Interval
  3: 'text', // Content Type
  8: 'text', // Response Topic
  9: 'binary', // Correlation Data
  11: 'variable', // Subscription Identifier
  17: 'u32', // Session Expiry Interval
  21: 'text', // Authentication Method
  22: 'binary', // Authentication Data
  23: 'flag', // Request Problem Information
  24: 'u32', // Will Delay Interval
  25: 'flag', // Request Response Information
  28: 'text', // Server Reference
  31: 'text', // Reason String
  33: 'u16', // Receive Maximum
  34: 'u16', // Topic Alias Maximum
  35: 'u16', // Topic Alias
  38: 'pair', // User Property
  39: 'u32', // Maximum Packet Size
};
const userProperty = 38;
/** They may not be zero: §3.1.2.11.3, §3.1.2.11.4, §3.8.2.1.2. */
const neverZero = new Set([11, 33, 39]);
const propertiesMax = 64;

/** Goes over the bytes of one packet, and finds whatever a decoder reads past. */
export class Walk {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    [this.#bytes, this.#at] = [bytes, at];
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number {
    return this.#bytes[this.#skip(1)] as number;
  }

  u16(): number {
    return this.#bytes.readUInt16BE(this.#skip(2));
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#skip(4));
  }

  binary(): Buffer {
    const length = this.u16();
    const at = this.#skip(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** [MQTT-1.5.4-1], [MQTT-1.5.4-2]. */
  text(what: string): string {
    const bytes = this.binary();
    if (!isUtf8(bytes)) throw new Faulty(malformed(`${what} is not UTF-8`));
    if (bytes.includes(0)) throw new Faulty(malformed(`${what} holds the character U+0000`));
    return bytes.toString('utf8');
  }

  /** [MQTT-1.5.5-1]: four bytes at most, and as few as do. */
  variable(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte >= 0x80) continue;
      if (byte === 0 && shift > 0) throw new Faulty(malformed('a length is written with more bytes than it needs'));
      return value;
    }
    throw new Faulty(malformed('a length has more than four bytes'));
  }

  /** Each once, but for user properties; of them the values that are numbers. */
  properties(allowed: readonly number[]): Map<number, number> {
    const length = this.variable();
    const end = this.#at + length;
    if (length > this.left) throw new Faulty(malformed('the properties are longer than their packet'));
    const seen = new Map<number, number>();
    for (let count = 0; this.#at < end; count++) {
      if (count >= propertiesMax) throw new Faulty(malformed(`more than ${propertiesMax} properties`));
      this.#property(allowed, seen);
    }
    if (this.#at !== end) throw new Faulty(malformed('a property is longer than the properties'));
    return seen;
  }

  #property(allowed: readonly number[], seen: Map<number, number>): void {
    const id = this.byte();
    const form = forms[id];
    if (form === undefined || (id !== userProperty && !allowed.includes(id))) {
      throw new Faulty(malformed(`property ${id} does not belong here`));
    }
    const value = this.#value(form, id);
    if (id === userProperty) return;
    if (seen.has(id)) throw new Faulty(protocolError(`property ${id} is there twice`));
    if (value === 0 && neverZero.has(id)) throw new Faulty(protocolError(`property ${id} is 0`));
    seen.set(id, value);
  }

  #value(form: Form, id: number): number {
    switch (form) {
      case 'flag':
        return this.#flag(id);
      case 'u16':
        return this.u16();
      case 'u32':
        return this.u32();
      case 'variable':
        return this.variable();
      case 'binary':
        return this.binary().length;
      case 'text':
        return this.text(`property ${id}`).length;
      case 'pair':
        return this.text('a user property').length + this.text('a user property').length;
    }
  }

  #flag(id: number): number {
    const value = this.byte();
    if (value > 1) throw new Faulty(protocolError(`property ${id} is ${value}; it must be 0 or 1`));
    return value;
  }

  #skip(bytes: number): number {
    const at = this.#at;
    if (bytes > this.left) throw new Faulty(malformed('the packet ends before what it announces'));
    this.#at += bytes;
    return at;
  }

  end(): void {
    if (this.left > 0) throw new Faulty(malformed(`${this.left} bytes are left over`));
  }
}
