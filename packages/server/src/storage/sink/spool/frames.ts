import { crc32 } from 'node:zlib';

/**
 * The bytes of a segment. A head: 8 bytes that say what it is, the version (4 bytes), their CRC-32 (4 bytes). Then records, each a frame: the
 * length of its body (4), the CRC-32 of number and body (4), its number (8), its body. All big-endian; the CRC is that of RFC 1952 §8.
 */
const mark = Buffer.from('portspol');
const version = 1;
export const headBytes = 16;
export const frameBytes = 16;
/** Longer than any group of readings that is written at once. */
export const bodyBytesMax = 512 * 1_048_576;
/** How far numbers may jump where what lies between is damaged. */
const jumpMax = 1_000_000;

export interface Frame {
  number: number;
  /** Of the body, in its file. */
  at: number;
  length: number;
}

export interface Scanned {
  frames: Frame[];
  /** Bytes that are no record lie before one that is, or the head is another one. */
  isDamaged: boolean;
  /** Where the records end. */
  end: number;
  /** What comes then: nothing; the first part of a record that was not written to its end; or a record whose bytes are others. */
  tail: 'none' | 'short' | 'damaged';
}

export function headOf(): Buffer {
  const head = Buffer.alloc(headBytes);
  mark.copy(head);
  head.writeUInt32BE(version, 8);
  head.writeUInt32BE(crc32(head.subarray(0, 12)), 12);
  return head;
}

export function framed(number: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(frameBytes + body.length);
  bytes.writeUInt32BE(body.length, 0);
  bytes.writeBigUInt64BE(BigInt(number), 8);
  body.copy(bytes, frameBytes);
  bytes.writeUInt32BE(crc32(bytes.subarray(8)), 4);
  return bytes;
}

/** The body of the record with this number; undefined: it is not what was written. `bytes`: the frame. */
export function bodyIn(bytes: Buffer, number: number): Buffer | undefined {
  const frame = frameAt(bytes, 0);
  return frame?.number === number ? bytes.subarray(frame.at, frame.at + frame.length) : undefined;
}

/** All records of a segment; what is damaged is passed over. */
export function scan(bytes: Buffer): Scanned {
  const frames: Frame[] = [];
  let isDamaged = !bytes.subarray(0, headBytes).equals(headOf());
  let at = headBytes;
  while (at < bytes.length) {
    const frame = frameAt(bytes, at) ?? nextAfter(bytes, at, frames.at(-1)?.number ?? 0);
    if (frame === undefined) break;
    if (frame.at !== at + frameBytes) isDamaged = true;
    frames.push(frame);
    at = frame.at + frame.length;
  }
  const end = Math.min(at, bytes.length);
  return { frames, isDamaged, end, tail: tailOf(bytes, end) };
}

function tailOf(bytes: Buffer, end: number): Scanned['tail'] {
  const left = bytes.length - end;
  if (left === 0) return 'none';
  // A file system can have the length of what was not written yet, and zeros in its place.
  if (left < frameBytes || bytes.subarray(end).every((byte) => byte === 0)) return 'short';
  return bytes.readUInt32BE(end) > left - frameBytes ? 'short' : 'damaged';
}

function frameAt(bytes: Buffer, at: number): Frame | undefined {
  if (at + frameBytes > bytes.length) return undefined;
  const length = bytes.readUInt32BE(at);
  const end = at + frameBytes + length;
  if (length === 0 || length > bodyBytesMax || end > bytes.length) return undefined;
  if (crc32(bytes.subarray(at + 8, end)) !== bytes.readUInt32BE(at + 4)) return undefined;
  return { number: Number(bytes.readBigUInt64BE(at + 8)), at: at + frameBytes, length };
}

/** The next whole record with a number that can be there; only what looks like one is summed up. */
function nextAfter(bytes: Buffer, at: number, number: number): Frame | undefined {
  for (let place = at + 1; place + frameBytes < bytes.length; place++) {
    const next = bytes.readUInt32BE(place + 8) * 2 ** 32 + bytes.readUInt32BE(place + 12);
    if (next <= number || (number > 0 && next > number + jumpMax)) continue;
    const frame = frameAt(bytes, place);
    if (frame) return frame;
  }
  return undefined;
}
