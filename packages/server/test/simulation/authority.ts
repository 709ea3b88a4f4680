/**
 * The process of one authority: the real take-over, renewal, fence, horizon and book, at a simulated database. What it does with them is what
 * `PostgresStore`, the journal and the feed do, in as many lines as that takes.
 */
import { PortcullisError } from '@portcullis/contract';
import { Horizon } from '../../src/feed/horizon.ts';
import type { LeaseBook, LeaseTerms } from '../../src/feed/lease-book.ts';
import { CommitInDoubt } from '../../src/storage/postgres/failures.ts';
import type { Store } from '../../src/storage/storage.ts';
import {
  type LeadershipRow,
  type Pause,
  Renewal,
  requireFence,
  takeLeadership,
} from '../../src/storage/store/postgres/leadership.ts';
import type { Term } from '../../src/storage/store/postgres/term.ts';
import type { System } from '../../src/telemetry/telemetry.ts';
import type { Head } from './assembly.ts';
import type { Caller, Database, State, Transaction } from './database.ts';
import type { Left } from './disk.ts';
import { patienceMs } from './gates.ts';
import { History } from './history.ts';
import type { Schedule } from './schedule.ts';

/** What of an authority a canary gives with a rule switched off. */
export interface AuthorityAssembly {
  makeBook(terms: LeaseTerms): LeaseBook;
  /** Who takes over: by this row, with this system, and with the term that comes of it. */
  rowOf(row: LeadershipRow, lengths: Lengths): LeadershipRow;
  systemOf(system: System): System;
  termOf(term: Term, system: System): Term;
  /** Rule 13: takes the lock, and looks at it. */
  isFenced: boolean;
  /** Rule 19. */
  seesTimeline: boolean;
  /** Of two live databases the one that was replaced commits nothing. */
  isReplacedFenced: boolean;
  /** Rule 14. */
  endsInDoubt: boolean;
  /** Rule 15: of which revisions it knows that they may be receipted. */
  receiptedAt(head: number): number;
  /** Rule 15 and 6: how long it waits for leases of earlier terms. */
  horizonOf(storedMs: number, lengths: Lengths): number;
  /** Rule 11: whether it may decide. */
  leads(term: Term): boolean;
  /** Rule 9: who does not lead proves nothing. */
  settlesUnlessLeading: boolean;
  /** Rule 9: what was judged by another history is not proven. */
  settlesOtherHistories: boolean;
  /** Clocks of authorities run fast or slow by up to this share of what `Term` and `Watched` measure. */
  drift: number;
}

export interface Lengths {
  termMs: number;
  leaseMs: number;
}

export interface AuthorityParts extends Lengths {
  schedule: Schedule;
  inProcess(process: Caller, work: () => void): void;
  assembly: AuthorityAssembly;
  database: Database;
  name: string;
  cutUntil(): number;
  slowMs(): number;
  /** It leads, and answers. */
  onOpened(process: AuthorityProcess): void;
  onReceipt(process: AuthorityProcess, revision: number): void;
  /** It is over: it ends. */
  onLost(process: AuthorityProcess): void;
}

const notLeader = () => new PortcullisError('not_leader', '');

export class AuthorityProcess implements Caller {
  alive = true;
  pausedUntil = 0;
  readonly since = new Map<number, number>();
  /** As it is committed, as far as this process knows. */
  history = new History();
  book!: LeaseBook;
  /** It has opened: gates may ask. */
  isOpen = false;
  readonly database: Database;
  readonly #parts: AuthorityParts;
  readonly #system: System;
  readonly #stop = new AbortController();
  readonly #bookClock: () => number;
  #term: Term | undefined;
  #renewal: Renewal | undefined;
  #horizon: Horizon | undefined;
  #isClosing = false;
  #stoodMs = 0;
  #tail: Promise<unknown> = Promise.resolve();
  readonly #pause: Pause;

  constructor(parts: AuthorityParts) {
    this.#parts = parts;
    this.database = parts.database;
    const { schedule, assembly } = parts;
    const born = schedule.now;
    const rate = 1 + schedule.between(-assembly.drift, assembly.drift);
    const bookRate = Math.min(1.009, Math.max(0.991, rate));
    const monotonic = (speed: number) => () => (schedule.now - born - this.#stoodMs) * speed;
    this.#bookClock = monotonic(bookRate);
    this.#system = assembly.systemOf({
      monotonic: monotonic(rate),
      now: () => (schedule.now - born) * rate,
      random: (bytes) => Buffer.from(Array.from({ length: bytes }, () => Math.floor(schedule.chance() * 256))),
    });
    this.#pause = (ms, signal) =>
      new Promise((resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason));
        if (signal?.aborted) return reject(signal.reason);
        const done = () => {
          schedule.stir();
          resolve(undefined);
        };
        schedule.after(ms / rate, () => parts.inProcess(this, done));
      });
  }

  get name(): string {
    return this.#parts.name;
  }

  cutUntil(): number {
    return this.#parts.cutUntil();
  }

  slowMs(): number {
    return this.#parts.slowMs();
  }

  /** `suspended`: its monotonic clock stands too. */
  standStill(ms: number, suspended: boolean): void {
    const { now } = this.#parts.schedule;
    if (this.pausedUntil > now) return;
    this.pausedUntil = now + ms;
    if (suspended) this.#stoodMs += ms;
  }

  leads(): boolean {
    return this.#term !== undefined && this.#parts.assembly.leads(this.#term);
  }

  get termId(): string | undefined {
    return this.#term?.id;
  }

  /** As `openStore`, `openJournal` and `openFeed`: it waits, takes over, reads, and answers. */
  async live(): Promise<void> {
    const { assembly, termMs, leaseMs, name, database } = this.#parts;
    const system = this.#system;
    const row = assembly.rowOf(database.rowFor(this), { termMs, leaseMs });
    const standby = { signal: this.#stop.signal, waits: () => undefined };
    const taken = await takeLeadership(row, { system, holder: name, termMs, standby, pause: this.#pause });
    const term = assembly.termOf(taken, system);
    this.#term = term;
    this.#renewal = new Renewal(row, term, { system, pause: this.#pause });
    this.#renewal.lost.catch(() => this.#parts.onLost(this));
    this.history = (await database.read(this)).history;
    this.#horizon = await Horizon.read(this.#store(), leaseMs);
    const horizonMs = assembly.horizonOf(this.#horizon.milliseconds, { termMs, leaseMs });
    const receipted = assembly.receiptedAt(this.history.head);
    this.book = assembly.makeBook({ leaseMs, patienceMs, horizonMs, receipted, monotonic: this.#bookClock });
    this.isOpen = true;
    this.#parts.onOpened(this);
  }

  /** As `Receipts.settle`. */
  settle(): void {
    if (!this.isOpen || !this.leads()) return;
    for (const { revision } of this.book.giveReceipts()) this.#parts.onReceipt(this, revision);
  }

  isReceipted(revision: number): boolean {
    return this.isOpen && this.leads() && this.book.isReceipted(revision);
  }

  knows({ revision, hash }: Head): boolean {
    return this.history.hashAt(revision) === hash;
  }

  /** As `AuthorityFeed.renew`. */
  async renew(name: { gate: string; instance: string }, told: Head) {
    const { leaseMs } = this.#parts;
    await this.#requireHistory(told);
    await this.#horizon?.cover(leaseMs);
    if (!this.leads() || this.#isClosing) throw notLeader();
    const answer = this.book.renew(name, told.revision);
    this.settle();
    return answer;
  }

  report(name: { gate: string; instance: string }, told: Head): void {
    if (!this.knows(told)) return;
    this.book.reported(name, told.revision, 0);
    this.settle();
  }

  /** As `AuthorityFeed.settle`. */
  settleBatches(name: { gate: string; instance: string }, batches: readonly Left[]) {
    const { settlesOtherHistories, settlesUnlessLeading } = this.#parts.assembly;
    const upTo = Math.min(this.history.head, this.book.receiptableUpTo(name));
    const answers = batches.map(({ batch, judgedAt, head }) => {
      const isOurs = settlesOtherHistories || this.history.hashAt(head.revision) === head.hash;
      return { batch, proven: isOurs && !this.history.touches(judgedAt, upTo) };
    });
    if (!settlesUnlessLeading && !this.leads()) throw notLeader();
    return answers;
  }

  async #requireHistory(told: Head): Promise<void> {
    if (this.knows(told)) return;
    const { history } = await this.database.read(this);
    if (history.hashAt(told.revision) === told.hash) return;
    if (!this.leads()) throw notLeader();
    throw new PortcullisError('revision_regressed', '');
  }

  /** As the journal's: commit, answer, head and book in one turn, and then the feed. */
  async change(append: (history: History) => void): Promise<void> {
    const next = await this.#change(async ({ history }) => {
      const { endsInDoubt } = this.#parts.assembly;
      if (endsInDoubt && history.hashAt(history.head) !== this.history.hashAt(this.history.head)) {
        this.#term?.end();
        throw notLeader();
      }
      const forked = (endsInDoubt ? history : this.history).fork();
      append(forked);
      return [forked, { history: forked }];
    });
    this.history = next;
    this.since.set(next.head, this.#parts.schedule.now);
    this.book.changed(next.head);
  }

  /** As `PostgresStore.change`: one at a time, fenced; a commit whose answer is lost ends the term. */
  #change<T>(work: (state: State) => Promise<[T, Partial<State>]>): Promise<T> {
    const next = this.#tail.then(() => this.#changeNow(work));
    this.#tail = next.catch(() => undefined);
    return next;
  }

  async #changeNow<T>(work: (state: State) => Promise<[T, Partial<State>]>): Promise<T> {
    const term = this.#term as Term;
    const { assembly } = this.#parts;
    let transaction: Transaction | undefined;
    try {
      const fenced = async () => {
        transaction = await this.database.begin(this);
        return assembly.isFenced ? transaction.state.fence : term.id;
      };
      await requireFence(fenced, term);
      const open = transaction as unknown as Transaction;
      const [result, change] = await work(open.state);
      const isCommitted = await this.database.commit(this, open, change, term.id).catch((error: unknown) => {
        if (assembly.endsInDoubt) term.end();
        throw new CommitInDoubt(error);
      });
      if (!isCommitted) throw new PortcullisError('store_unavailable', 'rolled back');
      return result;
    } catch (error) {
      if (transaction?.isOpen) await this.database.rollback(this, transaction).catch(() => undefined);
      throw error;
    }
  }

  /** What `Horizon` asks of a store. */
  #store(): Store {
    const rows = ({ settings }: State) => [...settings].map(([name, value]) => ({ name, value }));
    const found = (state: State) => {
      const query = { selectAll: () => query, where: () => query, execute: async () => rows(state) };
      return { selectFrom: () => query };
    };
    const changed = (settings: Map<string, string>) => ({
      insertInto: () => ({
        values: ({ name, value }: { name: string; value: string }) => ({
          onConflict: () => ({ execute: async () => void settings.set(name, value) }),
        }),
      }),
      deleteFrom: () => ({
        where: (_column: string, _is: string, name: string) => ({ execute: async () => void settings.delete(name) }),
      }),
    });
    const read = async (work: (db: unknown) => Promise<unknown>) => work(found(await this.database.read(this)));
    const change = (work: (db: unknown) => Promise<unknown>) =>
      this.#change(async (state) => {
        const settings = new Map(state.settings);
        return [await work(changed(settings)), { settings }];
      });
    return { read, change } as unknown as Store;
  }

  /** As an operator stops it: what is stored of leases, and then its term, for who waits. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#stop.abort(new Error('stopped'));
    if (!this.isOpen) return;
    if (this.leads() && !this.book.anyRunning()) await this.#horizon?.write(0);
    await this.#tail;
    await this.#renewal?.giveBack();
  }
}
