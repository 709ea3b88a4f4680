/**
 * Which process of several leads: one row names the term (the fence, which each change locks first), one says that it goes on (its beat).
 * A take-over locks both, and names the row that it saw. Rules 10 to 14 of the protocol: nothing rests on the database's clock.
 */
import { setTimeout as after } from 'node:timers/promises';
import { PortcullisError } from '@portcullis/contract';
import type { Kysely } from 'kysely';
import type { System } from '../../../telemetry/telemetry.ts';
import type { Writer } from '../promises.ts';
import type { Schema } from '../schema.ts';
import { raw } from './connections.ts';
import { asFailure } from './failures.ts';
import { type SeenRow, stamp, Term, Watched } from './term.ts';

export const termMs = 2_500;
/** How often a term is renewed in its time. */
const renewals = 4;
/** How often who waits looks at the row. */
const lookMs = termMs / 10;
/** How soon again after one that failed. */
const retryMs = termMs / 20;

export const leadershipTables = `
  CREATE TABLE "fence" ("id" bigint PRIMARY KEY CHECK ("id" = 1), "term" text NOT NULL);
  CREATE TABLE "leadership" (
    "id" bigint PRIMARY KEY CHECK ("id" = 1), "term" text NOT NULL, "beat" bigint NOT NULL, "termMs" bigint NOT NULL,
    "holder" text NOT NULL, "free" boolean NOT NULL
  );
  INSERT INTO "fence" VALUES (1, '');
  INSERT INTO "leadership" VALUES (1, '', 0, 0, '', true);
`;

interface Row extends SeenRow {
  readonly holder: string;
  readonly free: boolean;
}

type Db = Kysely<Schema>;

async function look(db: Db): Promise<Row> {
  const { rows } = await db.executeQuery<Row>(
    raw('SELECT "term", "beat", "termMs", "holder", "free" FROM "leadership"'),
  );
  return rows[0] as Row;
}

export interface Wanted {
  system: System;
  /** Who asks, for people. */
  holder: string;
  /** Left out: who finds that another leads is refused. */
  standby?: Standby | undefined;
}

/** It waits for as long as another leads, and takes over when that one's term is over. */
export interface Standby {
  /** Ends the waiting. */
  signal: AbortSignal;
  /** Told for each process that it finds to lead. */
  waits(leader: string): void;
}

/**
 * Waits for a term that may be that of a process which is gone, and takes over once it is over.
 * @throws {PortcullisError} `store_locked` where another process is seen to go on
 */
export async function takeLeadership(db: Db, wanted: Wanted): Promise<Term> {
  const { standby, system } = wanted;
  const watched = new Watched(system.monotonic);
  let first: Row | undefined;
  let told: string | undefined;
  for (;;) {
    const row = await look(db).catch((error: unknown) => (standby ? orNothing(error) : asFailure(error)));
    if (row) {
      first ??= row;
      const isFree = row.free || watched.saw(row) === 0;
      const term = isFree ? await tryTake(db, row, wanted) : undefined;
      if (term) return term;
      const isAlive = !isFree && (row.term !== first.term || row.beat !== first.beat);
      if (isAlive && !standby)
        throw new PortcullisError('store_locked', `another authority leads this store: ${row.holder}`);
      if (isAlive && told !== row.term) standby?.waits(row.holder);
      if (isAlive) told = row.term;
    }
    await after(lookMs, undefined, { signal: standby?.signal });
  }
}

/** Undefined: somebody was faster, or the row lives. */
async function tryTake(db: Db, seen: Row, { system, holder, standby }: Wanted): Promise<Term | undefined> {
  const id = system.random(16).toString('hex');
  const sent = stamp(system);
  const taking = db.transaction().execute(async (transaction) => {
    await transaction.executeQuery(raw('SELECT 1 FROM "fence" FOR UPDATE'));
    const won = await transaction.executeQuery(
      raw(
        'UPDATE "leadership" SET "term" = $1, "beat" = 0, "termMs" = $2, "holder" = $3, "free" = false WHERE "term" = $4 AND "beat" = $5',
        [id, termMs, holder, seen.term, seen.beat],
      ),
    );
    if (won.numAffectedRows !== 1n) return false;
    await transaction.executeQuery(raw('UPDATE "fence" SET "term" = $1', [id]));
    return true;
  });
  // One whose answer was lost is another's term, of a process that never led: it is waited for.
  const taken = await taking.catch((error: unknown) => (standby ? orNothing(error) : asFailure(error)));
  return taken ? new Term(id, termMs, system, sent) : undefined;
}

const notLeader = () =>
  new PortcullisError('not_leader', 'this authority does not lead any more: another may have taken over');

/** The first statement of each change: whoever takes over waits until the change is over, and after that none is made. */
export async function requireFence(db: Writer, term: Term): Promise<void> {
  if (term.isOver()) throw notLeader();
  const { rows } = await db.executeQuery<{ term: string }>(raw('SELECT "term" FROM "fence" FOR SHARE'));
  if (rows[0]?.term === term.id) return;
  term.end();
  throw notLeader();
}

/** Renews a term until it ends, by its own connection: a change that takes long keeps no beat back. */
export class Renewal {
  readonly #db: Db;
  readonly #term: Term;
  readonly #system: System;
  readonly #stop = new AbortController();
  readonly #ended = Promise.withResolvers<never>();
  readonly #running: Promise<void>;

  constructor(db: Db, term: Term, system: System) {
    this.#db = db;
    this.#term = term;
    this.#system = system;
    this.#ended.promise.catch(() => undefined);
    this.#running = this.#run();
  }

  /** Rejects with `not_leader` when the term is over without having been given back. */
  get lost(): Promise<never> {
    return this.#ended.promise;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      if (this.#term.isOver()) return this.#ended.reject(notLeader());
      const isRenewed = await this.#renew();
      await after(isRenewed ? termMs / renewals : retryMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #renew(): Promise<boolean> {
    const sent = stamp(this.#system);
    try {
      const { numAffectedRows } = await this.#db.executeQuery(
        raw('UPDATE "leadership" SET "beat" = "beat" + 1 WHERE "term" = $1 AND NOT "free"', [this.#term.id]),
      );
      if (numAffectedRows === 1n) this.#term.renewed(sent);
      else this.#term.end();
      return numAffectedRows === 1n;
    } catch (error) {
      orNothing(error);
      return false;
    }
  }

  /** After the last change: the next process takes over at once. Where the database is not there it waits for the term's end. */
  async giveBack(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    if (this.#term.isOver()) return;
    this.#term.end();
    const free = raw('UPDATE "leadership" SET "free" = true WHERE "term" = $1', [this.#term.id]);
    await this.#db.executeQuery(free).catch(orNothing);
  }
}

/** What is no failure of the database is a bug, and is thrown. */
function orNothing(error: unknown): undefined {
  try {
    asFailure(error);
  } catch (failure) {
    if (!(failure instanceof PortcullisError)) throw failure;
  }
}
