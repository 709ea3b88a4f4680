/**
 * The rows of a store in a file, into a schema that holds none: in one transaction, so that a crash leaves nothing. What is there afterwards
 * is read back, every row of it, and is the same.
 */
import type { DatabaseSync } from 'node:sqlite';
import { PortcullisError } from '@portcullis/contract';
import type { Address } from '../../postgres/address.ts';
import { type Connections, raw } from '../../postgres/connections.ts';
import { type Content, Contents, quoted, type Row, rowsIn, type Table, textOf } from '../moved-tables.ts';
import type { Writer } from '../promises.ts';
import { hasForm, makeTables } from './form.ts';
import { dropPostgresStore, withConnection } from './postgres-store.ts';

/** What one statement carries. */
const rowsMax = 2_000;
const bytesMax = 4 * 1024 * 1024;
/** What one answer carries: a row may be of megabytes. */
const fetchedMax = 500;
const typeOf = { TEXT: 'text', INTEGER: 'bigint', BLOB: 'bytea' } as const;

export interface Source {
  database: DatabaseSync;
  tables: readonly Table[];
}

/** Told of each table that is worked on, with how many rows of it are done. */
export type Tell = (doing: 'moving' | 'reading back', table: string, rows: number) => void;

/**
 * A schema that holds these rows already, and that nobody ever led, is what an earlier try has left: it is taken as it is.
 * @throws {PortcullisError} `fleet_exists`, `store_unavailable`, `config_invalid`
 */
export async function moveToPostgres(source: Source, address: Address, tell: Tell): Promise<{ rows: number }> {
  return withConnection(address, async (db) => {
    const isThere = await hasForm(db, address.schema);
    if (!isThere) await makeTables(db, address, (transaction) => fill(transaction, source, address, tell));
    const { rows, other } = await compare(db, source, tell);
    if (other === undefined) return { rows };
    if (isThere)
      throw new PortcullisError(
        'fleet_exists',
        `${address.words} already holds a store, which is another one (${other}); choose another schema`,
      );
    await dropPostgresStore(address);
    throw new PortcullisError(
      'store_damaged',
      `${address.words} gave back other rows than it was given (${other}); nothing is left there`,
    );
  });
}

async function fill(db: Writer, { database, tables }: Source, { schema }: Address, tell: Tell): Promise<void> {
  // A step may have put rows into what it made.
  await db.executeQuery(raw(`TRUNCATE ${quoted(tables.map(({ name }) => name))}`));
  for (const table of tables) {
    let done = 0;
    for (const rows of batchesOf(rowsIn(database, table))) {
      tell('moving', table.name, done);
      await db.executeQuery(insertOf(table, rows));
      done += rows.length;
    }
    await goOnCounting(db, schema, table);
  }
  await db.executeQuery(raw(`ANALYZE ${quoted(tables.map(({ name }) => name))}`));
}

function* batchesOf(rows: Iterable<Row>): Generator<Row[]> {
  let [batch, bytes]: [Row[], number] = [[], 0];
  for (const row of rows) {
    batch.push(row);
    for (const value of row) bytes += typeof value === 'number' || value === null ? 8 : value.length;
    if (batch.length < rowsMax && bytes < bytesMax) continue;
    yield batch;
    [batch, bytes] = [[], 0];
  }
  if (batch.length > 0) yield batch;
}

function insertOf({ name, columns }: Table, rows: readonly Row[]) {
  const arrays = columns.map(({ type }, index) => `$${index + 1}::${typeOf[type]}[]`);
  const text = `INSERT INTO "${name}" (${quoted(columns.map((column) => column.name))}) SELECT * FROM unnest(${arrays.join(', ')})`;
  return raw(
    text,
    columns.map((_column, index) => rows.map((row) => asBytes(row[index] as Row[number]))),
  );
}

/** The driver knows no other bytes. */
const asBytes = (value: Row[number]) =>
  value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.length) : value;

/** A number that was given to a row is given to no other. */
async function goOnCounting(db: Writer, schema: string, { name, lastNumber }: Table): Promise<void> {
  const { rows } = await db.executeQuery<{ column: string }>(
    raw(
      `SELECT column_name AS "column" FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2 AND is_identity = 'YES'`,
      [schema, name],
    ),
  );
  for (const { column } of rows) {
    const last = `(SELECT greatest(max("${column}"), $2::bigint, 0) FROM "${name}")`;
    const sequence = `pg_get_serial_sequence($1, '${column}')`;
    await db.executeQuery(
      raw(`SELECT setval(${sequence}, greatest(${last}, 1), ${last} > 0)`, [`"${schema}"."${name}"`, lastNumber]),
    );
  }
}

interface Compared {
  rows: number;
  /** What is not the same. */
  other?: string;
}

async function compare(db: Connections['db'], { database, tables }: Source, tell: Tell): Promise<Compared> {
  const transaction = db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only');
  return transaction.execute(async (reader) => {
    const { rows: fences } = await reader.executeQuery<{ term: string }>(raw('SELECT "term" FROM "fence"'));
    if (fences[0]?.term !== '') return { rows: 0, other: 'an authority has led it' };
    let rows = 0;
    for (const table of tables) {
      const there = await contentThere(reader, table, tell);
      const here = contentOf(rowsIn(database, table));
      if (there.rows !== here.rows)
        return { rows, other: `${there.rows} rows in "${table.name}", and not ${here.rows}` };
      if (there.hash !== here.hash) return { rows, other: `other rows in "${table.name}"` };
      rows += here.rows;
    }
    return { rows };
  });
}

function contentOf(rows: Iterable<Row>): Content {
  const contents = new Contents();
  for (const row of rows) contents.add(row);
  return contents.end();
}

async function contentThere(db: Writer, table: Table, tell: Tell): Promise<Content> {
  const contents = new Contents();
  await db.executeQuery(raw(`DECLARE "moved" NO SCROLL CURSOR FOR ${textOf(table)}`));
  for (let done = 0; ; ) {
    tell('reading back', table.name, done);
    const { rows } = await db.executeQuery<Record<string, Row[number]>>(raw(`FETCH ${fetchedMax} FROM "moved"`));
    for (const row of rows) contents.add(Object.values(row));
    done += rows.length;
    if (rows.length < fetchedMax) break;
  }
  await db.executeQuery(raw('CLOSE "moved"'));
  return contents.end();
}
