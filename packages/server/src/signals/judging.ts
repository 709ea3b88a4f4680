import type { Worker } from 'node:worker_threads';
import { PortcullisError } from '@portcullis/contract';
import { aTurn, startThread } from '../telemetry/telemetry.ts';
import type { AlertFacts, Judged } from './judge.ts';
import type { Asked, Told } from './judging-worker.ts';
import type { ReactionsBySource } from './promises.ts';

/** Over all alerts of a delivery: then its sender tries again. */
const judgingMsMax = 2_000;
/** Deliveries that are judged or wait for it. */
const deliveriesMax = 64;
/** Handing them over is work too. */
const alertsPerTurn = 200;

/** What follows from the alerts of a delivery, found out in a thread of its own, with a deadline. */
export class Judging {
  readonly #signals: ReactionsBySource;
  readonly #msMax: number;
  readonly #waiting = new Map<number, PromiseWithResolvers<Judged[]>>();
  #worker: Worker | undefined;
  #deliveries = 0;
  #last = 0;

  constructor(signals: ReactionsBySource, msMax = judgingMsMax) {
    this.#signals = signals;
    this.#msMax = msMax;
    if (Object.keys(signals).length > 0) this.#thread();
  }

  /** One for each alert, in their order. @throws {PortcullisError} `signals_busy` */
  async judge(source: string, alerts: readonly AlertFacts[]): Promise<Judged[]> {
    if (alerts.length === 0) return [];
    if (this.#deliveries >= deliveriesMax) throw busy(`${deliveriesMax} deliveries are being judged already`);
    this.#deliveries++;
    const late = Promise.withResolvers<never>();
    // It may come to it between two pieces.
    late.promise.catch(() => undefined);
    const words = `judging took longer than ${this.#msMax} ms; nothing was changed`;
    const timer = setTimeout(() => {
      late.reject(busy(words));
      this.#startAnew(words);
    }, this.#msMax);
    try {
      const judged: Judged[] = [];
      for (let from = 0; from < alerts.length; from += alertsPerTurn) {
        judged.push(
          ...(await Promise.race([this.#ask(source, alerts.slice(from, from + alertsPerTurn)), late.promise])),
        );
        await aTurn();
      }
      return judged;
    } finally {
      clearTimeout(timer);
      this.#deliveries--;
    }
  }

  async stop(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  #ask(source: string, alerts: AlertFacts[]): Promise<Judged[]> {
    const id = ++this.#last;
    const told = Promise.withResolvers<Judged[]>();
    this.#waiting.set(id, told);
    this.#thread().postMessage({ id, source, alerts } satisfies Asked);
    return told.promise;
  }

  #thread(): Worker {
    if (this.#worker) return this.#worker;
    const worker = startThread(import.meta.url, 'judging-worker', this.#signals);
    worker.unref();
    worker.on('message', ({ id, judged }: Told) => {
      this.#waiting.get(id)?.resolve(judged);
      this.#waiting.delete(id);
    });
    worker.on('error', (error) => this.#startAnew(`judging failed: ${error.message}`));
    this.#worker = worker;
    return worker;
  }

  /** What it is at is given up; whoever asks next has a new thread. */
  #startAnew(why: string): void {
    void this.#worker?.terminate();
    this.#worker = undefined;
    for (const told of this.#waiting.values()) told.reject(busy(why));
    this.#waiting.clear();
  }
}

const busy = (why: string) => new PortcullisError('signals_busy', why);
