import type { GateOutcome, Receipt } from '@portcullis/contract';
import type { Confirmation, LeaseBook } from './lease-book.ts';

/** Receipts that are kept for those who ask later. */
const keptMax = 10_000;
const waitersMax = 10_000;

/** Turns what the book confirms into receipts, keeps the last ones, and wakes those who wait. */
export class Receipts {
  readonly #book: LeaseBook;
  readonly #monotonic: () => number;
  readonly #kept = new Map<number, Confirmation>();
  readonly #waiters = new Map<number, Set<() => void>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(book: LeaseBook, monotonic: () => number) {
    this.#book = book;
    this.#monotonic = monotonic;
  }

  /** To be called after every input to the book. */
  settle(): void {
    for (const confirmation of this.#book.confirm()) this.#kept.set(confirmation.revision, confirmation);
    for (const [revision, waiters] of this.#waiters)
      if (this.#book.isConfirmed(revision)) for (const wake of waiters) wake();
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
    if (this.#book.isConfirmed(revision) || limitMs === 0 || this.#waiters.size >= waitersMax) return;
    await new Promise<void>((resolve) => {
      const waiters = this.#waiters.get(revision) ?? new Set();
      this.#waiters.set(revision, waiters);
      const done = () => {
        clearTimeout(timer);
        waiters.delete(done);
        if (waiters.size === 0) this.#waiters.delete(revision);
        resolve();
      };
      const timer = setTimeout(done, limitMs);
      waiters.add(done);
    });
  }

  /** `gates` are those of valid standing: each is listed, also one that took no part. */
  receipt(revision: number, gates: readonly string[]): Receipt {
    const kept = this.#kept.get(revision);
    const pending = kept ? undefined : this.#book.pending(revision);
    const { outcomes: now, others } = this.#book.later();
    const outcomes = kept?.outcomes ?? pending?.outcomes ?? now;
    const elapsedMs = kept?.elapsedMs ?? (pending ? this.#monotonic() - pending.since : 0);
    const known = new Set(outcomes.map(({ gate }) => gate as string));
    const outcome = kept ? 'no_lease' : others;
    const absent = gates.filter((gate) => !known.has(gate)).map((gate) => ({ gate, instance: '', outcome, ms: 0 }));
    return {
      revision,
      confirmed: this.#book.isConfirmed(revision),
      elapsedMs: Math.round(elapsedMs * 1000) / 1000,
      connectionsClosed: kept?.connectionsClosed ?? pending?.connectionsClosed ?? 0,
      gates: [...outcomes, ...(absent as GateOutcome[])],
    };
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const waiters of this.#waiters.values()) for (const wake of waiters) wake();
  }
}
