import type { Worker } from 'node:worker_threads';
import { type FailureCode, PortcullisError } from '@portcullis/contract';
import { startThread } from '../../telemetry/telemetry.ts';
import type { Delivery, SignalAlert, SignalFormat, SignalHeaders } from './delivery.ts';
import { readDelivery } from './read-delivery.ts';

/** What is longer is read beside the event loop: of this a machine that is four times slower takes some milliseconds. */
const hereBytesMax = 64 * 1024;

export interface Asked {
  id: number;
  format: SignalFormat;
  headers: SignalHeaders;
  raw: Uint8Array;
}

/** What the thread says: some alerts at a time, then the rest of the delivery; or why there is none. */
export type Told = { id: number } & (
  | { alerts: SignalAlert[] }
  | { ended: Omit<Delivery, 'alerts'> }
  | { code: FailureCode; message: string }
);

interface Waiting {
  alerts: SignalAlert[];
  resolve(delivery: Delivery): void;
  reject(error: unknown): void;
}

/** Reads deliveries, long ones in a thread that is started for the first of them. */
export class DeliveryReading {
  readonly #waiting = new Map<number, Waiting>();
  #thread: Worker | undefined;
  #asked = 0;

  /** @throws {PortcullisError} `request_malformed`, `request_too_large`; any other may heal */
  async read(format: SignalFormat, headers: SignalHeaders, raw: Buffer): Promise<Delivery> {
    if (raw.length <= hereBytesMax) return readDelivery(format, headers, raw);
    const thread = this.#started();
    const id = ++this.#asked;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { alerts: [], resolve, reject });
      thread.postMessage({ id, format, headers: { ...headers }, raw } satisfies Asked);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread?.terminate();
  }

  #started(): Worker {
    if (this.#thread) return this.#thread;
    const thread = startThread(import.meta.url, 'delivery-worker', {});
    thread.unref();
    thread.on('message', (told: Told) => this.#heard(told));
    thread.on('error', (cause) => this.#ended(thread, cause));
    thread.on('exit', () => this.#ended(thread, undefined));
    this.#thread = thread;
    return thread;
  }

  #heard(told: Told): void {
    const waiting = this.#waiting.get(told.id);
    if (!waiting) return;
    if ('alerts' in told) {
      waiting.alerts.push(...told.alerts);
      return;
    }
    this.#waiting.delete(told.id);
    if ('ended' in told) waiting.resolve({ ...told.ended, alerts: waiting.alerts });
    else waiting.reject(new PortcullisError(told.code, told.message));
  }

  /** Whatever ended it, the next long one starts another. */
  #ended(thread: Worker, cause: unknown): void {
    if (this.#thread === thread) this.#thread = undefined;
    for (const { reject } of this.#waiting.values())
      reject(new PortcullisError('internal', 'the thread that reads deliveries ended', { cause }));
    this.#waiting.clear();
  }
}
