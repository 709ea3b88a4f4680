/** From bytes to row numbers, for a million: rows can be removed, used again and moved together where all keys are of one length. */
import assert from 'node:assert/strict';
import { uint32 } from './columns.ts';

/** In a slot in place of a row. `removed` stands in slots that are left only. */
const [empty, removed] = [-1, -2];
const emptySlots = (length: number) => new Int32Array(length).fill(empty);
/** All have moved long before the new slots are full. */
const movedPerInsert = 64;

/**
 * Keys, each with the number of its row: open addressing, linear probing, at most 60 % full. What tells keys apart to begin with is their
 * hash; of digests the first bytes will do.
 */
abstract class KeyIndex {
  #slots = emptySlots(128);
  /** While the slots become more or fewer: those of before, of which what is below `#moved` is in the new ones too. */
  #older: Int32Array | undefined;
  #moved = 0;
  #live = 0;
  #rows = 0;

  /** How many keys there are. */
  get size(): number {
    return this.#live;
  }

  /** No row has a higher number than this one less one. */
  get rows(): number {
    return this.#rows;
  }

  protected abstract hash(bytes: Uint8Array, start: number, end: number): number;
  protected abstract hashOf(row: number): number;
  protected abstract equals(row: number, key: Uint8Array): boolean;
  protected abstract store(row: number, key: Uint8Array): void;
  abstract keyOf(row: number): Buffer;

  /** The row of the key, or -1. */
  find(key: Uint8Array): number {
    const hash = this.hash(key, 0, key.length);
    const row = this.#findIn(this.#slots, hash, key);
    return row === -1 && this.#older ? this.#findIn(this.#older, hash, key) : row;
  }

  #findIn(slots: Int32Array, hash: number, key: Uint8Array): number {
    const mask = slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const row = slots[slot] as number;
      if (row === empty || (row !== removed && this.equals(row, key))) return row;
    }
  }

  /** The row of a key that is new: `free`, or one more. */
  protected insert(key: Uint8Array, free = this.#rows): number {
    if (free === this.#rows) this.#rows++;
    this.#live++;
    this.store(free, key);
    if (this.#live > this.#slots.length * 0.6) this.#grow();
    this.#place(free);
    this.moveSome(movedPerInsert);
    return free;
  }

  protected delete(row: number): void {
    if (this.#older) {
      const slot = this.#slotOf(this.#older, row);
      if (slot !== -1) this.#older[slot] = removed;
    }
    const slot = this.#slotOf(this.#slots, row);
    if (slot !== -1) this.#vacate(slot);
    this.#live--;
  }

  /** The key moves to a row that has none. */
  protected moveKey(from: number, to: number): void {
    const places = [this.#slots, this.#older].flatMap((slots) => {
      const slot = slots ? this.#slotOf(slots, from) : -1;
      return slots && slot !== -1 ? [{ slots, slot }] : [];
    });
    this.store(to, this.keyOf(from));
    for (const { slots, slot } of places) slots[slot] = to;
  }

  /** There is one row less: the last, which has no key. */
  protected dropLast(): void {
    this.#rows--;
  }

  /** The slot is emptied, and each one after it that was kept from its place moves up (Knuth 6.4, algorithm R). */
  #vacate(from: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let hole = from;
    for (let slot = (hole + 1) & mask; slots[slot] !== empty; slot = (slot + 1) & mask) {
      const home = this.hashOf(slots[slot] as number) & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      slots[hole] = slots[slot] as number;
      hole = slot;
    }
    slots[hole] = empty;
  }

  /** Where a row is, or -1. */
  #slotOf(slots: Int32Array, row: number): number {
    const mask = slots.length - 1;
    for (let slot = this.hashOf(row) & mask; slots[slot] !== empty; slot = (slot + 1) & mask)
      if (slots[slot] === row) return slot;
    return -1;
  }

  #place(row: number): void {
    const mask = this.#slots.length - 1;
    let slot = this.hashOf(row) & mask;
    while (this.#slots[slot] !== empty) slot = (slot + 1) & mask;
    this.#slots[slot] = row;
  }

  #grow(): void {
    this.#resizeSlots(this.#slots.length * 2);
  }

  /** Gives back slots that are mostly empty, but for the room that what comes next needs. */
  protected fitSlots(): void {
    let { length } = this.#slots;
    while (length > 128 && this.#live < length * 0.15) length /= 2;
    if (length < this.#slots.length) this.#resizeSlots(length);
  }

  /** The rows move to the new slots a few at a time, so that no turn is long. */
  #resizeSlots(length: number): void {
    this.moveSome(this.#older?.length ?? 0);
    this.#older = this.#slots;
    this.#moved = 0;
    this.#slots = emptySlots(length);
  }

  moveSome(count: number): void {
    if (!this.#older) return;
    const end = Math.min(this.#moved + count, this.#older.length);
    for (; this.#moved < end; this.#moved++) {
      const row = this.#older[this.#moved] as number;
      if (row >= 0) this.#place(row);
    }
    if (end === this.#older.length) this.#older = undefined;
  }
}

/** Bytes for many keys. A key lies in one chunk. */
const keyChunkBits = 16;
const keyChunkBytes = 2 ** keyChunkBits;
const inKeyChunk = keyChunkBytes - 1;

function sameBytes(chunk: Uint8Array, start: number, key: Uint8Array): boolean {
  for (let index = 0; index < key.length; index++) if (chunk[start + index] !== key[index]) return false;
  return true;
}

/** Names: of 255 bytes at the most, each after its length, and never removed. */
export class NameIndex extends KeyIndex {
  readonly #starts = uint32();
  readonly #chunks: Buffer[] = [];
  #end = 0;

  add(key: Uint8Array): number {
    return this.insert(key);
  }

  keyOf(row: number): Buffer {
    const [chunk, start] = [this.#chunkOf(row), this.#startOf(row)];
    return chunk.subarray(start + 1, start + 1 + (chunk[start] as number));
  }

  #chunkOf(row: number): Buffer {
    return this.#chunks[this.#starts.get(row) >>> keyChunkBits] as Buffer;
  }

  #startOf(row: number): number {
    return this.#starts.get(row) & inKeyChunk;
  }

  protected equals(row: number, key: Uint8Array): boolean {
    const [chunk, start] = [this.#chunkOf(row), this.#startOf(row)];
    return chunk[start] === key.length && sameBytes(chunk, start + 1, key);
  }

  protected store(row: number, key: Uint8Array): void {
    assert(key.length <= nameBytesMax, 'a name is too long');
    const left = keyChunkBytes - (this.#end & inKeyChunk);
    if (left <= key.length) this.#end += left;
    const number = this.#end >>> keyChunkBits;
    this.#chunks[number] ??= Buffer.alloc(keyChunkBytes);
    const chunk = this.#chunks[number];
    const start = this.#end & inKeyChunk;
    chunk[start] = key.length;
    chunk.set(key, start + 1);
    this.#starts.set(row, this.#end);
    this.#end += key.length + 1;
  }

  protected hashOf(row: number): number {
    const [chunk, start] = [this.#chunkOf(row), this.#startOf(row)];
    return this.hash(chunk, start + 1, start + 1 + (chunk[start] as number));
  }

  /** FNV-1a: subject ids share long beginnings, so every byte counts. */
  protected hash(bytes: Uint8Array, start: number, end: number): number {
    let value = 0x811c9dc5;
    for (let index = start; index < end; index++) value = Math.imul(value ^ (bytes[index] as number), 0x01000193);
    return (value ^ (value >>> 15)) >>> 0;
  }
}

const nameBytesMax = 255;
const digestBytes = 32;
const digestBits = keyChunkBits - 5;
const inDigests = 2 ** digestBits - 1;

/** SHA-256 digests. A row that was removed is given to the next one that is added. */
export class DigestIndex extends KeyIndex {
  readonly #chunks: Buffer[] = [];
  readonly #free: number[] = [];

  add(key: Uint8Array): number {
    return this.insert(key, this.#gap());
  }

  /** How many rows were removed and not given to another key. */
  get gaps(): number {
    return this.rows - this.size;
  }

  /** A row that was removed. Those behind the last row are none any more: before a row is added there, they are off the list. */
  #gap(): number | undefined {
    for (;;) {
      const row = this.#free.pop();
      if (row === undefined || row < this.rows) return row;
    }
  }

  /** Where there are gaps: takes the last row away. Tells to where its key moved; undefined: it had none. */
  closeLast(): { from: number; to: number } | undefined {
    const from = this.rows - 1;
    const wasRemoved = this.find(this.keyOf(from)) !== from;
    const to = wasRemoved ? undefined : this.#gap();
    if (to !== undefined) this.moveKey(from, to);
    this.dropLast();
    if (this.gaps === 0) this.#free.length = 0;
    return to === undefined ? undefined : { from, to };
  }

  remove(row: number): void {
    this.delete(row);
    this.#free.push(row);
  }

  /** Gives back what is behind the last row, and slots that are mostly empty. */
  fit(): void {
    this.#chunks.length = Math.ceil(this.rows / 2 ** digestBits);
    this.fitSlots();
  }

  keyOf(row: number): Buffer {
    const start = (row & inDigests) * digestBytes;
    return this.#chunkOf(row).subarray(start, start + digestBytes);
  }

  #chunkOf(row: number): Buffer {
    return this.#chunks[row >>> digestBits] as Buffer;
  }

  protected equals(row: number, key: Uint8Array): boolean {
    return key.length === digestBytes && sameBytes(this.#chunkOf(row), (row & inDigests) * digestBytes, key);
  }

  protected store(row: number, key: Uint8Array): void {
    this.#chunks[row >>> digestBits] ??= Buffer.alloc(keyChunkBytes);
    this.#chunkOf(row).set(key, (row & inDigests) * digestBytes);
  }

  protected hashOf(row: number): number {
    return this.hash(this.#chunkOf(row), (row & inDigests) * digestBytes);
  }

  /** A digest is as good as a number drawn at random: who would choose one has to have a certificate signed for each try. */
  protected hash(bytes: Uint8Array, start: number): number {
    return (
      ((bytes[start] as number) << 24) |
      ((bytes[start + 1] as number) << 16) |
      ((bytes[start + 2] as number) << 8) |
      (bytes[start + 3] as number)
    );
  }
}
