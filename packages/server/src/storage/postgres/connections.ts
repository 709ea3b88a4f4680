import { Socket } from 'node:net';
import {
  CompiledQuery,
  HandleEmptyInListsPlugin,
  Kysely,
  PostgresDialect,
  type PostgresPool,
  type PostgresPoolClient,
  replaceWithNoncontingentExpression,
} from 'kysely';
import pg from 'pg';
import type { Schema } from '../store/schema.ts';
import type { Address } from './address.ts';
import { CommitInDoubt, isRefusedCommit, noConnection } from './failures.ts';

/** What a connection is for: each purpose has bounds of its own, so that none keeps another out. */
export interface Bounds {
  connectionsMax: number;
  /** One statement takes no longer. */
  statementMs: number;
  /** How long its answer is waited for: the server's bound is none for a commit that waits for a copy. Left out: for ever. */
  answerMs?: number;
  /** A transaction whose client says nothing for so long is ended, and holds nothing any more. */
  idleInTransactionMs: number;
}

const connectMs = 5_000;
const idleMs = 30_000;

const { builtins } = pg.types;
/** Whole numbers are within what JavaScript counts exactly: they were when they were stored. */
const numbers = new Map<number, (text: string) => number>([
  [builtins.INT8, Number],
  [builtins.NUMERIC, Number],
]);
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) =>
    format === 'binary'
      ? pg.types.getTypeParser(oid, 'binary')
      : (numbers.get(oid) ?? pg.types.getTypeParser(oid, 'text')),
};

/** A bounded number of connections; a broken one is replaced when it is next wanted. */
export class Connections {
  readonly db: Kysely<Schema>;
  readonly #pool: pg.Pool;
  readonly #sockets = new Set<Socket>();

  constructor({ client, schema }: Address, { connectionsMax, statementMs, answerMs, idleInTransactionMs }: Bounds) {
    this.#pool = new pg.Pool({
      ...client,
      max: connectionsMax,
      connectionTimeoutMillis: connectMs,
      idleTimeoutMillis: idleMs,
      keepAlive: true,
      statement_timeout: statementMs,
      ...(answerMs !== undefined && { query_timeout: answerMs }),
      idle_in_transaction_session_timeout: idleInTransactionMs,
      application_name: 'portcullis',
      options: `-c search_path=${schema} -c synchronous_commit=on`,
      types,
      stream: () => this.#socket(),
    });
    // One that breaks while nobody uses it: the next that is wanted is made anew.
    this.#pool.on('error', () => undefined);
    this.db = new Kysely<Schema>({
      dialect: new PostgresDialect({ pool: watchedPool(this.#pool) }),
      plugins: [new HandleEmptyInListsPlugin({ strategy: replaceWithNoncontingentExpression })],
    });
  }

  #socket(): Socket {
    const socket = new Socket();
    this.#sockets.add(socket);
    return socket.once('close', () => this.#sockets.delete(socket));
  }

  /** Whoever waits for an answer is told that there is none. */
  break(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    if (!this.#pool.ended) await this.#pool.end();
  }
}

/** Kysely's connections, whose commits say when it is not known whether they happened. */
function watchedPool(pool: pg.Pool): PostgresPool {
  const watched = new WeakMap<pg.PoolClient, WatchedClient>();
  return {
    options: pool.options,
    async connect() {
      const client = await pool.connect().catch((error: unknown) => {
        throw pool.ending ? error : noConnection(error);
      });
      const known = watched.get(client) ?? new WatchedClient(client);
      watched.set(client, known);
      // Kysely asks for its own names of what a statement was; the driver has a text.
      return known as unknown as PostgresPoolClient;
    },
    end: () => pool.end(),
  };
}

class WatchedClient {
  readonly #client: pg.PoolClient;
  #warned: unknown;
  #doubt: CommitInDoubt | undefined;

  constructor(client: pg.PoolClient) {
    this.#client = client;
    client.on('notice', (notice) => {
      if (notice.severity === 'WARNING') this.#warned = notice;
    });
    // What is under way rejects by itself.
    client.on('error', () => undefined);
  }

  async query(text: string, values: readonly unknown[]): Promise<pg.QueryResult> {
    // Kysely rolls back when a commit throws, and throws what that throws instead: so this says the same again.
    if (this.#doubt) throw this.#doubt;
    return text === 'commit' ? this.#commit() : this.#client.query(text, values as unknown[]);
  }

  async #commit(): Promise<pg.QueryResult> {
    this.#warned = undefined;
    const result = await this.#client.query('commit').catch((error: unknown) => {
      throw isRefusedCommit(error) ? error : this.#inDoubt(error);
    });
    if (this.#warned !== undefined) throw this.#inDoubt(this.#warned);
    return result;
  }

  #inDoubt(cause: unknown): CommitInDoubt {
    this.#doubt = new CommitInDoubt(cause);
    return this.#doubt;
  }

  release(error?: Error | boolean): void {
    this.#client.release(this.#doubt ?? error);
  }
}

export const raw = (text: string, values: readonly unknown[] = []) => CompiledQuery.raw(text, [...values]);
