import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { PortcullisError } from '@portcullis/contract';
import { Kysely } from 'kysely';
import { putInPlace } from '../../telemetry/telemetry.ts';
import { holdLock, type Lock } from '../lock.ts';
import { asFailure, checkTables, migrate, openDatabase, requireVersion } from '../sqlite-database.ts';
import { Capture, continueGeneration, endGeneration } from './changesets.ts';
import { migrations } from './migrations.ts';
import type { Reader, Store, Writer } from './promises.ts';
import type { Schema } from './schema.ts';
import { sqliteDialect } from './sqlite-dialect.ts';
import { Together } from './together.ts';

const fileIn = (directory: string) => join(directory, 'store.db');

/** Makes an empty store. @throws {PortcullisError} `fleet_exists` where one is already */
export async function createSqliteStore(directory: string): Promise<Store> {
  if (existsSync(fileIn(directory))) {
    throw new PortcullisError('fleet_exists', `"${directory}" already holds a store; choose another directory`);
  }
  upgrade(directory);
  return openSqliteStore(directory);
}

/**
 * Runs the migrations that are pending and tells how many those were.
 * @throws {PortcullisError} `fleet_missing`, `store_locked`, `store_version`
 */
export async function upgradeSqliteStore(directory: string): Promise<number> {
  requireStore(directory);
  return upgrade(directory);
}

function upgrade(directory: string): number {
  const lock = holdLock(join(directory, 'store.lock'));
  try {
    return migrate(fileIn(directory), migrations);
  } finally {
    lock.release();
  }
}

/**
 * Only opens. `capture`: what each transaction does is kept until it is shipped; it names what begins where nothing was kept before.
 * @throws {PortcullisError} `fleet_missing`, `store_locked`, `store_version`, `store_damaged`
 */
export async function openSqliteStore(directory: string, capture?: { newId(): string }): Promise<Store> {
  requireStore(directory);
  const lock = holdLock(join(directory, 'store.lock'));
  try {
    return new SqliteStore(fileIn(directory), lock, capture);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** What is on disk, whoever holds the store: nothing is locked, and nothing can be changed. */
export function readSqliteStore(directory: string): Pick<Store, 'snapshot'> {
  requireStore(directory);
  return { snapshot: (work) => snapshotOf(fileIn(directory), work) };
}

/** Reads all of it, whoever holds it: minutes for a store of many gigabytes. @throws {PortcullisError} `store_damaged` */
export function checkSqliteStore(directory: string): void {
  requireStore(directory);
  const file = fileIn(directory);
  const database = openDatabase(file, 'read');
  try {
    checkTables(database, file);
  } catch (error) {
    asFailure(error, `"${file}"`);
  } finally {
    database.close();
  }
}

/**
 * A copy of one committed state, whoever holds the store: nothing is locked, and the write-ahead log is kept as long as it takes. What was
 * deleted is not in it. @throws {PortcullisError} `fleet_missing`, `store_version`, `store_damaged`, `disk_full`
 */
export function copySqliteStore(directory: string, target: string): void {
  requireStore(directory);
  const file = fileIn(directory);
  const database = openDatabase(file, 'read');
  try {
    requireVersion(database, migrations.length);
    database.prepare('VACUUM INTO ?').run(target);
  } catch (error) {
    asFailure(error, `"${file}"`);
  } finally {
    database.close();
  }
  // The copy has the mode of a store from its first opening on.
  openDatabase(target, 'create').close();
}

async function snapshotOf<T>(file: string, work: (db: Reader) => Promise<T>): Promise<T> {
  const connection = connect(openDatabase(file, 'read'), 'begin');
  try {
    return await connection.db.transaction().execute(work);
  } catch (error) {
    return asFailure(error);
  } finally {
    await close(connection);
  }
}

/** What the file is called once its store is in a database: no program opens it. */
const asideIn = (directory: string) => join(directory, 'store.moved.db');

/** A file whose store goes elsewhere: nobody else changes it meanwhile. */
export interface Leaving extends Disposable {
  readonly database: DatabaseSync;
  /** Nothing opens it any more; a crash leaves it as it was, or aside. */
  setAside(): Promise<void>;
}

/** @throws {PortcullisError} `fleet_missing`, `store_locked`, `store_version`, `store_damaged` */
export function leaveSqliteStore(directory: string): Leaving {
  requireStore(directory);
  const lock = holdLock(join(directory, 'store.lock'));
  try {
    const database = openWriter(fileIn(directory));
    endGeneration(database);
    const close = () => database.isOpen && database.close();
    return {
      database,
      async setAside() {
        // The last connection folds the write-ahead log into the file.
        close();
        await putInPlace(fileIn(directory), asideIn(directory));
      },
      [Symbol.dispose]() {
        close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

export const hasSqliteStore = (directory: string): boolean => existsSync(fileIn(directory));

function requireStore(directory: string): void {
  if (existsSync(fileIn(directory))) return;
  if (existsSync(asideIn(directory))) {
    const why = `the store of "${directory}" was moved to PostgreSQL, and its file is out of date; "store" in fleet.yaml names the database`;
    throw new PortcullisError('fleet_missing', why);
  }
  throw new PortcullisError('fleet_missing', `"${directory}" holds no store; "portcullis init" makes one`);
}

/** A start takes no longer because the store is old: "portcullis journal verify" looks at all of a larger file. */
const checkedBytesMax = 64 * 1024 * 1024;

/** Opens a connection at the present version, or leaves none open. */
function openWriter(file: string): DatabaseSync {
  const database = openDatabase(file, 'write', { checkedBytesMax });
  try {
    requireVersion(database, migrations.length);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Kysely closes only what it used. */
async function close({ database, db }: Connection): Promise<void> {
  await db.destroy();
  if (database.isOpen) database.close();
}

interface Connection {
  database: DatabaseSync;
  db: Kysely<Schema>;
}

function connect(database: DatabaseSync, begin: 'begin' | 'begin immediate'): Connection {
  return { database, db: new Kysely<Schema>({ dialect: sqliteDialect(database, begin) }) };
}

const notLeader = () =>
  new PortcullisError('not_leader', 'the file is not as this authority left it: it has to begin anew');

class SqliteStore implements Store {
  readonly #file: string;
  readonly #lock: Lock;
  readonly #writer: Connection;
  readonly #reader: Connection;
  readonly #ended = Promise.withResolvers<never>();
  #leads = true;
  #tail: Promise<unknown> = Promise.resolve();
  readonly #captures: boolean;
  #syncs = true;
  readonly #together = new Together((work) => this.change(work), asFailure);

  constructor(file: string, lock: Lock, capture?: { newId(): string }) {
    this.#file = file;
    this.#lock = lock;
    this.#writer = connect(openWriter(file), 'begin immediate');
    this.#captures = capture !== undefined;
    if (capture) continueGeneration(this.#writer.database, capture.newId);
    else endGeneration(this.#writer.database);
    this.#reader = connect(openDatabase(file, 'read'), 'begin');
    this.#ended.promise.catch(() => undefined);
  }

  /** The kernel keeps others out for as long as this process lives. */
  leads(): boolean {
    return this.#leads;
  }

  endTerm(): void {
    this.#leads = false;
    this.#ended.reject(notLeader());
  }

  get lost(): Promise<never> {
    return this.#ended.promise;
  }

  /** A transaction, so that all that one read looks at is of one state. Reads follow each other: each is short. */
  async read<T>(work: (db: Reader) => Promise<T>): Promise<T> {
    return this.#reader.db.transaction().execute(work).catch(asFailure);
  }

  async lookUp<T>(statement: (db: Reader) => Promise<T>): Promise<T> {
    return statement(this.#reader.db).catch(asFailure);
  }

  snapshot<T>(work: (db: Reader) => Promise<T>): Promise<T> {
    return snapshotOf(this.#file, work);
  }

  /** The writer runs one change at a time: each waits for the one before it, whether that one succeeded or not. */
  change<T>(work: (db: Writer) => Promise<T>, { durable = true, captured = true } = {}): Promise<T> {
    const done = this.#captures && captured ? (db: Writer) => this.#captured(db, work) : work;
    const next = this.#tail.then(() => {
      this.#sync(durable);
      return this.#writer.db.transaction().execute(done).catch(asFailure);
    });
    this.#tail = next.catch(() => undefined);
    return next;
  }

  async #captured<T>(db: Writer, work: (db: Writer) => Promise<T>): Promise<T> {
    const capture = new Capture(this.#writer.database);
    try {
      const result = await work(db);
      capture.keep();
      return result;
    } catch (error) {
      capture.drop();
      throw error;
    }
  }

  changeTogether<T>(work: (db: Writer) => Promise<T>): Promise<T> {
    return this.#together.add(work);
  }

  /** Frames of the write-ahead log are in the order of commits: flushing it for one has flushed it for all before. */
  #sync(durable: boolean): void {
    if (durable === this.#syncs) return;
    this.#writer.database.exec(`PRAGMA synchronous = ${durable ? 'FULL' : 'NORMAL'}`);
    this.#syncs = durable;
  }

  /** The writer closes last: only it can fold the write-ahead log into the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#together.ended();
    await this.#tail;
    await close(this.#reader);
    await close(this.#writer);
    this.#lock.release();
  }
}
