import { setTimeout as after } from 'node:timers/promises';
import { PortcullisError } from '@portcullis/contract';
import type { System } from '../../../telemetry/telemetry.ts';
import type { Address } from '../../postgres/address.ts';
import { type Bounds, Connections, raw } from '../../postgres/connections.ts';
import {
  asFailure,
  atDatabase,
  CommitInDoubt,
  failureOf,
  isSchemaGone,
  requireChanges,
} from '../../postgres/failures.ts';
import type { Beside, Reader, Store, Writer } from '../promises.ts';
import { Together } from '../together.ts';
import { makeTables, migrateTables, requireForm } from './form.ts';
import { Renewal, requireFence, type Standby, takeLeadership, termMs } from './leadership.ts';
import { fencedTerm, leadershipRow } from './leadership-row.ts';
import { primaryOf } from './primary.ts';
import type { Term } from './term.ts';

const bounds = {
  /** A client that fell silent in a change holds the fence no longer than a quarter of a term. */
  write: { connectionsMax: 1, statementMs: 60_000, idleInTransactionMs: termMs / 4 },
  renew: { connectionsMax: 1, statementMs: termMs, answerMs: termMs, idleInTransactionMs: termMs / 4 },
  read: { connectionsMax: 4, statementMs: 60_000, idleInTransactionMs: 60_000 },
  snapshot: { connectionsMax: 4, statementMs: 600_000, idleInTransactionMs: 600_000 },
  /** Whoever stands by may have to take over next: a database that is gone holds up nothing for longer than a term. */
  beside: { connectionsMax: 1, statementMs: termMs, answerMs: termMs, idleInTransactionMs: termMs },
} as const;

export interface Opening {
  system: System;
  /** Which process this is, for people: another that finds the store held names it. */
  holder: string;
  standby?: Standby | undefined;
}

/** Makes an empty store. @throws {PortcullisError} `fleet_exists`, `store_unavailable` */
export async function createPostgresStore(address: Address, opening: Opening): Promise<Store> {
  await withConnection(address, (db) => makeTables(db, address));
  return openPostgresStore(address, opening);
}

/**
 * Runs the migrations that are pending and tells how many those were; no authority may lead meanwhile.
 * @throws {PortcullisError} `fleet_missing`, `store_locked`, `store_version`, `store_unavailable`
 */
export async function upgradePostgresStore(address: Address, opening: Opening): Promise<number> {
  return withConnection(address, async (db) => {
    await requireForm(db, address, 'any');
    const row = leadershipRow(db);
    const term = await takeLeadership(row, { ...opening, termMs });
    try {
      return await migrateTables(db, (writer) => requireFence(() => fencedTerm(writer), term));
    } finally {
      await new Renewal(row, term, opening).giveBack();
    }
  });
}

/**
 * Only opens, and leads: it waits for the term of a process that may be gone.
 * @throws {PortcullisError} `fleet_missing`, `store_locked`, `store_version`, `store_unavailable`
 */
export async function openPostgresStore(address: Address, opening: Opening): Promise<Store> {
  for (;;) {
    try {
      return await openAt(await primaryOf(address), opening, address.others.length === 0);
    } catch (error) {
      if (!opening.standby || address.others.length === 0 || !isAway(error)) throw error;
      opening.standby.waits(undefined);
      // Another may take changes by then.
      await after(retryMs, undefined, { signal: opening.standby.signal });
    }
  }
}

const isAway = (error: unknown) => error instanceof PortcullisError && error.code === 'store_unavailable';
const retryMs = termMs / 10;

/** `isOne`: there is no other database to look at. */
async function openAt(address: Address, opening: Opening, isOne: boolean): Promise<Store> {
  const renewing = new Connections(address, bounds.renew);
  try {
    await requireForm(renewing.db, address);
    const term = await takeLeadership(leadershipRow(renewing.db), { ...opening, termMs, isOne });
    // Who waited long may find that the store was upgraded meanwhile; a term that nobody renews ends.
    await requireForm(renewing.db, address);
    return new PostgresStore(address, { renewing, term, system: opening.system });
  } catch (error) {
    await renewing.close();
    if (!isSchemaGone(error)) return atDatabase(failureOf(error), address.words);
    const why = `${address.words} holds no store any more (${(error as Error).message}): bring it back, or name another in fleet.yaml`;
    throw new PortcullisError('fleet_missing', why, { cause: error });
  }
}

/** What is committed, whoever leads: nothing is locked, and nothing can be changed. */
export function readPostgresStore(address: Address): Pick<Store, 'snapshot'> {
  return {
    snapshot: (work) =>
      withConnection(address, async (db) => {
        await requireForm(db, address);
        return reading(db, work);
      }),
  };
}

/** Each by a connection of its own: it is seldom asked, and by whom nothing waits for. */
export function besidePostgresStore(address: Address): Beside {
  const withForm = <T>(work: (db: Connections['db']) => Promise<T>) =>
    withConnection(
      address,
      async (db) => {
        await requireForm(db, address);
        return work(db);
      },
      bounds.beside,
    );
  return {
    read: (work) => withForm((db) => reading(db, work)),
    write: (work) => withForm((db) => db.transaction().execute(work)),
    requireChanges: () =>
      withForm(async (db) => {
        const { rows } = await db.executeQuery<{ readOnly: string }>(
          raw(`SELECT current_setting('transaction_read_only') AS "readOnly"`),
        );
        requireChanges(rows[0]?.readOnly ?? 'on');
      }),
  };
}

/** Removes a store that this process has made, and all that is in it. */
export async function dropPostgresStore(address: Address): Promise<void> {
  await withConnection(address, (db) => db.executeQuery(raw(`DROP SCHEMA "${address.schema}" CASCADE`)));
}

/** One connection, whose statements may last where nothing else is said. */
export async function withConnection<T>(
  address: Address,
  work: (db: Connections['db']) => Promise<T>,
  within: Bounds = { ...bounds.snapshot, connectionsMax: 1 },
): Promise<T> {
  const connections = new Connections(await primaryOf(address), within);
  try {
    return await work(connections.db);
  } catch (error) {
    // What was asked and not answered would be waited for.
    connections.break();
    return atDatabase(failureOf(error), address.words);
  } finally {
    await connections.close();
  }
}

function reading<T>(db: Connections['db'], work: (db: Reader) => Promise<T>): Promise<T> {
  const transaction = db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only');
  return transaction.execute(work).catch(asFailure);
}

interface Held {
  renewing: Connections;
  term: Term;
  system: System;
}

class PostgresStore implements Store {
  readonly #term: Term;
  readonly #renewal: Renewal;
  readonly #connections: { renew: Connections; write: Connections; read: Connections; snapshot: Connections };
  readonly #together = new Together((work) => this.change(work), asFailure);
  #tail: Promise<unknown> = Promise.resolve();

  constructor(address: Address, { renewing, term, system }: Held) {
    this.#term = term;
    this.#connections = {
      renew: renewing,
      write: new Connections(address, bounds.write),
      read: new Connections(address, bounds.read),
      snapshot: new Connections(address, bounds.snapshot),
    };
    this.#renewal = new Renewal(leadershipRow(renewing.db), term, { system });
    // A commit may wait without end for a copy that follows another now: what leads no more waits for nothing.
    this.#renewal.lost.catch(() => this.#connections.write.break());
  }

  get lost(): Promise<never> {
    return this.#renewal.lost;
  }

  leads(): boolean {
    return !this.#term.isOver();
  }

  endTerm(): void {
    this.#term.end();
  }

  read<T>(work: (db: Reader) => Promise<T>): Promise<T> {
    return reading(this.#connections.read.db, work);
  }

  async lookUp<T>(statement: (db: Reader) => Promise<T>): Promise<T> {
    return statement(this.#connections.read.db).catch(asFailure);
  }

  snapshot<T>(work: (db: Reader) => Promise<T>): Promise<T> {
    return reading(this.#connections.snapshot.db, work);
  }

  /** One at a time, as in every engine; the fence keeps out what another process that leads would change. */
  change<T>(work: (db: Writer) => Promise<T>, { durable = true } = {}): Promise<T> {
    const next = this.#tail.then(() => this.#changeNow(work, durable));
    this.#tail = next.catch(() => undefined);
    return next;
  }

  async #changeNow<T>(work: (db: Writer) => Promise<T>, durable: boolean): Promise<T> {
    const transaction = this.#connections.write.db.transaction();
    const done = async (db: Writer) => {
      await requireFence(() => fencedTerm(db), this.#term);
      // What follows is flushed with it, in the order of commits.
      if (!durable) await db.executeQuery(raw('SET LOCAL synchronous_commit = off'));
      return work(db);
    };
    return transaction.execute(done).catch((error: unknown) => {
      // What this process holds in memory may be older than the database: whoever takes over reads all anew.
      if (error instanceof CommitInDoubt) this.#term.end();
      return asFailure(error);
    });
  }

  changeTogether<T>(work: (db: Writer) => Promise<T>): Promise<T> {
    return this.#together.add(work);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#together.ended();
    await this.#tail;
    await this.#renewal.giveBack();
    const { renew, write, read, snapshot } = this.#connections;
    for (const connections of [write, read, snapshot, renew]) await connections.close();
  }
}
