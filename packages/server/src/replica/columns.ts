/**
 * Building blocks for a million rows: typed arrays that grow by a half, a set of values that are stored once, and an
 * index from bytes to row numbers, whose rows can be removed, used again and moved together where all keys are of one length.
 */
type Numbers = Uint32Array | Uint16Array | Uint8Array;

/**
 * How much more room is made where there is none left: a row is copied three times. What it was copied from is given back at once and waits
 * for no collection of garbage; what is unused in the end, when a snapshot is complete.
 */
const growth = 1.5;

export class Column<Values extends Numbers> {
  values: Values;
  readonly #over: (buffer: ArrayBuffer) => Values;

  constructor(over: (buffer: ArrayBuffer) => Values) {
    this.#over = over;
    this.values = over(new ArrayBuffer(256));
  }

  get(row: number): number {
    return this.values[row] ?? 0;
  }

  set(row: number, value: number): void {
    if (row >= this.values.length) this.#resize(Math.max(row + 1, Math.ceil(this.values.length * growth)));
    this.values[row] = value;
  }

  /** Gives back what growing left unused, but for a little. */
  fit(rows: number): void {
    const length = Math.max(64, Math.ceil(rows * spare));
    if (length >= this.values.length) return;
    this.#resize(length);
  }

  #resize(length: number): void {
    const { buffer, BYTES_PER_ELEMENT: bytes } = this.values;
    this.values = this.#over((buffer as ArrayBuffer).transfer(length * bytes));
  }
}

/** Whole numbers below 2^48, in six bytes: revisions, and milliseconds since 1970 until the year 10889. */
export class WideColumn {
  readonly #pieces = new Column((buffer) => new Uint16Array(buffer));

  get(row: number): number {
    const { values } = this.#pieces;
    const at = row * 3;
    return (values[at] ?? 0) + (values[at + 1] ?? 0) * 2 ** 16 + (values[at + 2] ?? 0) * 2 ** 32;
  }

  set(row: number, value: number): void {
    const at = row * 3;
    this.#pieces.set(at + 2, Math.floor(value / 2 ** 32));
    this.#pieces.set(at + 1, (value / 2 ** 16) & 0xffff);
    this.#pieces.set(at, value & 0xffff);
  }

  fit(rows: number): void {
    this.#pieces.fit(rows * 3);
  }
}

export const uint32 = () => new Column((buffer) => new Uint32Array(buffer));
export const uint8 = () => new Column((buffer) => new Uint8Array(buffer));

/** How much room a table keeps for what comes after its snapshot. */
const spare = 1.05;

/** Values that repeat, each kept once and named by a number, for as long as somebody uses it. */
export class Interned<Value> {
  readonly #numbers = new Map<Value, number>();
  readonly #values: (Value | undefined)[] = [];
  readonly #users = uint32();
  readonly #free: number[] = [];

  /** How many values are kept. */
  get size(): number {
    return this.#numbers.size;
  }

  /** The number of the value, which has one user more. */
  use(value: Value): number {
    const number = this.#numbers.get(value) ?? this.#add(value);
    this.#users.set(number, this.#users.get(number) + 1);
    return number;
  }

  /** One user less: with the last one the value goes, and its number is given to another. */
  release(number: number): void {
    const users = this.#users.get(number) - 1;
    this.#users.set(number, users);
    if (users > 0) return;
    this.#numbers.delete(this.#values[number] as Value);
    this.#values[number] = undefined;
    this.#free.push(number);
  }

  valueOf(number: number): Value {
    return this.#values[number] as Value;
  }

  #add(value: Value): number {
    const number = this.#free.pop() ?? this.#values.length;
    this.#values[number] = value;
    this.#numbers.set(value, number);
    return number;
  }
}

/** In a slot in place of a row. `removed` stands in slots that are left only. */
const [empty, removed] = [-1, -2];
const emptySlots = (length: number) => new Int32Array(length).fill(empty);
/** All have moved long before the new slots are full. */
const movedPerInsert = 64;

/**
 * Keys in one arena, each with the number of its row: open addressing, linear probing, at most 60 % full. What tells keys apart
 * to begin with is their hash; of digests the first bytes will do.
 */
abstract class KeyIndex {
  protected bytes = Buffer.alloc(1_024);
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
  protected abstract startOf(row: number): number;
  protected abstract endOf(row: number): number;
  protected abstract store(row: number, key: Uint8Array): void;

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
      if (row === empty || (row !== removed && this.#equals(row, key))) return row;
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

  keyOf(row: number): Buffer {
    return this.bytes.subarray(this.startOf(row), this.endOf(row));
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
      const home = this.#hashOf(slots[slot] as number) & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      slots[hole] = slots[slot] as number;
      hole = slot;
    }
    slots[hole] = empty;
  }

  /** Where a row is, or -1. */
  #slotOf(slots: Int32Array, row: number): number {
    const mask = slots.length - 1;
    for (let slot = this.#hashOf(row) & mask; slots[slot] !== empty; slot = (slot + 1) & mask)
      if (slots[slot] === row) return slot;
    return -1;
  }

  protected room(end: number): void {
    if (end > this.bytes.length) this.#resize(Math.ceil(end * growth));
  }

  protected fitBytes(end: number): void {
    if (Math.ceil(end * spare) < this.bytes.length) this.#resize(Math.ceil(end * spare));
  }

  #resize(length: number): void {
    this.bytes = Buffer.from((this.bytes.buffer as ArrayBuffer).transfer(length));
  }

  #hashOf(row: number): number {
    return this.hash(this.bytes, this.startOf(row), this.endOf(row));
  }

  #equals(row: number, key: Uint8Array): boolean {
    const start = this.startOf(row);
    const length = this.endOf(row) - start;
    if (length !== key.length) return false;
    const bytes = this.bytes;
    for (let index = 0; index < length; index++) if (bytes[start + index] !== key[index]) return false;
    return true;
  }

  #place(row: number): void {
    const mask = this.#slots.length - 1;
    let slot = this.#hashOf(row) & mask;
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

/** Names: of any length, and never removed. */
export class NameIndex extends KeyIndex {
  readonly #starts = uint32();
  #end = 0;

  add(key: Uint8Array): number {
    return this.insert(key);
  }

  nameOf(row: number): string {
    return this.bytes.toString('utf8', this.startOf(row), this.endOf(row));
  }

  fit(): void {
    this.#starts.fit(this.rows);
    this.fitBytes(this.#end);
  }

  protected startOf(row: number): number {
    return this.#starts.get(row);
  }

  protected endOf(row: number): number {
    return row + 1 < this.rows ? this.#starts.get(row + 1) : this.#end;
  }

  protected store(row: number, key: Uint8Array): void {
    this.room(this.#end + key.length);
    this.#starts.set(row, this.#end);
    this.bytes.set(key, this.#end);
    this.#end += key.length;
  }

  /** FNV-1a: subject ids share long beginnings, so every byte counts. */
  protected hash(bytes: Uint8Array, start: number, end: number): number {
    let value = 0x811c9dc5;
    for (let index = start; index < end; index++) value = Math.imul(value ^ (bytes[index] as number), 0x01000193);
    return (value ^ (value >>> 15)) >>> 0;
  }
}

const digestBytes = 32;

/** SHA-256 digests. A row that was removed is given to the next one that is added. */
export class DigestIndex extends KeyIndex {
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

  fit(): void {
    this.fitBytes(this.rows * digestBytes);
    this.fitSlots();
  }

  protected startOf(row: number): number {
    return row * digestBytes;
  }

  protected endOf(row: number): number {
    return (row + 1) * digestBytes;
  }

  protected store(row: number, key: Uint8Array): void {
    this.room((row + 1) * digestBytes);
    this.bytes.set(key, row * digestBytes);
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
