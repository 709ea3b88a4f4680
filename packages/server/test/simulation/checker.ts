/** What a world of several authorities must hold to: changes have one order (P6), and nobody decides, or shows a reading, by what is older than a receipt (P7). */
import type { Gate, Head } from './assembly.ts';
import type { State } from './database.ts';
import type { Row } from './disk.ts';
import type { History } from './history.ts';

interface Given extends Head {
  at: number;
}

/** One that breaks all breaks much: the first ones tell why. */
const foundMax = 5;

export class Checker {
  readonly found: string[] = [];
  readonly receipts: Given[] = [];
  changes = 0;
  readonly #now: () => number;
  /** Each state that ever was, by the hash of its last revision. */
  readonly #byHash = new Map<string, History>();
  /** What is there now: a database that was promoted lacks some of it. */
  #truth: History;
  /** The newest receipt of what is there. */
  #top: Given | undefined;

  constructor(now: () => number, first: History) {
    this.#now = now;
    this.#truth = first;
    this.#byHash.set(first.hashAt(first.head) as string, first);
  }

  committed(before: State, { history, fence, row }: State, term: string | undefined): void {
    if (history === before.history) return;
    this.changes++;
    this.#truth = history;
    this.#byHash.set(history.hashAt(history.head) as string, history);
    const known = before.history.head;
    if (history.head !== known + 1 || history.hashAt(known) !== before.history.hashAt(known))
      this.fail(`P6: revision ${history.head} does not follow ${known}`);
    if (term !== fence || term !== row.term) this.fail(`P6: revision ${history.head} of a term that another followed`);
  }

  /** At a database that another took the place of. */
  committedAside({ history }: State): void {
    this.#byHash.set(history.hashAt(history.head) as string, history);
  }

  /** What was committed last is lost. */
  lost(truth: History): void {
    this.#truth = truth;
    this.#top = undefined;
    for (const one of this.receipts) if (this.isThere(one)) this.#raise(one);
  }

  isThere({ revision, hash }: Head): boolean {
    return this.#truth.hashAt(revision) === hash;
  }

  /** Of what is lost it says nothing. */
  receipt(head: Head, gates: readonly Gate[]): void {
    if (!this.isThere(head)) return;
    const given = { ...head, at: this.#now() };
    this.receipts.push(given);
    this.#raise(given);
    for (const gate of gates) this.gate(gate);
  }

  #raise(given: Given): void {
    if (given.revision > (this.#top?.revision ?? 0)) this.#top = given;
  }

  /** Whoever may decide has all that was receipted. One that stands still may go on at any moment. */
  gate({ name, alive, lease, replica }: Gate): void {
    const top = this.#top;
    if (!top || !alive || !lease.holds() || !replica.complete) return;
    if (this.#byHash.get(replica.hash)?.hashAt(top.revision) === top.hash) return;
    this.fail(`P7: ${name} decides by revision ${replica.revision} after the receipt of ${top.revision}`);
  }

  /** At the end: a reading that became readable, or was acknowledged, after the receipt of what forbids it. */
  rows(rows: readonly Row[]): void {
    const receipts = this.receipts.filter((one) => this.isThere(one));
    for (const { revision, hash, proven, readableAt = 0, acknowledgedAt = 0 } of rows) {
      const shown = proven ? Math.max(readableAt, acknowledgedAt) : acknowledgedAt;
      const common = this.#common(revision, hash);
      const broken = receipts.find(
        (one) => one.at < shown && one.revision > common && this.#truth.forbidsFrom(common + 1, one.revision),
      );
      if (broken) this.fail(`P7: a row of revision ${revision} is shown after the receipt of ${broken.revision}`);
    }
  }

  /** The last revision of what is there that this one goes back to. */
  #common(revision: number, hash: string): number {
    const history = this.#byHash.get(hash) as History;
    let common = revision;
    while (history.hashAt(common) !== this.#truth.hashAt(common)) common--;
    return common;
  }

  fail(what: string): void {
    if (this.found.length < foundMax) this.found.push(`${what}, at ${Math.round(this.#now())} ms`);
  }
}
