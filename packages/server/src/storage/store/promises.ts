import type { Kysely, Transaction } from 'kysely';
import type { Schema } from './schema.ts';

/** Cannot write, by type. */
export type Reader = Pick<Kysely<Schema>, 'selectFrom' | 'with' | 'withRecursive' | 'fn'>;

export type Writer = Transaction<Schema>;

/** Work inside `read` or `change` must not ask the store for another `read` or `change`: it would wait for itself. */
export interface Store {
  /** For short reads: all that `work` sees is of one committed state. */
  read<T>(work: (db: Reader) => Promise<T>): Promise<T>;
  /** For a single statement, which is of one committed state without a transaction around it. */
  lookUp<T>(statement: (db: Reader) => Promise<T>): Promise<T>;
  /** One read transaction on a connection of its own, for reads that last. */
  snapshot<T>(work: (db: Reader) => Promise<T>): Promise<T>;
  /**
   * Durable before it resolves; rolled back when `work` throws. Without `durable` a crash may lose it, as long as no durable one has
   * followed: those that follow never survive without it. `captured`: false for what is no part of what is shipped.
   */
  change<T>(work: (db: Writer) => Promise<T>, how?: { durable?: boolean; captured?: boolean }): Promise<T>;
  /** The same, durable, for small changes of which many come at once: those of one turn of the event loop share a flush of the disk. */
  changeTogether<T>(work: (db: Writer) => Promise<T>): Promise<T>;
  /** Whether this process may still decide: to be asked last, in the same turn as what it allows. Once false it stays so. */
  leads(): boolean;
  /** What is stored is not what this process knows: it decides nothing any more (rule 14). */
  endTerm(): void;
  /** Rejects with `not_leader` when it may not, without having closed the store: the process has to end, and to begin anew. */
  readonly lost: Promise<never>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Of a process that does not lead: what it writes is no part of what is led, and no term is named. */
export interface Beside {
  read<T>(work: (db: Reader) => Promise<T>): Promise<T>;
  write<T>(work: (db: Writer) => Promise<T>): Promise<T>;
  /** Rejects where nobody could lead: the database takes none. */
  requireChanges(): Promise<void>;
}
