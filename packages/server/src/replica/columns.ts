/**
 * Building blocks for a million rows: typed arrays that grow by a quarter, a set of strings that are stored once, and an
 * index from bytes to row numbers. Rows are never removed; a snapshot starts anew.
 */
type Numbers = Float64Array | Uint32Array | Int32Array | Uint8Array;

export class Column<Values extends Numbers> {
  values: Values;
  readonly #make: (length: number) => Values;

  constructor(make: (length: number) => Values) {
    this.#make = make;
    this.values = make(64);
  }

  get(row: number): number {
    return this.values[row] ?? 0;
  }

  set(row: number, value: number): void {
    if (row >= this.values.length) {
      const grown = this.#make(Math.max(row + 1, Math.ceil(this.values.length * 1.25)));
      grown.set(this.values as never);
      this.values = grown;
    }
    this.values[row] = value;
  }

  /** Gives back what growing left unused, but for a little. */
  fit(rows: number): void {
    const length = Math.max(64, Math.ceil(rows * spare));
    if (length >= this.values.length) return;
    const fitted = this.#make(length);
    fitted.set(this.values.subarray(0, rows) as never);
    this.values = fitted;
  }
}

export const float64 = () => new Column((length) => new Float64Array(length));
export const uint32 = () => new Column((length) => new Uint32Array(length));
export const uint8 = () => new Column((length) => new Uint8Array(length));

/** How much room a table keeps for what comes after its snapshot. */
const spare = 1.05;

/** Values that repeat, each kept once and named by a number. */
export class Interned<Value> {
  readonly #numbers = new Map<Value, number>();
  readonly #values: Value[] = [];

  numberOf(value: Value): number {
    const known = this.#numbers.get(value);
    if (known !== undefined) return known;
    this.#numbers.set(value, this.#values.length);
    return this.#values.push(value) - 1;
  }

  valueOf(number: number): Value {
    return this.#values[number] as Value;
  }
}

/** Keys in one arena, each with the number of its row: open addressing, linear probing, at most 60 % full. */
export class KeyIndex {
  readonly #keyBytes: number | undefined;
  #bytes = Buffer.alloc(1_024);
  #end = 0;
  readonly #starts = uint32();
  #slots = new Int32Array(128).fill(-1);
  #rows = 0;

  /** `keyBytes`: all keys have this length, so that none needs to be noted. */
  constructor(keyBytes?: number) {
    this.#keyBytes = keyBytes;
  }

  get size(): number {
    return this.#rows;
  }

  /** The row of the key, or -1. */
  find(key: Uint8Array): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash(key) & mask; ; slot = (slot + 1) & mask) {
      const row = this.#slots[slot] as number;
      if (row === -1 || this.#equals(row, key)) return row;
    }
  }

  /** The row of a key that is new. */
  add(key: Uint8Array): number {
    const row = this.#rows++;
    this.#store(row, key);
    if (this.#rows > this.#slots.length * 0.6) this.#grow();
    else this.#place(row, key);
    return row;
  }

  keyOf(row: number): Buffer {
    return this.#bytes.subarray(this.#startOf(row), this.#endOf(row));
  }

  fit(): void {
    if (this.#keyBytes === undefined) this.#starts.fit(this.#rows);
    const length = Math.ceil(this.#end * spare);
    if (length < this.#bytes.length) {
      const fitted = Buffer.alloc(length);
      fitted.set(this.#bytes.subarray(0, this.#end));
      this.#bytes = fitted;
    }
  }

  #startOf(row: number): number {
    return this.#keyBytes === undefined ? this.#starts.get(row) : row * this.#keyBytes;
  }

  #endOf(row: number): number {
    return row + 1 < this.#rows ? this.#startOf(row + 1) : this.#end;
  }

  #equals(row: number, key: Uint8Array): boolean {
    const start = this.#startOf(row);
    const length = this.#endOf(row) - start;
    if (length !== key.length) return false;
    const bytes = this.#bytes;
    for (let index = 0; index < length; index++) if (bytes[start + index] !== key[index]) return false;
    return true;
  }

  #store(row: number, key: Uint8Array): void {
    if (this.#end + key.length > this.#bytes.length) {
      const grown = Buffer.alloc(Math.ceil((this.#bytes.length + key.length) * 1.25));
      grown.set(this.#bytes.subarray(0, this.#end));
      this.#bytes = grown;
    }
    if (this.#keyBytes === undefined) this.#starts.set(row, this.#end);
    this.#bytes.set(key, this.#end);
    this.#end += key.length;
  }

  #place(row: number, key: Uint8Array): void {
    const mask = this.#slots.length - 1;
    let slot = hash(key) & mask;
    while (this.#slots[slot] !== -1) slot = (slot + 1) & mask;
    this.#slots[slot] = row;
  }

  #grow(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(-1);
    for (let row = 0; row < this.#rows; row++) this.#place(row, this.keyOf(row));
  }
}

/** FNV-1a over the key: subject ids share long beginnings, so every byte counts. */
function hash(key: Uint8Array): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < key.length; index++) value = Math.imul(value ^ (key[index] as number), 0x01000193);
  return (value ^ (value >>> 15)) >>> 0;
}
