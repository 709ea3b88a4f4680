/**
 * What a store promises, and the engines that keep it.
 * - A change is durable before its promise resolves, or is not there at all; changes happen one at a time.
 * - A read sees a committed state and can not write, by type. A snapshot sees one state for as long as it lasts.
 * - One process holds a store; the kernel frees it when that process dies.
 * - Nothing is created by accident: `create` makes a store, `open` only opens, `upgrade` migrates.
 * Refuses to know: what any row means.
 */
import type { Kysely, Transaction } from 'kysely';
import type { Schema } from './schema.ts';

export { holdLock, type Lock } from './lock.ts';
export type { Schema } from './schema.ts';
export { createSqliteStore, openSqliteStore, readSqliteStore, upgradeSqliteStore } from './sqlite-store.ts';

/** Cannot write, by type. */
export type Reader = Pick<Kysely<Schema>, 'selectFrom' | 'with' | 'fn'>;
export type Writer = Transaction<Schema>;

/** Work inside `read` or `change` must not ask the store for another `read` or `change`: it would wait for itself. */
export interface Store {
  /** For short reads: all that `work` sees is of one committed state. */
  read<T>(work: (db: Reader) => Promise<T>): Promise<T>;
  /** One read transaction on a connection of its own, for reads that last. */
  snapshot<T>(work: (db: Reader) => Promise<T>): Promise<T>;
  /** Durable before it resolves; rolled back when `work` throws. */
  change<T>(work: (db: Writer) => Promise<T>): Promise<T>;
  [Symbol.asyncDispose](): Promise<void>;
}
