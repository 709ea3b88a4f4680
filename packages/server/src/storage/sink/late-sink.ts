import { PortcullisError } from '@portcullis/contract';
import { goOn, type Log } from '../../telemetry/telemetry.ts';
import { AccountedSink } from './accounted-sink.ts';
import { isAway, whyOf } from './away.ts';
import type { Looked, ReadingQuery, Sink, SinkOutcome, SinkWrite } from './promises.ts';
import type { SqliteSink } from './sink-sqlite.ts';

/** Above every number that a sink has: how its batches are numbered is not known before it is there. */
export const lateBase = 2 ** 40;

const pauses = { moreMs: 0, restMs: 1_000 };

interface Parts {
  account: SqliteSink;
  open(): Promise<Sink>;
  /** Why it could not be opened at the start. */
  error: unknown;
  /** Somebody stands before it who tells it first what an earlier process left, and names that. */
  isSpooled: boolean;
  log: Log;
}

/**
 * A sink that was away when the gate started. Until it is there what is asked of it fails at once, as with one that went away later; it is tried
 * again and again. What the gate numbers from its own base on gets the numbers that come next in the sink.
 */
export class LateSink extends AccountedSink implements Sink {
  readonly lastBatch = lateBase;
  readonly awaited: Promise<Sink>;
  readonly #log: Log;
  readonly #open: () => Promise<Sink>;
  readonly #isSpooled: boolean;
  readonly #there = Promise.withResolvers<Sink>();
  readonly #stop: () => Promise<void>;
  /** It was opened, and may have to be told something before it is used. */
  #opened: Sink | undefined;
  #inner: Sink | undefined;
  #isClosed = false;
  #why: string;

  constructor({ account, open, error, isSpooled, log }: Parts) {
    super(account);
    [this.#open, this.#isSpooled, this.#log, this.awaited] = [open, isSpooled, log, this.#there.promise];
    this.#why = whyOf(error);
    log.warn({ err: error }, `the sink can not be used at the start, and is tried until it can: ${this.#why}`);
    this.#stop = goOn(() => this.#try(), pauses.restMs, pauses);
  }

  get why(): string | undefined {
    return this.#inner ? undefined : this.#why;
  }

  async write(write: SinkWrite): Promise<SinkOutcome[]> {
    const sink = this.#sink();
    return sink.write({ ...write, ...inSink(sink, write), batch: numberIn(sink, write.batch) });
  }

  async mark(looked: Looked): Promise<void> {
    const sink = this.#sink();
    await sink.mark(inSink(sink, looked));
  }

  async unsettled() {
    const sink = this.#sink();
    const open = await sink.unsettled();
    return open.map((one) => ({ ...one, batch: ownNumber(sink, one.batch) }));
  }

  async settle(batch: number, proof: 'proven' | 'unproven'): Promise<void> {
    const sink = this.#sink();
    await sink.settle(numberIn(sink, batch), proof);
  }

  async unprovenCount() {
    return this.#sink().unprovenCount();
  }

  async read(query: ReadingQuery) {
    return this.#sink().read(query);
  }

  async age(before: number) {
    return this.#sink().age(before);
  }

  async prune(before: number) {
    return this.#sink().prune(before);
  }

  /** What is being opened then is not waited for, and closed when it comes. */
  protected async closeShared() {
    this.#isClosed = true;
    void this.#stop();
    await this.#opened?.[Symbol.asyncDispose]();
  }

  #sink(): Sink {
    if (this.#inner) return this.#inner;
    throw new PortcullisError('store_unavailable', `the sink was away at the start and is not there yet: ${this.#why}`);
  }

  async #try(): Promise<boolean> {
    const sink = await this.#take().catch((error: unknown) => this.#failed(error));
    if (!sink) return false;
    this.#inner = sink;
    void this.#stop();
    this.#log.info('the sink is there');
    this.#there.resolve(sink);
    return false;
  }

  async #take(): Promise<Sink> {
    const sink = this.#opened ?? (await this.#open());
    if (this.#isClosed) await sink[Symbol.asyncDispose]();
    this.#opened = sink;
    const left = this.#isSpooled ? [] : await sink.unsettled();
    await nameUnproven(
      sink,
      left.map(({ batch }) => batch),
      this.#log,
    );
    return sink;
  }

  /** What keeps it away now may be another thing than at the start. */
  #failed(error: unknown): undefined {
    const why = whyOf(error);
    if (why !== this.#why && !this.#isClosed)
      this.#log[isAway(error) ? 'warn' : 'error']({ err: error }, `the sink can not be used yet: ${why}`);
    this.#why = why;
  }
}

/**
 * Of an earlier process: what it left there is readable from now on. While the sink was away receipts were given without a look at it, so none of
 * it is proven.
 */
export async function nameUnproven(sink: Sink, batches: readonly number[], log: Log): Promise<void> {
  if (batches.length === 0) return;
  await sink.mark({ looked: Math.max(...batches), quarantine: [], proven: 0, unproven: [] });
  for (const batch of batches) await sink.settle(batch, 'unproven');
  log.warn(
    { batches },
    'unproven: what an earlier process left in the sink, which was away at the start; its rows say so',
  );
}

/** Up to the base: of an earlier process. */
const numberIn = ({ lastBatch }: Sink, own: number) =>
  own > lateBase ? own - lateBase + lastBatch : Math.min(own, lastBatch);

const ownNumber = ({ lastBatch }: Sink, batch: number) => (batch > lastBatch ? batch - lastBatch + lateBase : batch);

const inSink = (sink: Sink, { looked, quarantine, proven, unproven }: Looked): Looked => ({
  ...{ looked: numberIn(sink, looked), proven: numberIn(sink, proven) },
  quarantine: quarantine.map((batch) => numberIn(sink, batch)),
  unproven: unproven.map((batch) => numberIn(sink, batch)),
});
