/** Just enough DER (X.690) to write requests, lists and answers; nothing here reads any. */
export function element(tag: number, ...parts: Uint8Array[]): Buffer {
  let length = 0;
  for (const part of parts) length += part.length;
  const size = lengthSize(length);
  const bytes = Buffer.allocUnsafe(2 + size + length);
  bytes[0] = tag;
  if (size === 0) bytes[1] = length;
  else {
    bytes[1] = 0x80 | size;
    bytes.writeUIntBE(length, 2, size);
  }
  let at = 2 + size;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** How many bytes follow the first one of a length; none for a short one (X.690 §10.1). */
function lengthSize(length: number): number {
  if (length < 0x80) return 0;
  let size = 1;
  for (let rest = length; rest > 0xff; rest = Math.floor(rest / 0x100)) size++;
  return size;
}

export const sequence = (...parts: Uint8Array[]) => element(0x30, ...parts);
export const set = (...parts: Uint8Array[]) => element(0x31, ...parts);
/** A number that is not negative. */
export function integer(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; rest > 0 || bytes.length === 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return integerOf(Buffer.from(bytes));
}

/** The bytes of a number that is not negative, the first ones first; in as few as it has (X.690 §8.3.2). */
export function integerOf(bytes: Uint8Array): Buffer {
  let from = 0;
  while (from < bytes.length - 1 && bytes[from] === 0) from++;
  const least = bytes.subarray(from);
  return (least[0] ?? 0) >= 0x80 ? element(0x02, Buffer.of(0), least) : element(0x02, least);
}

export const octetString = (bytes: Uint8Array) => element(0x04, bytes);
export const boolean = (value: boolean) => element(0x01, Buffer.of(value ? 0xff : 0));
export const enumerated = (value: number) => element(0x0a, Buffer.of(value));
/** `[number]` around what is within: constructed, of this context (X.690 §8.1.2). */
export const explicit = (number: number, ...parts: Uint8Array[]) => element(0xa0 | number, ...parts);

/** Whole seconds; UTCTime until 2049 (RFC 5280 §4.1.2.5). `at`: milliseconds since 1970. */
export function time(at: number): Buffer {
  const digits = digitsOf(at);
  return digits < '2050' && digits >= '1950' ? element(0x17, Buffer.from(digits.slice(2))) : generalizedTime(at);
}

export const generalizedTime = (at: number) => element(0x18, Buffer.from(digitsOf(at)));

/** YYYYMMDDHHMMSSZ */
const digitsOf = (at: number) => `${new Date(at).toISOString().slice(0, 19).replace(/[-T:]/g, '')}Z`;

export const utf8String = (text: string) => element(0x0c, Buffer.from(text));
/** No unused bits at its end. */
export const bitString = (bytes: Uint8Array) => element(0x03, Buffer.from([0]), bytes);

export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return element(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(value: number): number[] {
  const digits = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) digits.unshift((rest % 128) | 0x80);
  return digits;
}
