import { closeSync, existsSync, fdatasyncSync, openSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { syncDirectory } from '../durable.ts';

/** Where a reading ends in the outbox: taking it out means moving the cursor here. */
export interface Place {
  segment: number;
  offset: number;
}

/** A page of flash each, so that a write that is torn spoils one of the two. */
const slotBytes = 4096;
const fieldBytes = 16;
/** Behind what version 0.1.0 reads and writes of a slot; its checksum covers all of it, so that one of another turn is known. */
const numberBytes = 8;
const slotUsedBytes = fieldBytes + 4 + numberBytes + 4;

/**
 * What is done, on disk. Two slots are written in turn, each with a number and a checksum; a cut in the middle of a write leaves
 * the other. The file has its full size from its making on: writing in place needs no free byte, so that a full disk is emptied.
 */
export class Cursor {
  readonly #directory: string;
  #handle: number | undefined;
  #turn = 0;
  place: Place = { segment: 0, offset: 0 };
  /** The last number that was given to a reading, when the cursor was moved. */
  last: number | undefined;

  /** Without a slot that can be read, everything that is there is sent once more: the gate knows the ids. */
  constructor(directory: string) {
    this.#directory = directory;
    const slots = existsSync(this.#file) ? this.#readSlots() : [];
    const newest = slots.toSorted((one, other) => one.turn - other.turn).at(-1);
    if (newest) [this.place, this.#turn, this.last] = [newest.place, newest.turn, newest.last];
    else this.place = readCursor0(this.#file0) ?? this.place;
  }

  get #file(): string {
    return join(this.#directory, 'cursor');
  }

  /** The cursor of version 0.1.0. */
  get #file0(): string {
    return join(this.#directory, 'cursor.json');
  }

  /** False: the disk has no room for a cursor that it does not hold yet. A crash then sends more than once, and loses nothing. */
  move(place: Place, last?: number): boolean {
    this.place = place;
    this.last = last;
    try {
      this.#handle ??= existsSync(this.#file) ? openSync(this.#file, 'r+') : this.#make();
      this.#turn++;
      writeSync(this.#handle, slotOf(this.#turn, place, last), 0, slotUsedBytes, (this.#turn % 2) * slotBytes);
      fdatasyncSync(this.#handle);
      if (this.#turn === 1) rmSync(this.#file0, { force: true });
      return true;
    } catch (error) {
      if (!noRoom.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
      return false;
    }
  }

  close(): void {
    if (this.#handle !== undefined) closeSync(this.#handle);
    this.#handle = undefined;
  }

  #make(): number {
    const handle = openSync(this.#file, 'wx+', 0o600);
    try {
      for (let written = 0; written < 2 * slotBytes; ) {
        written += writeSync(handle, Buffer.alloc(2 * slotBytes - written), 0, undefined, written);
      }
      fdatasyncSync(handle);
      syncDirectory(dirname(this.#file));
      return handle;
    } catch (error) {
      closeSync(handle);
      rmSync(this.#file);
      throw error;
    }
  }

  #readSlots(): Slot[] {
    const handle = openSync(this.#file, 'r');
    try {
      return [0, 1].flatMap((slot) => slotIn(handle, slot * slotBytes));
    } finally {
      closeSync(handle);
    }
  }
}

const noRoom = new Set(['ENOSPC', 'EDQUOT']);

interface Slot {
  turn: number;
  place: Place;
  last: number | undefined;
}

function slotOf(turn: number, { segment, offset }: Place, last: number | undefined): Buffer {
  const slot = Buffer.alloc(slotUsedBytes);
  slot.writeBigUInt64BE(BigInt(turn), 0);
  slot.writeUInt32BE(segment, 8);
  slot.writeUInt32BE(offset, 12);
  slot.writeUInt32BE(crc32(slot.subarray(0, fieldBytes)), fieldBytes);
  if (last === undefined) return slot;
  slot.writeBigUInt64BE(BigInt(last), fieldBytes + 4);
  slot.writeUInt32BE(crc32(slot.subarray(0, slotUsedBytes - 4)), slotUsedBytes - 4);
  return slot;
}

function slotIn(handle: number, at: number): Slot[] {
  const slot = Buffer.alloc(slotUsedBytes);
  if (readSync(handle, slot, 0, slot.length, at) < slot.length) return [];
  if (crc32(slot.subarray(0, fieldBytes)) !== slot.readUInt32BE(fieldBytes)) return [];
  const place = { segment: slot.readUInt32BE(8), offset: slot.readUInt32BE(12) };
  const hasLast = crc32(slot.subarray(0, slotUsedBytes - 4)) === slot.readUInt32BE(slotUsedBytes - 4);
  const last = hasLast ? Number(slot.readBigUInt64BE(fieldBytes + 4)) : undefined;
  return [{ turn: Number(slot.readBigUInt64BE(0)), place, last }];
}

function readCursor0(file: string): Place | undefined {
  try {
    const { segment, offset } = JSON.parse(readFileSync(file, 'utf8')) as Place;
    if (Number.isInteger(segment) && Number.isInteger(offset)) return { segment, offset };
  } catch {
    // None, or damaged.
  }
  return undefined;
}
