import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';

/** A record: payload length and CRC-32 of the payload, 4 bytes each, then the payload. */
const headerBytes = 8;
export const recordBytesMax = 128 * 1024;

export function encodeRecord(payload: Buffer): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32BE(payload.length, 0);
  header.writeUInt32BE(crc32(payload), 4);
  return Buffer.concat([header, payload]);
}

export interface StoredRecord {
  payload: Buffer;
  /** Where the next record begins. */
  end: number;
}

/** The records from an offset on, up to a bound, the end, or the first that is torn or damaged; `end` says where that is. */
export function readRecords(
  file: string,
  from: number,
  bounds: { records?: number; bytes?: number } = {},
): { records: StoredRecord[]; end: number } {
  const { records: recordsMax = Number.POSITIVE_INFINITY, bytes: bytesMax = Number.POSITIVE_INFINITY } = bounds;
  const bytes = readFrom(file, from, bytesMax);
  const records: StoredRecord[] = [];
  let offset = 0;
  while (records.length < recordsMax && offset + headerBytes <= bytes.length) {
    const length = bytes.readUInt32BE(offset);
    const end = offset + headerBytes + length;
    // A power cut may leave zeros, and the CRC of nothing is 0: no record is empty.
    if (length === 0 || length > recordBytesMax || end > bytes.length) break;
    const payload = bytes.subarray(offset + headerBytes, end);
    if (crc32(payload) !== bytes.readUInt32BE(offset + 4)) break;
    records.push({ payload, end: from + end });
    offset = end;
  }
  return { records, end: from + offset };
}

function readFrom(file: string, from: number, bytesMax: number): Buffer {
  const handle = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(Math.max(0, Math.min(bytesMax, fstatSync(handle).size - from)));
    return bytes.subarray(0, readSync(handle, bytes, 0, bytes.length, from));
  } finally {
    closeSync(handle);
  }
}

/** Cuts a torn tail off, so that the next record begins where the last whole one ended. */
export function cutTail(file: string): number {
  const { end } = readRecords(file, 0);
  const handle = openSync(file, 'r+');
  try {
    ftruncateSync(handle, end);
    fdatasyncSync(handle);
  } finally {
    closeSync(handle);
  }
  return end;
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
