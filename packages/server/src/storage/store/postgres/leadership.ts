/**
 * Which process of several leads: it holds a term, which each change names first, and renews it. Rules 10 to 14 and 19 of the protocol; what is
 * stored of it is behind `LeadershipRow`, and nothing rests on the database's clock.
 */
import { setTimeout as after } from 'node:timers/promises';
import { PortcullisError } from '@portcullis/contract';
import type { System } from '../../../telemetry/telemetry.ts';
import { asFailure, failureOf, isSchemaGone } from '../../postgres/failures.ts';
import { type SeenRow, stamp, Term, Watched } from './term.ts';

export const termMs = 2_500;
/** How often a term is renewed in its time. */
const renewals = 4;
/** How often in a term who waits looks at the row. */
const looks = 10;
/** How soon again after one that failed. */
const retries = 20;

export interface Row extends SeenRow {
  readonly holder: string;
  readonly free: boolean;
  /** Where it was made, or was led last. */
  readonly ledIn: string;
}

/** A term that is to begin. */
export interface Taking {
  id: string;
  termMs: number;
  holder: string;
  /** What is stored of leases is a lower bound from then on (rule 19). */
  isElsewhere: boolean;
}

/** What all processes see of who leads. */
export interface LeadershipRow {
  look(): Promise<Row>;
  /** Under the fence. False: the row is another by now than was seen, or the database is. */
  take(taking: Taking, seen: Row): Promise<boolean>;
  /**
   * `least`: the last beat that this process knows of. Resolves to the next one; undefined: the term is another's, or was given back, or the
   * database is another, or was restored to an earlier moment.
   */
  beat(term: string, least: number): Promise<number | undefined>;
  free(term: string): Promise<void>;
}

/** Resolves later; rejects once the signal says so. */
export type Pause = (ms: number, signal?: AbortSignal) => Promise<unknown>;
const pauseFor: Pause = (ms, signal) => after(ms, undefined, { signal });

interface Paced {
  system: System;
  /** Left out: by this machine's timers. */
  pause?: Pause;
}

export interface Wanted extends Paced {
  /** Who asks, in the words that others are told who find it to lead. */
  holder: string;
  /** Of a term that this process takes. */
  termMs: number;
  /** Left out: who finds that another leads is refused. */
  standby?: Standby | undefined;
  /** There is no other database to look at while this one is away: who stands by waits for it. Left out: there is none. */
  isOne?: boolean;
}

/** It waits for as long as another leads, and takes over when that one's term is over. */
export interface Standby {
  /** Ends the waiting. */
  signal: AbortSignal;
  /** Told for each process that it finds to lead, in the words of its row; undefined: it can not be seen, or leads no more. */
  waits(leader: string | undefined): void;
  /** Asked when it could take over: something of its machine may speak against it for now. Left out: nothing does. */
  mayLead?(): Promise<boolean>;
}

/**
 * Waits for a term that may be that of a process which is gone, and takes over once it is over.
 * @throws {PortcullisError} `store_locked` where another process is seen to go on
 */
export async function takeLeadership(leadership: LeadershipRow, wanted: Wanted): Promise<Term> {
  const { standby, system, isOne = true, pause = pauseFor } = wanted;
  const isWaitedFor = standby !== undefined && isOne;
  const watched = new Watched(system.monotonic);
  let first: Row | undefined;
  let told: string | undefined;
  const mayLead = () => standby?.mayLead?.() ?? true;
  const gone = () => {
    if (told !== undefined) standby?.waits(undefined);
    told = undefined;
  };
  for (;;) {
    const looked = leadership.look();
    const row = await looked.catch((error: unknown) => {
      // There is nothing left to wait for: whoever opens says so.
      if (isSchemaGone(error)) throw error;
      return isWaitedFor ? orNothing(error) : asFailure(error);
    });
    if (row) {
      first ??= row;
      // Elsewhere it is a lower bound: who took it since may be among what is lost.
      const isFree =
        (row.free && !isElsewhere(row)) || watched.saw(isElsewhere(row) ? atLeast(row, wanted.termMs) : row) === 0;
      const term = isFree && (await mayLead()) ? await tryTake(leadership, row, wanted) : undefined;
      if (term) return term;
      const isAlive = !isFree && (row.term !== first.term || row.beat !== first.beat);
      if (isAlive && !standby)
        throw new PortcullisError('store_locked', `another authority leads this store: ${row.holder}`);
      if (isAlive && told !== row.term) standby?.waits(row.holder);
      if (isAlive) told = row.term;
      // One that was just seen for the first time may live.
      else if (isFree) gone();
    } else gone();
    await pause(wanted.termMs / looks, standby?.signal);
  }
}

const isElsewhere = ({ ledIn, history }: Row) => ledIn !== history;

/** Its length is a lower bound too: the term that is lost may have been as long as ours. */
const atLeast = (row: Row, termMs: number): Row => ({ ...row, termMs: Math.max(row.termMs, termMs) });

/** Undefined: somebody was faster, or the row lives. */
async function tryTake(
  leadership: LeadershipRow,
  seen: Row,
  { system, holder, termMs, standby }: Wanted,
): Promise<Term | undefined> {
  const id = system.random(16).toString('hex');
  const sent = stamp(system);
  const taking = leadership.take({ id, termMs, holder, isElsewhere: isElsewhere(seen) }, seen);
  // One whose answer was lost is another's term, of a process that never led: it is waited for.
  const taken = await taking.catch((error: unknown) => (standby ? orNothing(error) : asFailure(error)));
  return taken ? new Term(id, termMs, system, sent) : undefined;
}

/** `failed`: why the term was not renewed, where that is known. */
function notLeader(failed?: unknown): PortcullisError {
  const why =
    failed instanceof Error
      ? `its term could not be renewed: ${failed.message}`
      : 'another may have taken over, or its store was restored';
  return new PortcullisError('not_leader', `this authority does not lead any more: ${why}`, { cause: failed });
}

/**
 * Before each change, in its transaction: `fenced` locks the fence and tells the term that it names. Whoever takes over waits until the change
 * is over, and after that none is made.
 */
export async function requireFence(fenced: () => Promise<string | undefined>, term: Term): Promise<void> {
  if (term.isOver()) throw notLeader();
  if ((await fenced()) === term.id) return;
  term.end();
  throw notLeader();
}

/** Renews a term until it ends, by its own connection: a change that takes long keeps no beat back. */
export class Renewal {
  readonly #leadership: LeadershipRow;
  readonly #term: Term;
  readonly #system: System;
  readonly #pause: Pause;
  readonly #stop = new AbortController();
  readonly #ended = Promise.withResolvers<never>();
  readonly #running: Promise<void>;
  #failed: unknown;
  #beats = 0;

  constructor(leadership: LeadershipRow, term: Term, { system, pause = pauseFor }: Paced) {
    this.#leadership = leadership;
    this.#term = term;
    this.#system = system;
    this.#pause = pause;
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
      if (this.#term.isOver()) return this.#ended.reject(notLeader(this.#failed));
      const isRenewed = await this.#renew();
      const { lengthMs } = this.#term;
      await this.#pause(lengthMs / (isRenewed ? renewals : retries), signal).catch(() => undefined);
    }
  }

  async #renew(): Promise<boolean> {
    const sent = stamp(this.#system);
    try {
      const beat = await this.#leadership.beat(this.#term.id, this.#beats);
      const isOurs = beat !== undefined;
      if (isOurs) this.#term.renewed(sent);
      else this.#term.end();
      this.#beats = beat ?? 0;
      this.#failed = undefined;
      return isOurs;
    } catch (error) {
      orNothing(error);
      this.#failed = failureOf(error);
      return false;
    }
  }

  /** After the last change: the next process takes over at once. Where the database is not there it waits for the term's end. */
  async giveBack(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    if (this.#term.isOver()) return;
    this.#term.end();
    await this.#leadership.free(this.#term.id).catch(orNothing);
  }
}

/** What is no failure of the database is a bug, and is thrown. */
function orNothing(error: unknown): undefined {
  if (isSchemaGone(error)) return;
  try {
    asFailure(error);
  } catch (failure) {
    if (!(failure instanceof PortcullisError)) throw failure;
  }
}
