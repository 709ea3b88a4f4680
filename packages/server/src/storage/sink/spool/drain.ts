import { goOn, type Log } from '../../../telemetry/telemetry.ts';
import { isAway, whyOf } from '../away.ts';
import type { Sink, SinkOutcome, SinkRequest } from '../promises.ts';
import { isDiskFull } from './disk.ts';
import type { BatchNumbers } from './numbers.ts';
import { known, refusedFrom, singly } from './requests.ts';
import type { Chunk, Spool } from './spool.ts';

interface Parts {
  sink: Sink;
  spool: Spool;
  numbers: BatchNumbers;
  /** Up to which record the gate has looked at its lease. */
  upTo(): number;
  log: Log;
}

const pauses = { moreMs: 0, restMs: 500 };

/**
 * From the spool to the sink, in order, one batch after the other. A crash after the write leaves a batch that the next start quarantines, and the records are
 * sent again; one after the progress leaves a batch that it names unproven. Every reading of it is readable as unproven, for good: its
 * receipts may have been given before.
 */
export class Drain {
  readonly #parts: Parts;
  readonly #stop: () => Promise<void>;
  /** Written, and given up: the sink is told with the next batch. */
  #doubts: number[] = [];
  /** In the sink, on record here, and not readable yet. */
  #done: { last: number; batch: number } | undefined;
  /** What is tried until the sink has it. */
  #chunk: Chunk | undefined;
  #failed: 'away' | 'refused' | undefined;
  #why = '';
  #stored = 0;
  #named = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#stop = goOn(() => this.#go(), 0, pauses);
  }

  get state(): 'empty' | 'draining' | 'away' | 'stuck' {
    if (this.#failed === 'refused') return 'stuck';
    if (this.#failed === 'away') return 'away';
    return this.#parts.spool.isEmpty ? 'empty' : 'draining';
  }

  /** Why it does not go on, where it does not. */
  get why(): string | null {
    return this.#failed === undefined ? null : this.#why;
  }

  /** How many batches it has named unproven. */
  get named(): number {
    return this.#named;
  }

  stop(): Promise<void> {
    return this.#stop();
  }

  async #go(): Promise<boolean> {
    const { spool, log } = this.#parts;
    try {
      const more = await this.#step();
      this.#failed = undefined;
      if (spool.isEmpty && this.#stored > 0) {
        log.info({ readings: this.#stored }, 'the spool is empty: what it held is in the sink, named unproven');
        this.#stored = 0;
      }
      return more;
    } catch (error) {
      await this.#fail(error);
      return false;
    }
  }

  async #fail(error: unknown): Promise<void> {
    const { spool, log } = this.#parts;
    const failed = isAway(error) ? 'away' : 'refused';
    if (failed !== this.#failed && failed === 'away')
      log.warn({ err: error, readings: spool.readings }, 'the spool waits for the sink');
    if (failed !== this.#failed && failed === 'refused')
      log.error(
        { err: error, readings: spool.readings },
        'what the spool holds does not get to the sink; it is tried again',
      );
    this.#failed = failed;
    this.#why = whyOf(error);
    if (isDiskFull(error)) await spool.releaseReserve();
  }

  /** Resolves to whether there may be more. */
  async #step(): Promise<boolean> {
    const { spool, numbers, upTo } = this.#parts;
    await spool.countDamaged();
    if (this.#done) await this.#finish(this.#done);
    this.#chunk ??= await spool.next(upTo());
    if (this.#chunk) await this.#drain(this.#chunk);
    else if (spool.isEmpty && numbers.isProvenDue) await this.#mark([]);
    return !spool.isEmpty;
  }

  async #drain(chunk: Chunk): Promise<void> {
    const { sink, spool, numbers, log } = this.#parts;
    if (chunk.requests.length === 0) {
      await sink.mark({ ...this.#toldIn(chunk), proven: 0 });
      this.#doubts = [];
      // Its number is no batch of the spool's that could be named.
      await this.#end({ last: chunk.last, batch: spool.progress.batch });
      return;
    }
    let requests = chunk.requests.map(known);
    let outcomes = await this.#write(requests, chunk);
    if (outcomes.some(isReused)) {
      // Nobody has looked at it: it is given up, and each reading comes by itself.
      this.#doubts.push(numbers.last);
      requests = requests.flatMap(singly);
      outcomes = await this.#write(requests, chunk);
    }
    const refused = requests.filter((_, index) => isReused(outcomes[index] as SinkOutcome));
    if (refused.length > 0) {
      await sink.keepRefused(refused.map(refusedFrom));
      log.warn(
        { readings: refused.length },
        'acknowledged readings whose id was given to others before are kept as refused ones',
      );
    }
    this.#stored += requests.reduce((total, { ids }) => total + ids.length, 0) - refused.length;
    this.#named++;
    await this.#end({ last: chunk.last, batch: numbers.last });
  }

  async #write(requests: SinkRequest[], chunk: Chunk): Promise<SinkOutcome[]> {
    const { sink, numbers } = this.#parts;
    const told = this.#toldIn(chunk);
    const batch = numbers.take();
    this.#doubts.push(batch);
    const outcomes = await sink.write({ ...told, batch, instance: chunk.instance, proven: 0, requests });
    this.#doubts = [];
    return outcomes;
  }

  #toldIn({ told }: Chunk) {
    const { numbers } = this.#parts;
    return {
      ...told,
      looked: Math.max(told.looked, numbers.looked),
      quarantine: [...told.quarantine, ...this.#doubts],
    };
  }

  async #end(done: { last: number; batch: number }): Promise<void> {
    await this.#parts.spool.drained(done.last, done.batch);
    this.#named += this.#chunk?.told.unproven.length ?? 0;
    [this.#done, this.#chunk] = [done, undefined];
    await this.#finish(done);
  }

  async #finish({ last, batch }: { last: number; batch: number }): Promise<void> {
    const { spool, numbers } = this.#parts;
    await this.#mark(batch > spool.progress.direct ? [batch] : []);
    await spool.forget(last);
    this.#done = undefined;
    numbers.drained(batch);
  }

  async #mark(unproven: number[]): Promise<void> {
    const { sink, numbers } = this.#parts;
    const proven = unproven.length > 0 ? 0 : numbers.provable;
    await sink.mark({ looked: Math.max(numbers.looked, ...unproven), quarantine: [], proven, unproven });
    numbers.provenTold(proven);
  }
}

const isReused = (outcome: SinkOutcome) => 'reused' in outcome;
