import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { PortcullisError } from '@portcullis/contract';

export interface Lock {
  /** Lets another process have the directory. */
  close(): void;
}

/**
 * Holds a directory for the life of this process: an empty SQLite database in it, in an exclusive transaction. That is a lock of
 * the kernel on the file itself, so that two containers that share the directory see it, whatever their networks and process
 * numbers are, and it is dropped with the process, however it dies. It writes nothing: also on a disk that is full the directory is held,
 * and what waits in it can be sent.
 * @throws {PortcullisError} `store_locked`, `disk_full`
 */
export function holdDirectory(directory: string): Lock {
  const Database = loadDatabase();
  let database: DatabaseSync | undefined;
  try {
    database = new Database(join(directory, 'device.lock'));
    // A journal on disk would be begun with the transaction.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    const held = database;
    return { close: () => held.isOpen && held.close() };
  } catch (cause) {
    database?.close();
    throw failureOf(directory, cause);
  }
}

/** What works in an enrolled directory and holds it until it closes the lock. @throws {PortcullisError} also `credential_unusable` */
export function openHeld<Opened>(directory: string, open: (lock: Lock) => Opened): Opened {
  if (!existsSync(directory)) {
    throw new PortcullisError('credential_unusable', `"${directory}" does not exist; enrol first`);
  }
  const lock = holdDirectory(directory);
  try {
    return open(lock);
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** SQLite's result codes: the low byte is the kind (https://www.sqlite.org/rescode.html). */
const busy = 5;
const full = 13;

function failureOf(directory: string, cause: unknown): PortcullisError {
  const kind = ((cause as { errcode?: number }).errcode ?? 0) & 0xff;
  if (kind === busy) {
    return new PortcullisError('store_locked', `another process uses "${directory}"; stop it first`, { cause });
  }
  const message = `couldn't hold "${directory}": ${(cause as Error).message}`;
  return new PortcullisError(kind === full ? 'disk_full' : 'credential_unusable', message, { cause });
}

/** Node 22 says on standard error that this module is experimental; a lock has no format that could change. */
function loadDatabase(): typeof DatabaseSync {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return process.getBuiltinModule('node:sqlite').DatabaseSync;
  } finally {
    process.emitWarning = emitWarning;
  }
}
