/**
 * From admitted to durable: a queue, and one commit in flight. Pure: no timer and no disk of its own.
 * Rules of the cut that live here, each one method: 7 (what is queued is judged again when a change is applied), 8 (a change is
 * reported only after the commit that was in flight), 9 (a batch counts only if the lease was looked at after its commit).
 */
import type { ReasonCode } from '@portcullis/contract';

/** A request that was admitted and waits for its commit. */
export interface Entry<Request> {
  request: Request;
  readings: number;
  bytes: number;
  /** Judges it again as things stand now; undefined: still admitted. Notes the revision that it was judged at. */
  judgeAgain(): Refusal | undefined;
  /** Called once. */
  answer(result: Recorded): void;
}

export interface Refusal {
  reason: ReasonCode;
}
export type Outcome = { stored: number; repeated: number } | { reused: number };
export type Recorded = { outcome: Outcome } | { refused: Refusal };

export interface Looked {
  looked: number;
  quarantine: number[];
}

export interface Batch<Request> extends Looked {
  batch: number;
  requests: Request[];
}

export interface RecordingParts<Request> {
  /** Writes durably; calls back once, with the outcome of each request or with what went wrong. */
  write(batch: Batch<Request>, done: (error: unknown, outcomes?: Outcome[]) => void): void;
  mark(looked: Looked, done: (error: unknown) => void): void;
  /** The lease, looked at now. */
  holds(): boolean;
  /** Something wants to be marked within a second, even if nothing is written meanwhile. */
  markSoon(): void;
  onOverrun(batch: number, readings: number): void;
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
  #looked: number;
  #marked: number;
  #quarantine: number[] = [];
  #barriers: (() => void)[] = [];
  #stopping = false;

  constructor(parts: RecordingParts<Request>) {
    this.#parts = parts;
    this.#batch = this.#looked = this.#marked = parts.lastBatch;
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
    if (!this.#busy) this.#startCommit();
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
    else {
      this.#barriers.push(callback);
      if (!this.#busy) this.#startMark();
    }
  }

  /** Records what was looked at and not recorded yet, unless a write does it. */
  markNow(): void {
    if (!this.#busy && this.#marked < this.#looked) this.#startMark();
  }

  /** Takes nothing more; resolves when what was queued has its answer and everything is on record. */
  async stop(): Promise<void> {
    this.#stopping = true;
    while (this.#busy || this.#queue.length > 0 || this.#marked < this.#looked) {
      await new Promise<void>((resolve) => this.afterCommitInFlight(resolve));
    }
  }

  /** Rule 9. */
  protected leaseStillHeld(): boolean {
    return this.#parts.holds();
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

  #startCommit(): void {
    const group = this.#takeGroup();
    if (group.length === 0) return;
    if (!this.#parts.holds()) {
      for (const entry of group) this.#leave(entry, { refused: { reason: 'replica_stale' } });
      return this.#startCommit();
    }
    this.#busy = true;
    const batch = ++this.#batch;
    const looked = { looked: this.#looked, quarantine: this.#quarantine };
    const requests = group.map(({ request }) => request);
    this.#parts.write({ ...looked, batch, requests }, (error, outcomes) => {
      if (outcomes) this.#recorded(looked);
      this.#committed(batch, group, error, outcomes);
    });
  }

  #committed(batch: number, group: Entry<Request>[], error: unknown, outcomes: Outcome[] | undefined): void {
    const held = this.leaseStillHeld();
    // A write that failed may be on disk all the same, acknowledged to nobody: it must never become readable.
    if (error !== undefined || !held) this.#quarantine = [...this.#quarantine, batch];
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
    const looked = { looked: this.#looked, quarantine: this.#quarantine };
    this.#parts.mark(looked, (error) => {
      if (error === undefined) this.#recorded(looked);
      this.#ended(error !== undefined);
    });
  }

  #recorded({ looked, quarantine }: Looked): void {
    this.#marked = looked;
    this.#quarantine = this.#quarantine.filter((batch) => !quarantine.includes(batch));
  }

  /** What waited for this moment is told, once the look is on record; then the next group begins. */
  #ended(failed = false): void {
    this.#busy = false;
    const due = this.#marked < this.#looked;
    if (due && failed) this.#parts.markSoon();
    else if (due && this.#barriers.length > 0) return this.#startMark();
    if (!due) for (const told of this.#barriers.splice(0)) told();
    if (this.#busy) return;
    if (this.#queue.length > 0) this.#startCommit();
    else if (this.#marked < this.#looked) this.#parts.markSoon();
  }
}

function sum(group: readonly { readings: number }[]): number {
  return group.reduce((total, { readings }) => total + readings, 0);
}
