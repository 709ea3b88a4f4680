import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';

/** A record: payload length and CRC-32 of the payload, 4 bytes each, then the payload, which is one JSON object. */
const headerBytes = 8;
export const recordBytesMax = 128 * 1024;

const openingBrace = 0x7b;
const closingBrace = 0x7d;

export function encodeRecord(payload: Buffer | string): Buffer {
  const record = Buffer.allocUnsafe(headerBytes + Buffer.byteLength(payload));
  if (typeof payload === 'string') record.write(payload, headerBytes);
  else payload.copy(record, headerBytes);
  record.writeUInt32BE(record.length - headerBytes, 0);
  record.writeUInt32BE(crc32(record.subarray(headerBytes)), 4);
  return record;
}

export interface StoredRecord {
  payload: Buffer;
  /** Where the next record begins. */
  end: number;
}

/** Bytes that are no record, from and to (exclusive). */
export interface Gap {
  from: number;
  to: number;
}

/**
 * The records from an offset on, over the gaps that are known, up to a bound, the end (`isEnd`), or a record that is no longer whole.
 * A bound may be reached within a gap, long before the records are as many as were asked for.
 */
export function readRecords(
  file: string,
  from: number,
  bounds: { records: number; bytes: number },
  gaps: readonly Gap[] = [],
): { records: StoredRecord[]; isDamaged: boolean; isEnd: boolean } {
  const start = beyond(gaps, from);
  const { bytes, isAll } = readFrom(file, start, bounds.bytes);
  const records: StoredRecord[] = [];
  let offset = 0;
  while (records.length < bounds.records && offset < bytes.length) {
    const end = recordEnd(bytes, offset);
    if (end === undefined) {
      const isCut = !isAll && bytes.length - offset < headerBytes + recordBytesMax;
      return { records, isDamaged: !isCut, isEnd: false };
    }
    const next = beyond(gaps, start + end);
    records.push({ payload: bytes.subarray(offset + headerBytes, end), end: next });
    offset = next - start;
  }
  return { records, isDamaged: false, isEnd: isAll && offset >= bytes.length };
}

/** Where a gap that begins at an offset ends, or the offset itself. */
function beyond(gaps: readonly Gap[], offset: number): number {
  return gaps.find(({ from, to }) => from <= offset && offset < to)?.to ?? offset;
}

export interface Scan {
  records: number;
  gaps: Gap[];
  /** Where the next record would begin: before a torn tail, behind everything else. */
  end: number;
}

/**
 * Looks through a segment from an offset on. Behind damage the next whole record is looked for. Only the last segment of all may
 * be torn: what a power cut left of a write that nobody was told of. It does not end as a record does.
 */
export function scanSegment(
  file: string,
  from: number,
  isLast: boolean,
  onRecord: (payload: Buffer) => void = () => undefined,
): Scan {
  const { bytes } = readFrom(file, from, Number.POSITIVE_INFINITY);
  const scan: Scan = { records: 0, gaps: [], end: from + bytes.length };
  const search = { bytesLeft: searchBytesMax };
  for (let offset = 0; offset < bytes.length; ) {
    const end = recordEnd(bytes, offset);
    const next = end ?? nextRecord(bytes, offset + 1, search) ?? bytes.length;
    if (end !== undefined) {
      scan.records++;
      onRecord(bytes.subarray(offset + headerBytes, end));
    } else if (next === bytes.length && isLast && bytes.at(-1) !== closingBrace) scan.end = from + offset;
    else scan.gaps.push({ from: from + offset, to: from + next });
    offset = next;
  }
  return scan;
}

/** A power cut may leave zeros, and the CRC of nothing is 0: no record is empty. */
function recordEnd(bytes: Buffer, offset: number): number | undefined {
  if (offset + headerBytes > bytes.length) return undefined;
  const length = bytes.readUInt32BE(offset);
  const end = offset + headerBytes + length;
  if (length === 0 || length > recordBytesMax || end > bytes.length) return undefined;
  return crc32(bytes.subarray(offset + headerBytes, end)) === bytes.readUInt32BE(offset + 4) ? end : undefined;
}

/** Bytes of checksums while a whole record is looked for: no content makes that work without a bound. */
const searchBytesMax = 64 * 1024 * 1024;

function nextRecord(bytes: Buffer, from: number, search: { bytesLeft: number }): number | undefined {
  for (let at = bytes.indexOf(0, from); at !== -1 && search.bytesLeft > 0; at = bytes.indexOf(0, at + 1)) {
    if (bytes[at + headerBytes] !== openingBrace) continue;
    const end = at + headerBytes + bytes.readUInt32BE(at);
    if (end > at + headerBytes + recordBytesMax || bytes[end - 1] !== closingBrace) continue;
    search.bytesLeft -= end - at;
    if (recordEnd(bytes, at) !== undefined) return at;
  }
  return undefined;
}

/** How many records the bytes of a gap were, at least. */
export function recordsIn(bytes: Buffer): number {
  let records = 0;
  for (let offset = 0; bytes[offset + headerBytes] === openingBrace; records++) {
    offset += headerBytes + bytes.readUInt32BE(offset);
  }
  return Math.max(1, records);
}

export function readGap(file: string, { from, to }: Gap): Buffer {
  return readFrom(file, from, to - from).bytes;
}

function readFrom(file: string, from: number, bytesMax: number): { bytes: Buffer; isAll: boolean } {
  const handle = openSync(file, 'r');
  try {
    const left = Math.max(0, fstatSync(handle).size - from);
    const bytes = Buffer.allocUnsafe(Math.min(bytesMax, left));
    return { bytes: bytes.subarray(0, readSync(handle, bytes, 0, bytes.length, from)), isAll: bytesMax >= left };
  } finally {
    closeSync(handle);
  }
}

/** Cuts a torn tail off. */
export function cutAt(file: string, end: number): void {
  const handle = openSync(file, 'r+');
  try {
    if (fstatSync(handle).size === end) return;
    ftruncateSync(handle, end);
    fdatasyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Appends and makes durable. A write that fails half-way is cut off again, so that later records stay readable. */
export function appendRecords(handle: number, records: Buffer, at: number): void {
  try {
    for (let written = 0; written < records.length; ) {
      written += writeSync(handle, records, written, records.length - written, at + written);
    }
    fdatasyncSync(handle);
  } catch (error) {
    ftruncateSync(handle, at);
    throw error;
  }
}
