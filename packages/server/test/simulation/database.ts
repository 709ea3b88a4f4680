/**
 * A database as the processes at it see it: what is committed, one row to lock, and what gets lost on the way to it and back. It does what the
 * statements of `leadership-row.ts` do; its promotion is another one that lacks what was committed last.
 */
import { PortcullisError } from '@portcullis/contract';
import type { LeadershipRow, Row } from '../../src/storage/store/postgres/leadership.ts';
import type { Living } from './gates.ts';
import type { History } from './history.ts';
import type { Schedule } from './schedule.ts';

/** A process, and until when it does not reach the database. */
export interface Caller extends Living {
  cutUntil(): number;
  /** Answers of the database come so much later. */
  slowMs(): number;
}

export interface State {
  readonly history: History;
  readonly fence: string;
  readonly row: Omit<Row, 'history'>;
  readonly settings: ReadonlyMap<string, string>;
}

export interface Transaction {
  readonly life: number;
  isOpen: boolean;
  /** As it was under the lock. */
  readonly state: State;
}

export interface DatabaseParts {
  schedule: Schedule;
  /** What a process does happens at once, or when it is resumed, or never. */
  inProcess(process: Living, work: () => void): void;
  link(): number;
  /** Nothing is lost or late any more. */
  isCalm(): boolean;
  /** Rule 13: left out by a canary. */
  isFenced: boolean;
  /** Rule 19: left out by a canary. */
  seesTimeline: boolean;
  /** What is wrong with what was just committed, if anything. */
  onCommit(before: State, after: State, by: { term: string | undefined; database: Database }): void;
  /** How long who fell silent in a transaction may hold the lock, and who asks waits for an answer. */
  silenceMs: number;
  answerMs: number;
}

const unavailable = () => new PortcullisError('store_unavailable', 'no answer');
/** What a promotion may lack at most. */
const lostMax = 10;

export class Database {
  is: State;
  timeline: number;
  isUp = true;
  /** Another took its place: what is committed waits for that one, and so for ever. */
  #isReplaced = false;
  readonly #parts: DatabaseParts;
  #past: State[] = [];
  #life = 0;
  #isLocked = false;
  #waiting: (() => void)[] = [];
  #stalledUntil = 0;

  constructor(parts: DatabaseParts, is: State, timeline = 1) {
    this.#parts = parts;
    this.is = is;
    this.timeline = timeline;
  }

  /** Connections end, and what was under way with them. */
  restart(awayMs: number): void {
    this.#life++;
    this.isUp = false;
    this.#isLocked = false;
    this.#waiting = [];
    this.#parts.schedule.after(awayMs, () => {
      this.isUp = true;
    });
  }

  stall(ms: number): void {
    this.#stalledUntil = this.#parts.schedule.now + ms;
  }

  /** A copy takes its place at another address, and this one lives on for who reaches it. `isFenced`: each of its commits needs the copy. */
  promoted(lost: number, { isFenced }: { isFenced: boolean }): Database {
    this.#isReplaced = isFenced;
    const is = [...this.#past, this.is].at(-1 - Math.min(lost, this.#past.length)) as State;
    return new Database(this.#parts, is, this.timeline + 1);
  }

  /** A copy takes its place, at the same address, and has not heard of the last commits. */
  failOver(lost: number, awayMs: number): void {
    this.is = [...this.#past, this.is].at(-1 - Math.min(lost, this.#past.length)) as State;
    this.#past = [];
    this.timeline++;
    this.restart(awayMs);
  }

  rowFor(caller: Caller): LeadershipRow {
    const { seesTimeline } = this.#parts;
    const now = () => `cluster/${seesTimeline ? this.timeline : 1}`;
    return {
      look: () => this.#ask(caller, (answer) => this.#later(() => answer({ ...this.is.row, history: now() }), 'read')),
      take: ({ id, termMs, holder, isElsewhere }, seen) =>
        this.#ask(caller, (answer) =>
          this.#lock(() =>
            this.#later(() => {
              this.#unlock();
              const { row, settings } = this.is;
              if (row.term !== seen.term || row.beat !== seen.beat || now() !== seen.history) return answer(false);
              const ledIn = now();
              const unknown = new Map([...settings, ['leasesUnknown', '']]);
              this.#write({
                fence: id,
                row: { term: id, beat: 0, termMs, holder, free: false, ledIn },
                settings: isElsewhere ? unknown : settings,
              });
              answer(true);
            }),
          ),
        ),
      beat: (term, least) =>
        this.#ask(caller, (answer) =>
          this.#later(() => {
            const { row } = this.is;
            if (row.term !== term || row.beat < least || row.free || row.ledIn !== now()) return answer(undefined);
            this.#write({ row: { ...row, beat: row.beat + 1 } });
            answer(row.beat + 1);
          }),
        ),
      free: (term) =>
        this.#ask(caller, (answer) =>
          this.#later(() => {
            if (this.is.row.term === term) this.#write({ row: { ...this.is.row, free: true } });
            answer(undefined);
          }),
        ),
    };
  }

  read(caller: Caller): Promise<State> {
    return this.#ask(caller, (answer) => this.#later(() => answer(this.is), 'read'));
  }

  /** With the fence locked. Who falls silent, or dies, is rolled back. */
  begin(caller: Caller): Promise<Transaction> {
    return this.#ask(caller, (answer) =>
      this.#lock(() => {
        const transaction = { life: this.#life, isOpen: true, state: this.is };
        this.#parts.schedule.after(this.#parts.silenceMs, () => this.#abort(transaction));
        answer(transaction);
      }),
    );
  }

  async rollback(caller: Caller, transaction: Transaction): Promise<void> {
    await this.#ask(caller, (answer) => {
      this.#abort(transaction);
      answer(undefined);
    });
  }

  /** False: it was rolled back. No answer: nobody knows. */
  commit(caller: Caller, transaction: Transaction, change: Partial<State>, term: string): Promise<boolean> {
    return this.#ask(caller, (answer) => {
      if (!transaction.isOpen || transaction.life !== this.#life) return answer(false);
      transaction.isOpen = false;
      this.#later(() => {
        this.#unlock();
        this.#write(change, term);
        answer(true);
      });
    });
  }

  #abort(transaction: Transaction): void {
    if (!transaction.isOpen || transaction.life !== this.#life) return;
    transaction.isOpen = false;
    this.#unlock();
  }

  #write(change: Partial<State>, term?: string): void {
    const before = this.is;
    this.#past = [...this.#past, before].slice(-lostMax);
    this.is = { ...before, ...change };
    this.#parts.onCommit(before, this.is, { term, database: this });
  }

  /** As long as it takes. */
  #later(work: () => void, what: 'read' | 'commit' = 'commit'): void {
    const { schedule, isCalm } = this.#parts;
    const life = this.#life;
    const stalled = what === 'commit' && !isCalm() ? Math.max(0, this.#stalledUntil - schedule.now) : 0;
    const slow = !isCalm() && schedule.chance() < 0.02 ? schedule.between(50, 800) : 0;
    schedule.after(schedule.between(0.2, 4) + stalled + slow, () => {
      if (life === this.#life && !(what === 'commit' && this.#isReplaced)) work();
    });
  }

  #lock(work: () => void): void {
    if (!this.#parts.isFenced) return work();
    if (this.#isLocked) return void this.#waiting.push(work);
    this.#isLocked = true;
    work();
  }

  #unlock(): void {
    if (!this.#parts.isFenced) return;
    this.#isLocked = false;
    const next = this.#waiting.shift();
    if (next) this.#lock(next);
  }

  /** Rejects where no answer comes: what was asked for may have happened, or happen yet. */
  #ask<T>(caller: Caller, asked: (answer: (value: T) => void) => void): Promise<T> {
    const { schedule, inProcess, isCalm, answerMs } = this.#parts;
    return new Promise((resolve, reject) => {
      let isOpen = true;
      const end = (how: () => void) =>
        inProcess(caller, () => {
          if (!isOpen) return;
          isOpen = false;
          schedule.stir();
          how();
        });
      const lost = () => end(() => reject(unavailable()));
      schedule.after(answerMs, lost);
      this.#way(caller, () => {
        if (!this.isUp) return this.#way(caller, lost);
        const life = this.#life;
        asked((value) => {
          if (!isCalm() && schedule.chance() < 0.02) return;
          const back = () => (life === this.#life ? end(() => resolve(value)) : lost());
          schedule.after(caller.slowMs(), () => this.#way(caller, back));
        });
      });
    });
  }

  /** While two are apart a message is lost, or comes after. */
  #way(caller: Caller, arrive: () => void): void {
    const { schedule, link } = this.#parts;
    const cut = caller.cutUntil();
    if (cut <= schedule.now) return schedule.after(link(), arrive);
    if (Number.isFinite(cut) && schedule.chance() < 0.5) schedule.at(cut + link(), arrive);
  }
}
