/** Building blocks for a million rows: columns of typed arrays in chunks, and a set of values that are stored once. */
type Numbers = Uint32Array | Uint16Array | Uint8Array;

/** So many rows are in one chunk. What grows is never copied, and no more than a chunk of it is unused. */
const chunkBits = 12;
const chunkRows = 2 ** chunkBits;
const inChunk = chunkRows - 1;

export class Column<Values extends Numbers> {
  /** Where nothing was ever written there is no chunk. */
  readonly #chunks: (Values | undefined)[] = [];
  readonly #make: (length: number) => Values;

  constructor(make: (length: number) => Values) {
    this.#make = make;
  }

  get(row: number): number {
    return this.#chunks[row >>> chunkBits]?.[row & inChunk] ?? 0;
  }

  set(row: number, value: number): void {
    const chunk = this.#chunks[row >>> chunkBits] ?? this.#begin(row >>> chunkBits);
    chunk[row & inChunk] = value;
  }

  #begin(number: number): Values {
    while (this.#chunks.length <= number) this.#chunks.push(undefined);
    const chunk = this.#make(chunkRows);
    this.#chunks[number] = chunk;
    return chunk;
  }

  /** Gives back what is behind so many rows. */
  fit(rows: number): void {
    this.#chunks.length = Math.min(this.#chunks.length, Math.ceil(rows / chunkRows));
  }

  /** So many rows have room. */
  get room(): number {
    return this.#chunks.length * chunkRows;
  }
}

/** Whole numbers below 2^48, in six bytes: revisions, and milliseconds since 1970 until the year 10889. */
export class WideColumn {
  readonly #low = uint32();
  readonly #high = new Column((length) => new Uint16Array(length));

  get(row: number): number {
    return this.#low.get(row) + this.#high.get(row) * 2 ** 32;
  }

  set(row: number, value: number): void {
    this.#low.set(row, value % 2 ** 32);
    this.#high.set(row, Math.floor(value / 2 ** 32));
  }

  fit(rows: number): void {
    this.#low.fit(rows);
    this.#high.fit(rows);
  }
}

export const uint32 = () => new Column((length) => new Uint32Array(length));
export const uint8 = () => new Column((length) => new Uint8Array(length));

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
