/**
 * What transactions did, so that it can be done again to a copy of the store: SQLite's changesets (https://sqlite.org/sessionintro.html), which
 * hold each row that changed by its primary key, as it was before and is after. Each is stored by the transaction that it is of: a crash
 * leaves both or neither.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { constants, type DatabaseSync, type Session } from 'node:sqlite';
import { PortcullisError } from '@portcullis/contract';
import { asFailure, openDatabase } from '../sqlite-database.ts';
import { migrations } from './migrations.ts';
import type { Reader, Writer } from './promises.ts';

/** One transaction's. Nothing is kept of one that changed nothing. */
export class Capture {
  readonly #database: DatabaseSync;
  readonly #session: Session;
  #isOpen = true;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#session = database.createSession();
  }

  /** Within the transaction, once its work is done: what it keeps is not among it. */
  keep(): void {
    const bytes = this.#session.changeset();
    this.drop();
    if (bytes.length > 0) this.#database.prepare('INSERT INTO changesets (bytes) VALUES (?)').run(bytes);
  }

  drop(): void {
    if (this.#isOpen) this.#session.close();
    this.#isOpen = false;
  }
}

const generationName = 'changesetGeneration';
const version = String(migrations.length);

/** Which unbroken row of changesets a store is in, and the number of the last that it holds the work of. */
export interface Generation {
  id: string;
  last: number;
}

/**
 * Begins a new one where what is there is not all that happened: nothing was captured for a while, or the store has another form by now.
 * `made`: it was begun now.
 */
export function continueGeneration(database: DatabaseSync, id: () => string): { made: boolean } {
  const found = generationOf(database);
  if (found?.id.endsWith(`.v${version}`)) return { made: false };
  database.exec('BEGIN IMMEDIATE');
  database.exec('DELETE FROM changesets');
  const insert = database.prepare(
    'INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
  );
  insert.run(generationName, `${id()}.v${version}`);
  database.exec('COMMIT');
  return { made: true };
}

/** The same within a transaction, that is not captured: what waits will not be shipped. */
export async function renewGeneration(db: Writer, id: string): Promise<void> {
  await db.deleteFrom('changesets').execute();
  const value = `${id}.v${version}`;
  await db.updateTable('settings').set({ value }).where('name', '=', generationName).execute();
}

/** As it stands, of a store that is open. */
export async function generationIn(db: Reader): Promise<string | undefined> {
  const row = await db.selectFrom('settings').select('value').where('name', '=', generationName).executeTakeFirst();
  return row?.value;
}

/** From here on something happens that is in no changeset. */
export function endGeneration(database: DatabaseSync): void {
  if (!generationOf(database)) return;
  database.exec('BEGIN IMMEDIATE; DELETE FROM changesets');
  database.prepare('DELETE FROM settings WHERE name = ?').run(generationName);
  database.exec('COMMIT');
}

function generationOf(database: DatabaseSync): Generation | undefined {
  const row = database.prepare('SELECT value FROM settings WHERE name = ?').get(generationName);
  if (!row) return undefined;
  const sequence = database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'changesets'").get();
  return { id: String(row.value), last: Number(sequence?.seq ?? 0) };
}

/** Of a store that nobody holds. Undefined: nothing was captured when it was last open. */
export function readGeneration(directory: string): Generation | undefined {
  const database = openDatabase(join(directory, 'store.db'), 'read');
  try {
    return generationOf(database);
  } finally {
    database.close();
  }
}

/**
 * Does to a store that nobody holds what these say, in one transaction: all or none of them.
 * @throws {PortcullisError} `store_damaged` where they are not of what is in it
 */
export function applyChangesets(directory: string, changesets: readonly Uint8Array[]): void {
  const file = join(directory, 'store.db');
  if (!existsSync(file)) throw new PortcullisError('fleet_missing', `"${directory}" holds no store`);
  const database = openDatabase(file, 'create');
  try {
    database.exec('BEGIN IMMEDIATE');
    for (const bytes of changesets) {
      const isDone = database.applyChangeset(bytes, { onConflict: () => constants.SQLITE_CHANGESET_ABORT });
      if (!isDone) throw new PortcullisError('store_damaged', `what was shipped does not follow what is in "${file}"`);
    }
    database.exec('COMMIT');
  } catch (error) {
    asFailure(error, `"${file}"`);
  } finally {
    database.close();
  }
}

/** The copy begins anew: what it was copied from may go on, and ship. */
export function forgetGeneration(directory: string): void {
  const database = openDatabase(join(directory, 'store.db'), 'create');
  try {
    endGeneration(database);
  } finally {
    database.close();
  }
}
