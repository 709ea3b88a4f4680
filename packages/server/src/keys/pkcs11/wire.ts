/**
 * What travels between a caller and `p11-kit remote`, which speaks PKCS#11 for it in a process of its own: p11-kit's remote protocol, version 0.
 * A frame has three numbers of 32 bits (of the call, length of the options, length of the body); a body the function's number, the shape of its
 * arguments as text, and these.
 */
import { PortcullisError } from '@portcullis/contract';

/** The functions that are called: their numbers, and the shapes of what is asked and answered (p11-kit, rpc-message.h). */
export const functions = {
  initialize: [1, 'ayyay', ''],
  getSlotList: [4, 'yfu', 'au'],
  getTokenInfo: [6, 'u', 'ssssuuuuuuuuuuuvvs'],
  openSession: [10, 'uu', 'u'],
  login: [18, 'uuay', ''],
  getAttributeValue: [24, 'uufA', 'aAu'],
  findObjectsInit: [26, 'uaA', ''],
  findObjects: [27, 'ufu', 'au'],
  findObjectsFinal: [28, 'u', ''],
  signInit: [42, 'uMu', ''],
  sign: [43, 'uayfy', 'ay'],
  generateKeyPair: [59, 'uMaAaA', 'uu'],
} as const;
export type FunctionName = keyof typeof functions;

const errorNumber = 0;
export const headBytes = 12;
const none = 0xffff_ffff;

/** An attribute of an object: a flag, a number, or bytes. */
export type Attribute = readonly [type: number, value: boolean | number | Buffer];

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** CK_ULONG: handles of sessions and objects, numbers of slots. */
export function ulong(value: bigint | number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

const counted = (bytes: Buffer) => Buffer.concat([u32(bytes.length), bytes]);
export const byte = (value: number) => Buffer.from([value]);
export const byteArray = (bytes: Buffer) => Buffer.concat([byte(1), counted(bytes)]);
/** Of those that are used none has parameters. */
export const mechanism = (type: number) => Buffer.concat([u32(type), u32(none)]);

export function attributeArray(attributes: readonly Attribute[]): Buffer {
  const encoded = attributes.map(([type, value]) => {
    const [length, bytes] = encodedValue(value);
    return Buffer.concat([u32(type), byte(1), u32(length), bytes]);
  });
  return Buffer.concat([u32(attributes.length), ...encoded]);
}

function encodedValue(value: Attribute[1]): [length: number, bytes: Buffer] {
  if (typeof value === 'boolean') return [1, byte(value ? 1 : 0)];
  if (typeof value === 'number') return [8, ulong(value)];
  return [value.length, counted(value)];
}

/** Room for the values of attributes, in bytes each. */
export function attributeBuffer(types: readonly number[], bytesEach: number): Buffer {
  return Buffer.concat([u32(types.length), ...types.flatMap((type) => [u32(type), u32(bytesEach)])]);
}

export function encodeCall(name: FunctionName, call: number, values: readonly Buffer[]): Buffer {
  const [number, shape] = functions[name];
  const body = Buffer.concat([u32(number), counted(Buffer.from(shape)), ...values]);
  return Buffer.concat([u32(call), u32(0), u32(body.length), body]);
}

/** How long the frame is that begins here, with its head. */
export function frameLength(head: Buffer): number {
  return headBytes + head.readUInt32BE(4) + head.readUInt32BE(8);
}

/** What was answered: values, or the number of an error (CKR_…). @throws {PortcullisError} `key_unusable` for what does not answer this call */
export function decodeAnswer(name: FunctionName, call: number, frame: Buffer): { values: Reader } | { error: number } {
  const [number, , shape] = functions[name];
  const reader = new Reader(frame.subarray(headBytes + frame.readUInt32BE(4)));
  const answered = reader.u32();
  const said = reader.counted().toString('latin1');
  if (frame.readUInt32BE(0) === call && answered === errorNumber && said === 'u') {
    return { error: Number(reader.ulong()) };
  }
  if (frame.readUInt32BE(0) !== call || answered !== number || said !== shape) throw malformed();
  return { values: reader };
}

function malformed(): PortcullisError {
  return new PortcullisError('key_unusable', "p11-kit's answer is not one of its protocol, version 0");
}

/** Reads one answer from its beginning. Each of its acts @throws {PortcullisError} `key_unusable` beyond the end */
export class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  #next(length: number): Buffer {
    if (length > this.#bytes.length - this.#at) throw malformed();
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  u32(): number {
    return this.#next(4).readUInt32BE();
  }

  ulong(): bigint {
    return this.#next(8).readBigUInt64BE();
  }

  counted(): Buffer {
    return this.#next(this.u32());
  }

  /** Padded with spaces. */
  text(): string {
    return this.counted().toString('utf8').trimEnd();
  }

  byteArray(): Buffer {
    if (this.#next(1)[0] !== 1) throw malformed();
    return this.counted();
  }

  ulongArray(): bigint[] {
    if (this.#next(1)[0] !== 1) throw malformed();
    const count = this.u32();
    if (count > this.#bytes.length / 8) throw malformed();
    return Array.from({ length: count }, () => this.ulong());
  }

  /** Attributes whose values are bytes; undefined: it has none, or does not tell it. */
  byteAttributes(): (Buffer | undefined)[] {
    const count = this.u32();
    if (count > this.#bytes.length / 5) throw malformed();
    return Array.from({ length: count }, () => {
      this.u32();
      if (this.#next(1)[0] !== 1) return undefined;
      this.u32();
      return this.counted();
    });
  }
}
