import { uint32 } from './columns.ts';

/** Columns of 32 bits that are read together: their values of one row lie side by side, so that memory is waited for once. */
export class Group {
  readonly cells = uint32();
  readonly width: number;

  constructor(width: number) {
    this.width = width;
  }

  fit(rows: number): void {
    this.cells.fit(rows * this.width);
  }
}

export class GroupedColumn {
  readonly #group: Group;
  readonly #place: number;

  constructor(group: Group, place: number) {
    this.#group = group;
    this.#place = place;
  }

  get(row: number): number {
    const { cells, width } = this.#group;
    return cells.get(row * width + this.#place);
  }

  set(row: number, value: number): void {
    const { cells, width } = this.#group;
    cells.set(row * width + this.#place, value);
  }
}
