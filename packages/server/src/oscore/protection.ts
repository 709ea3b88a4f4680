import { byteString } from './cbor-items.ts';
import { idBytesMax } from './context.ts';
import { type CoapOption, optionNumbers } from './message.ts';
import { malformed, type OscoreRefused } from './refused.ts';

/** What the OSCORE option of a message says (RFC 8613 §6.1). */
export interface Protection {
  partialIv?: Buffer | undefined;
  kidContext?: Buffer | undefined;
  kid?: Buffer | undefined;
}

const hasKid = 0x08;
const hasKidContext = 0x10;
const lengthOfIv = 0x07;
const partialIvBytesMax = 5;
export const numberMax = 2 ** 40 - 1;

/** Big-endian without leading zeros, and one byte for zero (RFC 8613 §5). */
export function partialIvOf(number: number): Buffer {
  const bytes = Buffer.alloc(partialIvBytesMax);
  bytes.writeUIntBE(number, 0, partialIvBytesMax);
  const first = bytes.findIndex((byte) => byte !== 0);
  return bytes.subarray(first < 0 ? partialIvBytesMax - 1 : first);
}

export const numberOf = (partialIv: Buffer): number => partialIv.readUIntBE(0, partialIv.length);

export function writeProtection({ partialIv, kidContext, kid }: Protection): Buffer {
  const flags =
    (partialIv?.length ?? 0) | (kid === undefined ? 0 : hasKid) | (kidContext === undefined ? 0 : hasKidContext);
  if (flags === 0) return Buffer.alloc(0);
  return Buffer.concat([
    Buffer.from([flags]),
    partialIv ?? Buffer.alloc(0),
    ...(kidContext === undefined ? [] : [Buffer.from([kidContext.length]), kidContext]),
    kid ?? Buffer.alloc(0),
  ]);
}

/** Of the message's outer options: undefined when it has no OSCORE option. It can not be repeated (RFC 8613 §2). */
export function protectionOf(options: readonly CoapOption[]): Protection | OscoreRefused | undefined {
  const [first, second] = options.filter(({ number }) => number === optionNumbers.oscore);
  if (second) return malformed('the OSCORE option is there twice');
  return first && parseProtection(first.value);
}

export function parseProtection(value: Buffer): Protection | OscoreRefused {
  if (value.length === 0) return {};
  const flags = value[0] as number;
  if (flags === 0) return malformed('the OSCORE option is a zero; without flags it is empty');
  if ((flags & ~(lengthOfIv | hasKid | hasKidContext)) !== 0) return malformed('reserved flags of the OSCORE option');
  const ivEnd = 1 + (flags & lengthOfIv);
  if (ivEnd > 1 + partialIvBytesMax) return malformed('the Partial IV is longer than 5 bytes');
  if (ivEnd > value.length) return malformed('the OSCORE option ends within the Partial IV');
  const partialIv = ivEnd === 1 ? undefined : value.subarray(1, ivEnd);
  if (partialIv && partialIv.length > 1 && partialIv[0] === 0) return malformed('the Partial IV has leading zeros');
  return restOf(value.subarray(ivEnd), flags, partialIv);
}

function restOf(rest: Buffer, flags: number, partialIv: Buffer | undefined): Protection | OscoreRefused {
  const contextEnd = flags & hasKidContext ? 1 + (rest[0] ?? Number.POSITIVE_INFINITY) : 0;
  if (contextEnd > rest.length) return malformed('the OSCORE option ends within the kid context');
  const kidContext = flags & hasKidContext ? rest.subarray(1, contextEnd) : undefined;
  const kid = rest.subarray(contextEnd);
  if (!(flags & hasKid)) {
    return kid.length > 0 ? malformed('bytes after the OSCORE option') : { partialIv, kidContext };
  }
  if (kid.length > idBytesMax) return malformed(`the kid is longer than ${idBytesMax} bytes`);
  return { partialIv, kidContext, kid };
}

/** A kid context as the exchange of RFC 8613 appendix B.2 sends it: as a byte string of CBOR. */
export const wrapped = (idContext: Buffer): Buffer => byteString(idContext);

/** Undefined: it is no byte string of CBOR in its shortest form, and no more. */
export function unwrapped(kidContext: Buffer): Buffer | undefined {
  const [head = 0, length = 0] = kidContext;
  if (head >= 0x40 && head < 0x58 && kidContext.length === 1 + head - 0x40) return kidContext.subarray(1);
  const long = head === 0x58 && length >= 24 && kidContext.length === 2 + length;
  return long ? kidContext.subarray(2) : undefined;
}
