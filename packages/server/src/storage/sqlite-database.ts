import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { PortcullisError } from '@portcullis/contract';

/** Bounds the write-ahead log on disk after a checkpoint (FIELD-NOTES I4 is what happens without). */
const journalBytesMax = 64 * 1024 * 1024;

/** What every connection must have; node:sqlite's own default for the busy timeout is 0 (FIELD-NOTES I3). */
const settings = { journal_mode: 'wal', synchronous: 2, busy_timeout: 5_000, foreign_keys: 1 } as const;

/**
 * One connection with the promises that both stores and sinks rest on: a commit is on disk before it returns
 * (`synchronous = FULL`), a busy file is waited for, the write-ahead log stays bounded. Damage is found here in a file of up to
 * `checkedBytesMax`; in a larger one SQLite compares length and header, and the rest is found when it is touched.
 * @throws {PortcullisError} `store_damaged`
 */
export function openDatabase(
  file: string,
  mode: 'create' | 'write' | 'read',
  { checkedBytesMax = Number.POSITIVE_INFINITY } = {},
): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, {
      readOnly: mode === 'read',
      timeout: settings.busy_timeout,
      enableForeignKeyConstraints: true,
    });
    if (mode !== 'read') database.exec('PRAGMA journal_mode = WAL');
    database.exec(`PRAGMA synchronous = FULL; PRAGMA journal_size_limit = ${journalBytesMax}`);
    checkSettings(database, file);
    if (mode === 'write' && statSync(file).size <= checkedBytesMax) checkWhole(database, file);
    return database;
  } catch (error) {
    database?.close();
    return asFailure(error, `"${file}"`);
  }
}

/** Some are ignored in silence where the file system or the build of SQLite can not keep them. */
function checkSettings(database: DatabaseSync, file: string): void {
  for (const [name, expected] of Object.entries(settings)) {
    const [found] = Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {});
    assert.equal(found, expected, `"${file}" was opened with ${name} = ${found}; it must be ${expected}`);
  }
}

function checkWhole(database: DatabaseSync, file: string): void {
  requireOk(database.prepare('PRAGMA quick_check(1)').all(), file);
}

/** Every page of the file and every index, table by table, so that no reader keeps the write-ahead log for longer than one takes. */
export function checkTables(database: DatabaseSync, file: string): void {
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all();
  for (const { name } of [...tables, { name: 'sqlite_schema' }])
    requireOk(database.prepare(`PRAGMA integrity_check('${name}')`).all(), file);
}

function requireOk(rows: Record<string, unknown>[], file: string): void {
  const [said] = Object.values(rows[0] ?? {});
  if (said === 'ok') return;
  const why = String(said)
    .replaceAll(/[*\s]+/g, ' ')
    .trim();
  throw new PortcullisError('store_damaged', `"${file}" is damaged (${why}); restore it from a backup`);
}

/** Runs the steps that are pending, each in a transaction of its own: a crash between two leaves the earlier one done. */
export function migrate(file: string, steps: readonly string[]): number {
  const database = openDatabase(file, 'create');
  try {
    const from = versionOf(database);
    for (const [index, sql] of steps.entries()) {
      if (index >= from) database.exec(`BEGIN IMMEDIATE; ${sql}; PRAGMA user_version = ${index + 1}; COMMIT`);
    }
    if (from > steps.length) requireVersion(database, steps.length);
    return steps.length - from;
  } catch (error) {
    return asFailure(error, file);
  } finally {
    database.close();
  }
}

/** @throws {PortcullisError} `store_version` */
export function requireVersion(database: DatabaseSync, needed: number): void {
  const version = versionOf(database);
  if (version === needed) return;
  const advice = version < needed ? 'run "portcullis upgrade" on it' : 'use a newer portcullis';
  throw new PortcullisError(
    'store_version',
    `the store has version ${version}, this program needs ${needed}; ${advice}`,
  );
}

function versionOf(database: DatabaseSync): number {
  return (database.prepare('PRAGMA user_version').get() as { user_version: number }).user_version;
}

/** SQLite's primary result codes: https://sqlite.org/rescode.html */
const codes = { busy: 5, corrupt: 11, full: 13, notADatabase: 26, inputOutput: 10 } as const;
/** The file beside a write-ahead log could not be made larger: the disk is full, https://sqlite.org/rescode.html#ioerr_shmsize */
const sharedMemorySize = 4_874;

const saysFull = (error: unknown) =>
  (error as { errcode?: number }).errcode === sharedMemorySize || /full/.test(String(error));

function primaryCode(error: unknown): number | undefined {
  const code = (error as { errcode?: number }).errcode;
  return code === undefined ? undefined : code & 0xff;
}

export function isBusy(error: unknown): boolean {
  return primaryCode(error) === codes.busy;
}

/** Throws what SQLite threw in our words; what is not SQLite's passes unchanged. */
export function asFailure(error: unknown, file = 'the store'): never {
  const primary = primaryCode(error);
  if (primary === undefined || error instanceof PortcullisError) throw error;
  if (primary === codes.full || (primary === codes.inputOutput && saysFull(error))) {
    throw new PortcullisError('disk_full', `the disk of ${file} is full; nothing was stored`, { cause: error });
  }
  if (primary === codes.corrupt || primary === codes.notADatabase) {
    throw new PortcullisError('store_damaged', `${file} is damaged; restore it from a backup`, { cause: error });
  }
  if (primary === codes.busy) {
    throw new PortcullisError('store_locked', `${file} is held by another process`, { cause: error });
  }
  throw error;
}
