import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { PortcullisError } from '@portcullis/contract';
import { Kysely } from 'kysely';
import { holdLock, type Lock } from './lock.ts';
import { migrations } from './migrations.ts';
import type { Schema } from './schema.ts';
import { asFailure, openDatabase } from './sqlite-database.ts';
import { sqliteDialect } from './sqlite-dialect.ts';
import type { Reader, Store, Writer } from './storage.ts';

const fileIn = (directory: string) => join(directory, 'store.db');

/** Makes an empty store. @throws {PortcullisError} `fleet_exists` where one is already */
export async function createSqliteStore(directory: string): Promise<Store> {
  if (existsSync(fileIn(directory))) {
    throw new PortcullisError('fleet_exists', `"${directory}" already holds a store; choose another directory`);
  }
  await upgradeSqliteStore(directory);
  return openSqliteStore(directory);
}

/** Runs the migrations that are pending, each in a transaction of its own: a crash between two leaves the earlier one done. */
export async function upgradeSqliteStore(directory: string): Promise<number> {
  const lock = holdLock(join(directory, 'store.lock'));
  try {
    const database = openDatabase(fileIn(directory), 'create');
    try {
      const from = versionOf(database);
      for (const [index, sql] of migrations.entries()) {
        if (index < from) continue;
        database.exec(`BEGIN IMMEDIATE; ${sql}; PRAGMA user_version = ${index + 1}; COMMIT`);
      }
      return migrations.length - from;
    } finally {
      database.close();
    }
  } finally {
    lock.release();
  }
}

/** Only opens. @throws {PortcullisError} `fleet_missing`, `store_locked`, `store_version`, `store_damaged` */
export async function openSqliteStore(directory: string): Promise<Store> {
  if (!existsSync(fileIn(directory))) {
    throw new PortcullisError('fleet_missing', `"${directory}" holds no store; "portcullis init" makes one`);
  }
  const lock = holdLock(join(directory, 'store.lock'));
  try {
    return new SqliteStore(fileIn(directory), lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

function versionOf(database: DatabaseSync): number {
  return Number((database.prepare('PRAGMA user_version').get() as { user_version: number }).user_version);
}

function checkVersion(database: DatabaseSync): void {
  const version = versionOf(database);
  if (version === migrations.length) return;
  const advice = version < migrations.length ? 'run "portcullis upgrade" on it' : 'use a newer portcullis';
  throw new PortcullisError(
    'store_version',
    `the store has version ${version}, this program needs ${migrations.length}; ${advice}`,
  );
}

class SqliteStore implements Store {
  readonly #file: string;
  readonly #lock: Lock;
  readonly #writer: Kysely<Schema>;
  readonly #reader: Kysely<Schema>;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(file: string, lock: Lock) {
    this.#file = file;
    this.#lock = lock;
    const database = openDatabase(file, 'write');
    try {
      checkVersion(database);
    } catch (error) {
      database.close();
      throw error;
    }
    this.#writer = new Kysely<Schema>({ dialect: sqliteDialect(database) });
    this.#reader = new Kysely<Schema>({ dialect: sqliteDialect(openDatabase(file, 'read')) });
  }

  async read<T>(work: (db: Reader) => Promise<T>): Promise<T> {
    return work(this.#reader).catch(asFailure);
  }

  async snapshot<T>(work: (db: Reader) => Promise<T>): Promise<T> {
    const database = openDatabase(this.#file, 'read');
    const db = new Kysely<Schema>({ dialect: sqliteDialect(database) });
    try {
      database.exec('BEGIN');
      return await work(db);
    } catch (error) {
      return asFailure(error);
    } finally {
      await db.destroy();
    }
  }

  /** The writer runs one change at a time: each waits for the one before it, whether that one succeeded or not. */
  change<T>(work: (db: Writer) => Promise<T>): Promise<T> {
    const next = this.#tail.then(() => this.#writer.transaction().execute(work).catch(asFailure));
    this.#tail = next.catch(() => undefined);
    return next;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tail;
    await this.#reader.destroy();
    await this.#writer.destroy();
    this.#lock.release();
  }
}
