/**
 * From admitted to durable: a queue, and one commit in flight. Pure: no timer and no disk of its own.
 * Rules of the cut that live here, each one method: 7 (what is queued is judged again when a change is applied), 8 (a change is
 * reported only after the commit that was in flight), 9 (a batch counts only if the lease was looked at after its commit).
 * Rule 9 has a second half: a batch becomes readable when that look comes to be on record, which a process that stands still can
 * delay. So it is readable as unproven first, and proven by the record after, if the lease that it was looked at under still held.
 */
import type { ReasonCode } from '@portcullis/contract';

/** A request that was admitted and waits for its commit. */
export interface Entry<Request> {
  request: Request;
  readings: number;
  bytes: number;
  /** Judges it again as things stand now; undefined: still admitted. Notes the revision that it was judged at. */
  judgeAgain(): Refusal | undefined;
  /** Called right before it is written: what its request holds is as things stand then. */
  beforeCommit?(): void;
  /** Called once. */
  answer(result: Recorded): void;
}

export interface Refusal {
  reason: ReasonCode;
}
export type Outcome = { stored: number; repeated: number } | { reused: number };
export type Recorded = { outcome: Outcome } | { refused: Refusal };

export interface Looked {
  /** Every batch up to this one was looked at after its commit. */
  looked: number;
  quarantine: number[];
  /** Every batch up to this one, but those that are named unproven, became readable while its lease held. */
  proven: number;
  unproven: number[];
}

export interface Batch<Request> extends Looked {
  batch: number;
  requests: Request[];
}

export interface RecordingParts<Request> {
  /** Writes durably; calls back once, with the outcome of each request or with what went wrong. */
  write(batch: Batch<Request>, done: (error: unknown, outcomes?: Outcome[]) => void): void;
  mark(looked: Looked, done: (error: unknown) => void): void;
  /** Calls back once what came together is queued, and what comes soon. Not given: each that finds no commit in flight begins one. */
  gather?(callback: () => void): void;
  /** The lease, looked at now: which unbroken run of it holds; undefined when none does. */
  term(): number | undefined;
  /** Something wants to be marked within a second, even if nothing is written meanwhile. */
  markSoon(): void;
  onOverrun(batch: number, readings: number): void;
  onUnproven(batch: number): void;
  /** More is on record as proven. */
  onProven?(): void;
  lastBatch: number;
  bounds: { readingsMax: number; bytesMax: number };
}

/** The longest group: one commit holds up a cut for no longer than this many readings take. */
const groupReadingsMax = 20_000;

export class Recording<Request> {
  readonly #parts: RecordingParts<Request>;
  #queue: Entry<Request>[] = [];
  #readings = 0;
  #bytes = 0;
  #batch: number;
  #busy = false;
  /** A commit begins soon. */
  #gathering = false;
  #looked: number;
  #marked: number;
  #quarantine: number[] = [];
  #unproven: number[] = [];
  /** Up to which batch it is known, and up to which on record, that each is proven or named. */
  #proven: number;
  #provenMarked: number;
  /** Looked at and not on record yet, each with the term of the lease that it was looked at under. */
  #fresh: { batch: number; term: number }[] = [];
  #barriers: (() => void)[] = [];
  /** The last write failed, and it is not on record that it is given up: before that there is no other, or each would leave one more to give up. */
  #inDoubt = false;
  #stopping = false;
  /** It stops, and nothing can be put on record. */
  readonly #givenUp = Promise.withResolvers<'given up'>();

  constructor(parts: RecordingParts<Request>) {
    this.#parts = parts;
    this.#batch = this.#looked = this.#marked = this.#proven = this.#provenMarked = parts.lastBatch;
  }

  submit(entry: Entry<Request>): void {
    const { readingsMax, bytesMax } = this.#parts.bounds;
    if (this.#stopping) return entry.answer({ refused: { reason: 'gate_stopping' } });
    if (this.#readings + entry.readings > readingsMax || this.#bytes + entry.bytes > bytesMax) {
      return entry.answer({ refused: { reason: 'gate_overloaded' } });
    }
    this.#queue.push(entry);
    this.#readings += entry.readings;
    this.#bytes += entry.bytes;
    if (!this.#busy) this.#gather();
  }

  /** Rule 7. */
  changeApplied(): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const entry of queue) {
      const refused = entry.judgeAgain();
      if (refused) this.#leave(entry, { refused });
      else this.#queue.push(entry);
    }
  }

  /** Rule 8: called back when the commit in flight has ended, and it is on record that the lease was looked at after it. */
  afterCommitInFlight(callback: () => void): void {
    if (!this.#busy && this.#marked === this.#looked) callback();
    else this.#markAndTell(callback);
  }

  /** Records what was looked at and not recorded yet, unless a write does it. */
  markNow(): void {
    if (!this.#busy && this.#due) this.#startMark();
  }

  /** Takes nothing more; resolves when what was queued has its answer and every look is on record, or none can be: the next start settles it. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (!this.#busy) this.#startCommit();
    while (this.#busy || this.#queue.length > 0 || this.#marked < this.#looked) {
      const recorded = new Promise<void>((resolve) => this.afterCommitInFlight(resolve));
      if ((await Promise.race([recorded, this.#givenUp.promise])) === 'given up') return;
    }
    // What is readable and not proven yet is proven now, or settled at the next start.
    if (this.#due) await new Promise<void>((resolve) => this.#markAndTell(resolve));
  }

  /** Rule 9: the look. */
  protected leaseStillHeld(): number | undefined {
    return this.#parts.term();
  }

  /** Rule 9: the lease did not end between that look and now. */
  protected heldSince(term: number): boolean {
    return this.#parts.term() === term;
  }

  /** Readings that are queued, or in the commit that runs. */
  get waits(): number {
    return this.#readings;
  }

  /** Something is to be put on record. */
  get #due(): boolean {
    return this.#marked < this.#looked || this.#provenMarked < this.#proven;
  }

  #markAndTell(callback: () => void): void {
    this.#barriers.push(callback);
    if (!this.#busy) this.#startMark();
  }

  #leave(entry: Entry<Request>, result: Recorded): void {
    this.#readings -= entry.readings;
    this.#bytes -= entry.bytes;
    entry.answer(result);
  }

  #takeGroup(): Entry<Request>[] {
    let readings = 0;
    let count = 0;
    while (count < this.#queue.length && (count === 0 || readings < groupReadingsMax)) {
      readings += (this.#queue[count] as Entry<Request>).readings;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  #gather(): void {
    if (!this.#parts.gather || this.#stopping) return this.#startCommit();
    if (this.#gathering) return;
    this.#gathering = true;
    this.#parts.gather(() => {
      this.#gathering = false;
      if (!this.#busy) this.#startCommit();
    });
  }

  #startCommit(): void {
    if (this.#inDoubt && this.#queue.length > 0) return this.#startMark();
    const group = this.#takeGroup();
    if (group.length === 0) return;
    if (this.#parts.term() === undefined) {
      for (const entry of group) this.#leave(entry, { refused: { reason: 'replica_stale' } });
      return this.#startCommit();
    }
    this.#busy = true;
    const batch = ++this.#batch;
    const looked = this.#toRecord();
    for (const entry of group) entry.beforeCommit?.();
    const requests = group.map(({ request }) => request);
    this.#parts.write({ ...looked, batch, requests }, (error, outcomes) => {
      if (outcomes) this.#recorded(looked);
      this.#committed(batch, group, error, outcomes);
    });
  }

  #committed(batch: number, group: Entry<Request>[], error: unknown, outcomes: Outcome[] | undefined): void {
    const term = this.leaseStillHeld();
    const held = term !== undefined;
    this.#inDoubt = error !== undefined;
    // A write that failed may be on disk all the same, acknowledged to nobody: it must never become readable.
    if (error !== undefined || !held) this.#quarantine = [...this.#quarantine, batch];
    else this.#fresh.push({ batch, term });
    this.#looked = batch;
    if (error === undefined && !held) this.#parts.onOverrun(batch, sum(group));
    for (const [index, entry] of group.entries()) {
      const outcome = outcomes?.[index];
      if (error !== undefined || !outcome) this.#leave(entry, { refused: { reason: 'sink_unavailable' } });
      else this.#leave(entry, held ? { outcome } : { refused: { reason: 'overrun' } });
    }
    this.#ended();
  }

  #startMark(): void {
    this.#busy = true;
    const looked = this.#toRecord();
    this.#parts.mark(looked, (error) => {
      if (error === undefined) this.#recorded(looked);
      else this.#notRecorded();
      this.#ended(error !== undefined);
    });
  }

  /** What waits for it to be on record that the write before was given up is not kept waiting. */
  #notRecorded(): void {
    if (this.#inDoubt)
      for (const entry of this.#queue.splice(0)) this.#leave(entry, { refused: { reason: 'sink_unavailable' } });
    if (this.#stopping && this.#queue.length === 0) this.#givenUp.resolve('given up');
  }

  #toRecord(): Looked {
    const [looked, quarantine] = [this.#looked, this.#quarantine];
    return { looked, quarantine, proven: this.#proven, unproven: this.#unproven };
  }

  /** It is on disk: from now on readers see what was looked at, as unproven. What the lease covered until now is proven next. */
  #recorded({ looked, quarantine, proven, unproven }: Looked): void {
    const shown = this.#fresh.filter(({ batch }) => batch <= looked);
    const late = shown.filter(({ term }) => !this.heldSince(term)).map(({ batch }) => batch);
    for (const batch of late) this.#parts.onUnproven(batch);
    this.#fresh = this.#fresh.filter(({ batch }) => batch > looked);
    this.#quarantine = this.#quarantine.filter((batch) => !quarantine.includes(batch));
    this.#unproven = [...this.#unproven.filter((batch) => !unproven.includes(batch)), ...late];
    const moreProven = proven > this.#provenMarked;
    [this.#marked, this.#proven, this.#provenMarked] = [looked, looked, proven];
    this.#inDoubt = false;
    if (moreProven) this.#parts.onProven?.();
  }

  /** What waited for this moment is told, once the look is on record; then the next group begins. */
  #ended(failed = false): void {
    this.#busy = false;
    const looked = this.#marked === this.#looked;
    if (!looked && failed) this.#parts.markSoon();
    else if (!looked && this.#barriers.length > 0) return this.#startMark();
    if (looked) for (const told of this.#barriers.splice(0)) told();
    if (!this.#busy && this.#queue.length > 0) this.#gather();
    if (this.#busy) return;
    if (looked && this.#due && !failed && !this.#gathering) this.#startMark();
    else if (this.#due) this.#parts.markSoon();
  }
}

function sum(group: readonly { readings: number }[]): number {
  return group.reduce((total, { readings }) => total + readings, 0);
}
