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

/**
 * What is done, on disk. Two slots are written in turn, each with a number and a checksum; a cut in the middle of a write leaves
 * the other. The file has its full size from its making on: writing in place needs no free byte, so that a full disk is emptied.
 */
export class Cursor {
  readonly #directory: string;
  #handle: number | undefined;
  #turn = 0;
  place: Place = { segment: 0, offset: 0 };

  /** Without a slot that can be read, everything that is there is sent once more: the gate knows the ids. */
  constructor(directory: string) {
    this.#directory = directory;
    const slots = existsSync(this.#file) ? this.#readSlots() : [];
    const newest = slots.toSorted((one, other) => one.turn - other.turn).at(-1);
    if (newest) [this.place, this.#turn] = [newest.place, newest.turn];
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
  move(place: Place): boolean {
    this.place = place;
    try {
      this.#handle ??= existsSync(this.#file) ? openSync(this.#file, 'r+') : this.#make();
      this.#turn++;
      writeSync(this.#handle, slotOf(this.#turn, place), 0, fieldBytes + 4, (this.#turn % 2) * slotBytes);
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

  #readSlots(): { turn: number; place: Place }[] {
    const handle = openSync(this.#file, 'r');
    try {
      return [0, 1].flatMap((slot) => slotIn(handle, slot * slotBytes));
    } finally {
      closeSync(handle);
    }
  }
}

const noRoom = new Set(['ENOSPC', 'EDQUOT']);

function slotOf(turn: number, { segment, offset }: Place): Buffer {
  const slot = Buffer.alloc(fieldBytes + 4);
  slot.writeBigUInt64BE(BigInt(turn), 0);
  slot.writeUInt32BE(segment, 8);
  slot.writeUInt32BE(offset, 12);
  slot.writeUInt32BE(crc32(slot.subarray(0, fieldBytes)), fieldBytes);
  return slot;
}

function slotIn(handle: number, at: number): { turn: number; place: Place }[] {
  const slot = Buffer.alloc(fieldBytes + 4);
  if (readSync(handle, slot, 0, slot.length, at) < slot.length) return [];
  if (crc32(slot.subarray(0, fieldBytes)) !== slot.readUInt32BE(fieldBytes)) return [];
  const place = { segment: slot.readUInt32BE(8), offset: slot.readUInt32BE(12) };
  return [{ turn: Number(slot.readBigUInt64BE(0)), place }];
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
