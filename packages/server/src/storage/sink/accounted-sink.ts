import type { VerdictView } from '@portcullis/contract';
import type { MissingQuery, RefusalQuery, RefusedReading, RefusedReadingQuery, Sink, SinkRequest } from './promises.ts';
import type { SqliteSink } from './sink-sqlite.ts';

/** The account forgets rows this many batches at a time. */
const forgetBatches = 64;

/**
 * What sinks have in common whose readings lie where other gates' lie too: the gate's account of its senders is its own alone, on its disk;
 * writes and looks follow each other; and nothing is closed under what was asked before.
 */
export abstract class AccountedSink {
  protected readonly account: SqliteSink;
  #forgotten = 0;
  /** Writes and looks, one after the other. */
  #tail: Promise<unknown> = Promise.resolve();
  readonly #asked = new Set<Promise<unknown>>();
  #closed = false;

  constructor(account: SqliteSink) {
    this.account = account;
  }

  /** Of the place that is shared; nothing is asked of it any more. */
  protected abstract closeShared(): Promise<unknown>;

  untold(asked: Parameters<Sink['untold']>[0]) {
    return this.account.untold(asked);
  }

  told(told: Parameters<Sink['told']>[0]) {
    return this.account.told(told);
  }

  keepRefusals(refusals: VerdictView[]) {
    return this.account.keepRefusals(refusals);
  }

  refusals(query: RefusalQuery) {
    return this.account.refusals(query);
  }

  keepRefused(refused: RefusedReading[]) {
    return this.account.keepRefused(refused);
  }

  refused(query: RefusedReadingQuery) {
    return this.account.refused(query);
  }

  missing(query: MissingQuery) {
    return this.account.missing(query);
  }

  oldestMissing(before: number, limit: number) {
    return this.account.oldestMissing(before, limit);
  }

  async [Symbol.asyncDispose]() {
    this.#closed = true;
    await Promise.allSettled(this.#asked);
    await this.closeShared();
    await this.account[Symbol.asyncDispose]();
  }

  protected inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.ask(() => {
      const next = this.#tail.then(work);
      this.#tail = next.catch(() => undefined);
      return next;
    });
  }

  protected ask<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new Error('the sink is closed'));
    const asked = work();
    this.#asked.add(asked);
    const ended = () => this.#asked.delete(asked);
    asked.then(ended, ended);
    return asked;
  }

  protected async forget(proven: number): Promise<void> {
    if (proven < this.#forgotten + forgetBatches) return;
    this.#forgotten = proven;
    await this.account.forget(proven);
  }
}

/** What crossed a queue column by column is one reading a place. */
export function requireWhole(requests: readonly SinkRequest[]): void {
  for (const { ids, data } of requests) {
    if (data.length === ids.length && data.every((text) => typeof text === 'string')) continue;
    throw new TypeError('a request has an id without data, or data that are no text');
  }
}
