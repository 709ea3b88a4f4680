/** What two engines hold of the same store: its tables by their columns, and each row in the order of its key, which both compare by bytes. */
import { createHash } from 'node:crypto';
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import { PortcullisError } from '@portcullis/contract';

export type Value = null | number | string | Uint8Array;
export type Row = readonly Value[];

export interface Column {
  readonly name: string;
  readonly type: 'TEXT' | 'INTEGER' | 'BLOB';
}

export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  /** The names of its primary key's columns. */
  readonly key: readonly string[];
  /** The last number that it gave to a row, where it numbers its rows itself. */
  readonly lastNumber: number;
}

export const quoted = (names: readonly string[]) => names.map((name) => `"${name}"`).join(', ');
export const textOf = ({ name, columns, key }: Table) =>
  `SELECT ${quoted(columns.map((column) => column.name))} FROM "${name}" ORDER BY ${quoted(key)}`;

/** In the order in which they were made: what a table refers to comes before it. */
export function tablesIn(database: DatabaseSync): Table[] {
  const names = database
    .prepare(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid",
    )
    .all();
  return names.map(({ name }) => tableIn(database, String(name)));
}

function tableIn(database: DatabaseSync, name: string): Table {
  const found = database.prepare('SELECT name, type, pk FROM pragma_table_info(?)').all(name);
  const key = found.filter(({ pk }) => Number(pk) > 0).toSorted((one, other) => Number(one.pk) - Number(other.pk));
  const last = database.prepare('SELECT seq FROM sqlite_sequence WHERE name = ?').get(name);
  return {
    name,
    columns: found.map((column) => ({ name: String(column.name), type: String(column.type) as Column['type'] })),
    key: key.map((column) => String(column.name)),
    lastNumber: Number(last?.seq ?? 0),
  };
}

export function* rowsIn(database: DatabaseSync, table: Table): Generator<Row> {
  for (const row of database.prepare(textOf(table)).iterate())
    yield Object.values(row as Record<string, SQLOutputValue>) as Value[];
}

/** PostgreSQL keeps no U+0000 in a text. @throws {PortcullisError} `request_malformed`, which names the row */
export function requireTextsWithoutZero(database: DatabaseSync, table: Table): void {
  const texts = table.columns.filter(({ type }) => type === 'TEXT').map(({ name }) => name);
  if (texts.length === 0) return;
  const has = (name: string) => `instr("${name}", char(0)) > 0`;
  const found = database
    .prepare(
      `SELECT ${quoted([...table.key, ...texts])} FROM "${table.name}" WHERE ${texts.map(has).join(' OR ')} LIMIT 1`,
    )
    .get();
  if (!found) return;
  const column = texts.find((name) => String(found[name]).includes('\u0000'));
  const row = JSON.stringify(table.key.map((name) => found[name]));
  throw new PortcullisError(
    'request_malformed',
    `"${column}" of the row ${row} of "${table.name}" holds U+0000, which PostgreSQL can not keep`,
  );
}

/** How many rows, and what they hold. */
export interface Content {
  readonly rows: number;
  readonly hash: string;
}

export class Contents {
  readonly #hash = createHash('sha256');
  #rows = 0;

  add(row: Row): void {
    this.#rows += 1;
    this.#hash.update(JSON.stringify(row.map(asText)));
  }

  end(): Content {
    return { rows: this.#rows, hash: this.#hash.digest('hex') };
  }
}
const asText = (value: Value) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value);
