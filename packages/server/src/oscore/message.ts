import { malformed, type OscoreRefused } from './refused.ts';

export interface CoapOption {
  number: number;
  value: Buffer;
}

/** A message of CoAP without its header: `code` is the byte (0x02 is 0.02, POST; 0x44 is 2.04). */
export interface Message {
  code: number;
  /** In the order of their numbers; what has the same number stays in its order. */
  options: CoapOption[];
  payload: Buffer;
}

/** Those that this house reads or writes (RFC 7252 §12.2, RFC 7959, RFC 8613 §13.1, RFC 9175 §5). */
export const optionNumbers = {
  uriHost: 3,
  observe: 6,
  uriPort: 7,
  oscore: 9,
  uriPath: 11,
  contentFormat: 12,
  maxAge: 14,
  hopLimit: 16,
  block2: 23,
  block1: 27,
  proxyUri: 35,
  proxyScheme: 39,
  size1: 60,
  echo: 252,
} as const;

export const valuesOf = (options: readonly CoapOption[], number: number): Buffer[] =>
  options.filter((option) => option.number === number).map(({ value }) => value);
export const firstValueOf = (options: readonly CoapOption[], number: number): Buffer | undefined =>
  options.find((option) => option.number === number)?.value;

const marker = 0xff;
const numberMax = 0xffff;

/** Options and payload (RFC 7252 §3.1), from `at` to the end. */
export function parseRest(bytes: Buffer, at: number): Pick<Message, 'options' | 'payload'> | OscoreRefused {
  const options: CoapOption[] = [];
  let number = 0;
  let place = at;
  while (place < bytes.length) {
    const head = bytes[place] as number;
    if (head === marker) {
      // "The presence of a marker followed by a zero-length payload MUST be processed as a message format error."
      if (place + 1 === bytes.length) return malformed('a payload marker without a payload');
      return { options, payload: bytes.subarray(place + 1) };
    }
    const delta = extended(bytes, head >> 4, place + 1);
    const length = delta && extended(bytes, head & 0x0f, delta.end);
    if (length === undefined || length.end + length.value > bytes.length)
      return malformed('an option that is reserved, or does not end');
    number += (delta as { value: number }).value;
    if (number > numberMax) return malformed('an option number above 65535');
    place = length.end + length.value;
    options.push({ number, value: bytes.subarray(length.end, place) });
  }
  return { options, payload: Buffer.alloc(0) };
}

/** Undefined: the reserved value, or bytes that are not there. */
function extended(bytes: Buffer, nibble: number, at: number): { value: number; end: number } | undefined {
  if (nibble < 13) return { value: nibble, end: at };
  if (nibble === 13) return at + 1 > bytes.length ? undefined : { value: bytes.readUInt8(at) + 13, end: at + 1 };
  if (nibble === 14) return at + 2 > bytes.length ? undefined : { value: bytes.readUInt16BE(at) + 269, end: at + 2 };
  return undefined;
}

export function writeRest({ options, payload }: Pick<Message, 'options' | 'payload'>): Buffer {
  const parts: Buffer[] = [];
  let number = 0;
  for (const option of options.toSorted((one, other) => one.number - other.number)) {
    const [delta, deltaMore] = shortened(option.number - number);
    const [length, lengthMore] = shortened(option.value.length);
    parts.push(Buffer.from([(delta << 4) | length, ...deltaMore, ...lengthMore]), option.value);
    number = option.number;
  }
  if (payload.length > 0) parts.push(Buffer.from([marker]), payload);
  return Buffer.concat(parts);
}

function shortened(value: number): [nibble: number, more: number[]] {
  if (value < 13) return [value, []];
  if (value < 269) return [13, [value - 13]];
  return [14, [(value - 269) >> 8, (value - 269) & 0xff]];
}
