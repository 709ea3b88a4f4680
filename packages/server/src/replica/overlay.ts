import type { AttributeValue, SubjectDelta } from '@portcullis/contract';
import { type Column, uint8, uint32 } from './columns.ts';
import { columnOf, type Origin, setAttribute, subjectRow, type Tables } from './tables.ts';

/** In a cell: nothing is laid over the value below; it is unset; else two more than the number of a value. */
const [nothing, unset, firstValue] = [0, 1, 2];

interface Layer {
  value: Column<Uint32Array>;
  isPublic: Column<Uint8Array>;
}

/**
 * A bulk change over the tables. While it is prepared nobody looks at it. Put in force it covers what lies below, all at once; then its
 * rows get into the tables a few at a time, so that no turn is long.
 */
export class Overlay {
  readonly draft: string;
  /** How many are here, in order. */
  parts = 0;
  /** The authority said that these are all. */
  isWhole = false;
  /** In the order in which they came. */
  readonly rows: number[] = [];
  readonly #tables: Tables;
  readonly #isCovered = uint8();
  readonly #layers = new Map<string, Layer>();
  #merged = 0;
  #origin: Origin | undefined;

  constructor(draft: string, tables: Tables) {
    this.draft = draft;
    this.#tables = tables;
  }

  add(deltas: readonly SubjectDelta[]): void {
    for (const delta of deltas) this.#stage(delta);
    this.parts++;
  }

  #stage({ subject, kind, attributes = {} }: SubjectDelta): void {
    const row = subjectRow(this.#tables, subject, kind);
    if (!this.covers(row)) this.rows.push(row);
    this.#isCovered.set(row, 1);
    for (const [name, { value, public: isPublic }] of Object.entries(attributes)) {
      const layer = this.#layerOf(name);
      this.#release(layer, row);
      layer.value.set(row, value === null ? unset : this.#tables.values.use(value) + firstValue);
      layer.isPublic.set(row, isPublic ? 1 : 0);
    }
  }

  #layerOf(name: string): Layer {
    // The table below knows the name too: whoever asks for all of a subject's attributes goes by its names.
    columnOf(this.#tables, name);
    const layer = this.#layers.get(name) ?? { value: uint32(), isPublic: uint8() };
    this.#layers.set(name, layer);
    return layer;
  }

  putInForce(origin: Origin): void {
    this.#origin = origin;
  }

  get origin(): Origin {
    return this.#origin as Origin;
  }

  covers(row: number): boolean {
    return this.#isCovered.get(row) === 1;
  }

  /** What covers a value: it, `null` where it is unset; undefined where nothing does. */
  over(row: number, name: string): { value: AttributeValue | null; public: boolean } | undefined {
    const layer = this.#layers.get(name);
    const cell = layer?.value.get(row) ?? nothing;
    if (!layer || cell === nothing) return undefined;
    return { value: this.#valueIn(cell), public: layer.isPublic.get(row) === 1 };
  }

  #valueIn(cell: number): AttributeValue | null {
    return cell === unset ? null : this.#tables.values.valueOf(cell - firstValue);
  }

  /** True while there are rows left. */
  mergeSome(count: number): boolean {
    const end = Math.min(this.#merged + count, this.rows.length);
    for (; this.#merged < end; this.#merged++) this.merge(this.rows[this.#merged] as number);
    return end < this.rows.length;
  }

  merge(row: number): void {
    if (!this.covers(row)) return;
    const named = { subject: row, id: this.#tables.subjects.nameOf(row) };
    this.#tables.subjectRevision.set(row, this.origin.revision);
    for (const [name, layer] of this.#layers) {
      const over = this.over(row, name);
      if (over) setAttribute(this.#tables, named, name, over, this.origin);
      this.#release(layer, row);
    }
    this.#isCovered.set(row, 0);
  }

  /** It will not come into force. */
  drop(): void {
    for (const layer of this.#layers.values()) for (const row of this.rows) this.#release(layer, row);
  }

  #release({ value }: Layer, row: number): void {
    const cell = value.get(row);
    if (cell >= firstValue) this.#tables.values.release(cell - firstValue);
    if (cell !== nothing) value.set(row, nothing);
  }
}
