import { plain } from '@portcullis/contract';

export type Cell = string | number | boolean | null | undefined;
export type Colour = 'green' | 'yellow' | 'red';

/** One column of a list: what it is called, how long it stays when there is little room, and what stands in it. */
export interface Column<Row> {
  title: string;
  /** The columns with the highest number go first. Those of the lowest always stay. */
  priority: number;
  value: (row: Row) => Cell;
  /** It may be cut to so many characters. Without this it is shown whole or not at all: a name that is cut names nothing. */
  least?: number;
  /** What a usual value takes, for a list whose rows come one by one. */
  usual?: number;
  align?: 'right';
  colour?: (row: Row) => Colour | undefined;
}

/** Where a table is shown. `wide`: all columns, and all of each. `whole`: the columns that there is room for, and all of each. */
export interface Screen {
  width: number;
  colours: boolean;
  wide: boolean;
  whole: boolean;
}

interface Place<Row> {
  column: Column<Row>;
  width: number;
}

const gap = '  ';
const rowsHeldMax = 1_000;
const styles = { bold: 1, green: 32, yellow: 33, red: 31 };

/**
 * Rows → lines under a header. The first thousand rows are held back, so that columns are as wide as what stands in them; a live
 * table goes by what is usual, and each row is written when it comes.
 */
export class Table<Row> {
  readonly #columns: readonly Column<Row>[];
  readonly #screen: Screen;
  readonly #live: boolean;
  #places: Place<Row>[] | undefined;
  #held: Row[] = [];

  constructor(columns: readonly Column<Row>[], screen: Screen, live = false) {
    this.#columns = columns;
    this.#screen = screen;
    this.#live = live;
  }

  /** The lines that can be written now. */
  add(row: Row): string[] {
    if (this.#places) return [this.#lineOf(this.#places, row)];
    this.#held.push(row);
    return this.#live || this.#held.length === rowsHeldMax ? this.end() : [];
  }

  /** What was held back, below its header. */
  end(): string[] {
    if (this.#held.length === 0) return [];
    const rows = this.#held;
    this.#held = [];
    const places = placesFor(this.#columns, rows, { ...this.#screen, live: this.#live });
    this.#places = places;
    const head = lineOf(places.map(({ column, width }) => aligned(column.title, width, column.align)));
    return [styled(head, 'bold', this.#screen), ...rows.map((row) => this.#lineOf(places, row))];
  }

  #lineOf(places: Place<Row>[], row: Row): string {
    const cells = places.map(({ column, width }) => {
      const text = textOf(column, row);
      const { wide, whole } = this.#screen;
      const shown = column.least === undefined || wide || whole ? text : shortened(text, width);
      const colour = column.colour?.(row);
      return aligned(colour ? styled(shown, colour, this.#screen) : shown, width - widthOf(shown), column.align, true);
    });
    return lineOf(cells);
  }
}

/** Which columns there is room for, and how wide each is. */
function placesFor<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { width, wide, whole, live }: Screen & { live: boolean },
): Place<Row>[] {
  const natural = columns.map((column) => {
    const cells = rows.map((row) => widthOf(textOf(column, row)));
    return { column, width: cells.reduce(max, max(column.title.length, live ? (column.usual ?? 0) : 0)) };
  });
  if (wide) return natural;
  const kept = withRoom(natural, width);
  if (whole) return kept;
  let left = width - roomOf(kept.map(least));
  // Whoever stays longest gets the room that is left first.
  for (const place of kept.toSorted((one, other) => one.column.priority - other.column.priority)) {
    const smallest = least(place).width;
    const more = Math.min(place.width - smallest, Math.max(0, left));
    place.width = smallest + more;
    left -= more;
  }
  // Nothing stands behind the last one: longer texts of later rows have what is left.
  const last = kept.at(-1);
  if (last?.column.least !== undefined) last.width += Math.max(0, left);
  return kept;
}

function withRoom<Row>(places: Place<Row>[], width: number): Place<Row>[] {
  const lowest = Math.min(...places.map(({ column }) => column.priority));
  let kept = places;
  while (roomOf(kept.map(least)) > width) {
    const highest = kept.map(({ column }) => column.priority).reduce(max, lowest);
    if (highest === lowest) break;
    const last = kept.findLastIndex(({ column }) => column.priority === highest);
    kept = kept.toSpliced(last, 1);
  }
  return kept;
}

const max = (one: number, other: number) => Math.max(one, other);

function least<Row>({ column, width }: Place<Row>): Place<Row> {
  return { column, width: column.least === undefined ? width : Math.min(width, column.least) };
}

const roomOf = (places: Place<never>[] | Place<unknown>[]) =>
  places.reduce((total, { width }) => total + width, gap.length * (places.length - 1));

const textOf = <Row>(column: Column<Row>, row: Row) => plain(String(column.value(row) ?? '-'));

const lineOf = (cells: string[]) => cells.join(gap).trimEnd();

/** `width` is what the text shall take, or with `padding` what it lacks. */
function aligned(text: string, width: number, align: 'right' | undefined, padding = false): string {
  const blank = ' '.repeat(Math.max(0, padding ? width : width - widthOf(text)));
  return align === 'right' ? blank + text : text + blank;
}

/** SGR, ECMA-48 §8.3.117. */
export function styled(text: string, style: keyof typeof styles, { colours }: Pick<Screen, 'colours'>): string {
  return colours ? `\u001b[${styles[style]}m${text}\u001b[0m` : text;
}

const narrow = /^[\x20-\x7e]*$/;
/** Unicode Standard Annex 11: what takes two places. */
const twoPlaces =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const noPlace = /\p{M}/u;

/** How many places a text without anything unseen takes on a terminal. */
export function widthOf(text: string): number {
  if (narrow.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += placesOf(character);
  return width;
}

const placesOf = (character: string) => (noPlace.test(character) ? 0 : twoPlaces.test(character) ? 2 : 1);

function shortened(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let shown = '';
  let taken = 0;
  for (const character of text) {
    taken += placesOf(character);
    if (taken > width - 1) break;
    shown += character;
  }
  return `${shown}…`;
}
