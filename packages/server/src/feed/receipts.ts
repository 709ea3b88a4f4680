import type { GateOutcome, Receipt, SubjectId } from '@portcullis/contract';
import { Durations } from '../telemetry/telemetry.ts';
import type { GivenReceipt, LeaseBook } from './lease-book.ts';

/** Receipts that are kept for those who ask later. */
const keptMax = 10_000;
const waitersMax = 10_000;

interface Told extends Pick<Receipt, 'elapsedMs' | 'connectionsClosed'> {
  outcomes: readonly GateOutcome[];
}

interface Kept extends GivenReceipt {
  able: readonly string[];
}

interface Given {
  monotonic(): number;
  /** Whether this authority may say what is in force: another that took over may have granted leases. */
  leads(): boolean;
  advised(): NonNullable<Receipt['advised']>;
}

/** Tells the receipts that the book gives, keeps the last ones, and wakes those who wait. */
export class Receipts {
  readonly #book: LeaseBook;
  readonly #monotonic: () => number;
  readonly #leads: () => boolean;
  readonly #advised: Given['advised'];
  readonly #kept = new Map<number, Kept>();
  /** By revision that has no receipt yet: the gates that could have held a lease when it was made. */
  readonly #able = new Map<number, readonly string[]>();
  /** From when each change was committed to its receipt. */
  readonly times = new Durations();
  readonly #waiters = new Map<number, Set<() => void>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(book: LeaseBook, { monotonic, leads, advised }: Given) {
    this.#book = book;
    this.#monotonic = monotonic;
    this.#leads = leads;
    this.#advised = advised;
  }

  /** A revision was committed. `able`: the gates of valid standing by then; one that joins later is not asked about it. */
  changed(revision: number, able: readonly string[]): void {
    this.#able.set(revision, able);
    this.#book.changed(revision);
    this.settle();
  }

  /** To be called after every input to the book. */
  settle(): void {
    if (!this.#leads()) return;
    for (const given of this.#book.giveReceipts()) {
      const { revision, elapsedMs } = given;
      this.times.took(elapsedMs);
      this.#kept.set(revision, { ...given, able: this.#able.get(revision) ?? [] });
      this.#able.delete(revision);
    }
    for (const [revision, waiters] of this.#waiters)
      if (this.#book.isReceipted(revision)) for (const wake of waiters) wake();
    for (const revision of this.#kept.keys()) {
      if (this.#kept.size <= keptMax) break;
      this.#kept.delete(revision);
    }
    clearTimeout(this.#timer);
    const next = this.#book.nextDeadline();
    if (next === undefined) return;
    this.#timer = setTimeout(() => this.settle(), Math.max(1, next - this.#monotonic() + 1));
    this.#timer.unref();
  }

  async wait(revision: number, limitMs: number): Promise<void> {
    if (this.#book.isReceipted(revision) || limitMs === 0 || this.#waiters.size >= waitersMax) return;
    await new Promise<void>((resolve) => {
      const waiters = this.#waiters.get(revision) ?? new Set();
      this.#waiters.set(revision, waiters);
      const done = () => {
        clearTimeout(timer);
        waiters.delete(done);
        if (waiters.size === 0) this.#waiters.delete(revision);
        resolve();
      };
      // Of two that are due at once: what ended a lease is looked at before the answer.
      const timer = setTimeout(() => {
        this.settle();
        done();
      }, limitMs);
      waiters.add(done);
    });
  }

  /**
   * Each gate that was able when the change was made is listed, also one that took no part. Of a change that is not remembered, of an
   * earlier run or long ago, it can say only whether it is in force, and how those stand that are able `now`.
   */
  receipt(revision: number, now: readonly string[]): Receipt {
    const kept = this.#kept.get(revision);
    if (kept) return this.#told(revision, kept, kept.able, { outcome: 'no_lease', ms: 0 });
    const pending = this.#book.pending(revision);
    if (!pending) return this.#notRemembered(revision, now);
    const told = { ...pending, elapsedMs: this.#monotonic() - pending.since };
    return this.#told(revision, told, this.#able.get(revision) ?? now, { outcome: 'no_lease', ms: 0 });
  }

  #notRemembered(revision: number, now: readonly string[]): Receipt {
    const { outcomes, others } = this.#book.later();
    const unknown = { outcomes, elapsedMs: null, connectionsClosed: null };
    return this.#told(revision, unknown, now, { outcome: others, ms: null });
  }

  #told(
    revision: number,
    { outcomes, elapsedMs, connectionsClosed }: Told,
    able: readonly string[],
    absent: Pick<GateOutcome, 'outcome' | 'ms'>,
  ): Receipt {
    const known = new Set<string>(outcomes.map(({ gate }) => gate));
    const others = able.filter((gate) => !known.has(gate));
    // What they do with a decision no gate knows: they are named, and wait for nothing.
    const advised = this.#advised().filter(({ gate }) => known.has(gate));
    return {
      revision,
      confirmed: this.#leads() && this.#book.isReceipted(revision),
      elapsedMs: elapsedMs === null ? null : Math.round(elapsedMs * 1000) / 1000,
      connectionsClosed,
      gates: [...outcomes, ...others.map((gate) => ({ gate: gate as SubjectId, instance: '', ...absent }))],
      ...(advised.length > 0 && { advised }),
    };
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const waiters of this.#waiters.values()) for (const wake of waiters) wake();
  }
}
