import { readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { PortcullisError } from '@portcullis/contract';
import { asFailure, isBusy } from './sqlite-database.ts';

export interface Lock {
  release(): void;
}

const usualWaitMs = 2_000;
/** Who holds it, for people: what it says is of interest only while the lock is held. */
const holderFileOf = (file: string) => `${file}.pid`;

/**
 * Holds `file` for the life of this process. It is a small SQLite database in an exclusive transaction: the kernel drops
 * that lock with the process, however it dies, so nothing stale is ever left. A process that just died is waited for. Nothing is
 * written, as a journal on disk would be: a disk that is full keeps nobody from holding it.
 * @throws {PortcullisError} `store_locked`
 */
export function holdLock(file: string, { waitMs = usualWaitMs } = {}): Lock {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file);
    database.exec(`PRAGMA busy_timeout = ${waitMs}; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE`);
  } catch (cause) {
    database?.close();
    if (!isBusy(cause)) return asFailure(cause, `"${file}"`);
    throw new PortcullisError('store_locked', `another process${holderOf(file)} holds "${file}"; stop it first`, {
      cause,
    });
  }
  const held = database;
  tellHolder(file);
  return { release: () => held.isOpen && held.close() };
}

/** A disk that takes nothing more keeps nobody from holding a lock. */
function tellHolder(file: string): void {
  try {
    writeFileSync(holderFileOf(file), `${process.pid}\n`);
  } catch {}
}

function holderOf(file: string): string {
  try {
    const text = readFileSync(holderFileOf(file), 'utf8').trim();
    return /^\d{1,10}$/.test(text) ? ` (${text})` : '';
  } catch {
    return '';
  }
}
