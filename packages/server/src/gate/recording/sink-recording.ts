import type { PortcullisError } from '@portcullis/contract';
import type { Lease } from '../../replica/replica.ts';
import { type JudgedBy, type Sink, type SinkOutcome, type SinkRequest, whyOf } from '../../storage/sink.ts';
import type { Log } from '../../telemetry/telemetry.ts';
import { Recording } from './recording.ts';

interface Parts {
  sink: Sink;
  /** What is taken while the sink is away is kept on the gate's disk. */
  isSpooled: boolean;
  instance: string;
  /** What the gate has applied. */
  head(): JudgedBy;
  lease: Lease;
  bounds: { readingsMax: number; bytesMax: number };
  onProven?(): void;
  now(): number;
  monotonic(): number;
  log: Log;
}

/**
 * A commit costs as much as ten readings, however many are in it, so while one follows the other they begin no faster than this: what comes meanwhile
 * shares the next one. Whatever comes alone waits for nothing.
 */
const commitEveryMs = 2;

/** A look at the lease is on record within a second, whether or not anything is written meanwhile (rule 9). */
const markWithinMs = 500;

/** The recording of this gate: its commits go to the sink, its timer is here. */
export class SinkRecording extends Recording<SinkRequest> {
  readonly #sink: Pick<Sink, 'why'>;
  #overruns = 0;
  #unproven = 0;
  #markTimer: NodeJS.Timeout | undefined;
  /** When the last commit began. */
  #committedAt = Number.NEGATIVE_INFINITY;
  /** `isOfWrites`: that something else could be done there says nothing of a reading. */
  #failed: { since: number; why: string; isOfWrites: boolean } | undefined;
  /** Until the sink is there for the first time. */
  #absentSince: number | undefined;

  constructor({ sink, isSpooled, instance, head, lease, bounds, onProven, now, monotonic, log }: Parts) {
    super({
      write: (batch, done) => {
        const failed = (error: unknown) => {
          log.error({ err: error }, "couldn't store readings; nothing was acknowledged");
          const isOfWrites = isSpooled || (error as Partial<PortcullisError>).code !== 'store_unavailable';
          this.#failed = { since: this.#failed?.since ?? now(), why: whyOf(error), isOfWrites };
          done(error);
        };
        const stored = (outcomes: SinkOutcome[]) => {
          this.#failed = undefined;
          done(undefined, outcomes);
        };
        this.#committedAt = monotonic();
        sink.write({ ...batch, instance, head: head() }).then(stored, failed);
      },
      mark: (looked, done) => {
        const marked = () => {
          // It is there again, whether or not somebody has a reading for it.
          if (!this.#failed?.isOfWrites) this.#failed = undefined;
          done(undefined);
        };
        sink.mark(looked).then(marked, done);
      },
      // What the same turn of the loop still reads from other connections goes into the same commit.
      gather: (callback) => {
        const leftMs = this.#committedAt + commitEveryMs - monotonic();
        if (leftMs > 0) setTimeout(callback, Math.ceil(leftMs));
        else setImmediate(callback);
      },
      term: () => lease.term(),
      markSoon: () => this.#markSoon(),
      onOverrun: (batch, readings) => {
        this.#overruns++;
        log.warn({ batch, readings }, 'overrun: the lease ended while a batch was being stored; it is quarantined');
      },
      onUnproven: (batch) => {
        this.#unproven++;
        log.warn({ batch }, 'unproven: the lease ended before it was on record that it was looked at; its rows say so');
      },
      ...(onProven && { onProven }),
      lastBatch: sink.lastBatch,
      bounds,
    });
    this.#sink = sink;
    if (isSpooled || sink.awaited === undefined) return;
    this.#absentSince = now();
    void sink.awaited.then(() => {
      this.#absentSince = undefined;
    });
  }

  /** Batches whose lease was over when they were looked at. */
  get overruns(): number {
    return this.#overruns;
  }

  /** Batches whose rows were named so by this process. */
  get unproven(): number {
    return this.#unproven;
  }

  /** Since when, and why, nothing is stored: the sink was not there at the start, or a write failed and nothing was done there since. */
  get fails(): { since: number; why: string } | undefined {
    const failed = this.#failed;
    if (this.#absentSince === undefined) return failed;
    return { since: this.#absentSince, why: this.#sink.why ?? failed?.why ?? 'it is being opened' };
  }

  override async stop(): Promise<void> {
    await super.stop();
    clearTimeout(this.#markTimer);
  }

  #markSoon(): void {
    this.#markTimer ??= setTimeout(() => {
      this.#markTimer = undefined;
      this.markNow();
    }, markWithinMs).unref();
  }
}
