import { DatabaseSync } from 'node:sqlite';
import { PortcullisError } from '@portcullis/contract';
import { asFailure, isBusy } from './sqlite-database.ts';

export interface Lock {
  release(): void;
}

const waitMs = 2_000;

/**
 * Holds `file` for the life of this process. It is a small SQLite database in an exclusive transaction: the kernel drops
 * that lock with the process, however it dies, so nothing stale is ever left. A process that just died is waited for.
 * @throws {PortcullisError} `store_locked`
 */
export function holdLock(file: string): Lock {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file);
    database.exec(`PRAGMA busy_timeout = ${waitMs}; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE`);
    const held = database;
    return { release: () => held.isOpen && held.close() };
  } catch (cause) {
    database?.close();
    if (!isBusy(cause)) return asFailure(cause, `"${file}"`);
    throw new PortcullisError('store_locked', `another process holds "${file}"; stop it first`, { cause });
  }
}
