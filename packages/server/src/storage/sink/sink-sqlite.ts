import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { PortcullisError, type VerdictView } from '@portcullis/contract';
import { startThread } from '../../telemetry/telemetry.ts';
import { holdLock, type Lock } from '../lock.ts';
import type {
  Looked,
  MissingQuery,
  ReadingQuery,
  RefusalQuery,
  RefusedReading,
  RefusedReadingQuery,
  Sink,
  SinkOutcome,
  SinkWrite,
  UnsettledBatch,
} from './promises.ts';
import type { AgeTurn } from './sink-database.ts';
import type { Answer, Call } from './sink-worker.ts';

/**
 * `onBroken` is told when its thread has ended by itself: this process stores nothing more, only another one can.
 * @throws {PortcullisError} `store_locked`, `store_damaged`, `store_version`
 */
export async function openSqliteSink(
  directory: string,
  onBroken: (error: Error) => void = () => undefined,
  file = 'readings.db',
): Promise<SqliteSink> {
  const lock = holdLock(join(directory, 'gate.lock'));
  const thread = new SinkThread(join(directory, file), onBroken);
  try {
    return new SqliteSink(lock, thread, (await thread.call('lastBatch')) as number);
  } catch (error) {
    await thread.close();
    lock.release();
    throw error;
  }
}

interface Caller {
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** Calls into the worker and their answers, by number. */
class SinkThread {
  readonly #worker: Worker;
  readonly #callers = new Map<number, Caller>();
  #last = 0;
  #ended: Error | undefined;
  readonly #onBroken: (error: Error) => void;

  constructor(file: string, onBroken: (error: Error) => void) {
    this.#onBroken = onBroken;
    this.#worker = startThread(import.meta.url, 'sink-worker', { file });
    this.#worker.on('message', (answer: Answer) => this.#answered(answer));
    this.#worker.on('error', (error) => this.#end(error));
    this.#worker.on('exit', () => this.#end(new Error('the thread of the sink has ended')));
  }

  call(method: Call['method'], ...parameters: unknown[]): Promise<unknown> {
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const number = ++this.#last;
      this.#callers.set(number, { resolve, reject });
      this.#worker.postMessage({ number, method, parameters } satisfies Call);
    });
  }

  /** A thread that can not close its file any more leaves it as a kill would: whole, with its write-ahead log beside it. */
  async close(): Promise<void> {
    const closed = this.call('close').catch(() => undefined);
    this.#ended ??= new Error('the sink is closed');
    await closed;
    await this.#worker.terminate();
  }

  #answered(answer: Answer): void {
    const caller = this.#callers.get(answer.number);
    this.#callers.delete(answer.number);
    if ('result' in answer) caller?.resolve(answer.result);
    else caller?.reject(new PortcullisError(answer.code as 'disk_full', answer.message));
  }

  #end(error: Error): void {
    if (this.#ended === undefined) this.#onBroken(error);
    this.#ended ??= error;
    for (const { reject } of this.#callers.values()) reject(this.#ended);
    this.#callers.clear();
  }
}

export class SqliteSink implements Sink {
  readonly lastBatch: number;
  readonly #lock: Lock;
  readonly #thread: SinkThread;

  constructor(lock: Lock, thread: SinkThread, lastBatch: number) {
    this.#lock = lock;
    this.#thread = thread;
    this.lastBatch = lastBatch;
  }

  write(write: SinkWrite) {
    return this.#thread.call('write', write) as Promise<SinkOutcome[]>;
  }

  async mark(looked: Looked) {
    await this.#thread.call('mark', looked);
  }

  unsettled() {
    return this.#thread.call('unsettled') as Promise<UnsettledBatch[]>;
  }

  async settle(batch: number, proof: 'proven' | 'unproven') {
    await this.#thread.call('settle', batch, proof);
  }

  unprovenCount() {
    return this.#thread.call('unprovenCount') as Promise<number>;
  }

  read(query: ReadingQuery) {
    return this.#thread.call('read', query) as ReturnType<Sink['read']>;
  }

  untold(asked: Parameters<Sink['untold']>[0]) {
    return this.#thread.call('untold', asked) as ReturnType<Sink['untold']>;
  }

  async told(told: Parameters<Sink['told']>[0]) {
    await this.#thread.call('told', told);
  }

  async keepRefusals(refusals: VerdictView[]) {
    await this.#thread.call('keepRefusals', refusals);
  }

  refusals(query: RefusalQuery) {
    return this.#thread.call('refusals', query) as ReturnType<Sink['refusals']>;
  }

  async keepRefused(refused: RefusedReading[]) {
    await this.#thread.call('keepRefused', refused);
  }

  refused(query: RefusedReadingQuery) {
    return this.#thread.call('refused', query) as ReturnType<Sink['refused']>;
  }

  missing(query: MissingQuery) {
    return this.#thread.call('missing', query) as ReturnType<Sink['missing']>;
  }

  oldestMissing(before: number, limit: number) {
    return this.#thread.call('oldestMissing', before, limit) as ReturnType<Sink['oldestMissing']>;
  }

  /** In turns, as pruning. */
  async age(before: number) {
    const total = { older: 0, present: 0 };
    for (let after: number | null = 0; after !== null; ) {
      const turn = (await this.#thread.call('age', before, after)) as AgeTurn;
      total.older += turn.older;
      total.present += turn.present;
      after = turn.next;
    }
    return total;
  }

  /** In turns, each a call of its own: writes come between them. */
  async prune(before: number) {
    let total = 0;
    for (;;) {
      const { removed, more } = (await this.#thread.call('prune', before)) as { removed: number; more: boolean };
      total += removed;
      if (!more) return total;
    }
  }

  /** Rows of readings up to this batch are elsewhere: what was found in them stays. */
  async forget(batch: number) {
    await this.#thread.call('forget', batch);
  }

  async [Symbol.asyncDispose]() {
    await this.#thread.close();
    this.#lock.release();
  }
}
