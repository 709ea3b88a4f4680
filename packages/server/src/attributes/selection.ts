import { on } from 'node:events';
import { PortcullisError, type SelectionLine } from '@portcullis/contract';
import type { StorePlace } from '../storage/storage.ts';
import { startThread } from '../telemetry/telemetry.ts';
import { selectorOf } from './selecting.ts';
import type { Asked, Told } from './selection-worker.ts';

/** An expression that takes longer is given up. */
const selectionMsMax = 60_000;
/** So many are evaluated at once; each has a thread. */
const selectionsMax = 2;

interface Parts extends StorePlace {
  declared: readonly string[];
  merged(): Promise<void>;
}

/** Which subjects an expression is true of: evaluated beside the authority's own work, with a deadline. */
export class Selections {
  readonly #parts: Parts;
  readonly #msMax: number;
  #running = 0;

  constructor(parts: Parts, msMax = selectionMsMax) {
    this.#parts = parts;
    this.#msMax = msMax;
  }

  /** The lines of its answer. @throws {PortcullisError} `request_malformed`, `rate_limited` */
  async *select(where: string, stop: AbortSignal): AsyncGenerator<SelectionLine> {
    selectorOf(where);
    if (this.#running >= selectionsMax) {
      throw new PortcullisError('rate_limited', `${selectionsMax} selections are under way already; try again soon`, {
        detail: { retryAfterSeconds: 2 },
      });
    }
    this.#running++;
    try {
      for (let isOver = false; !isOver; ) {
        await this.#parts.merged();
        isOver = yield* this.#once(where, stop);
      }
    } finally {
      this.#running--;
    }
  }

  /** True: it was told to the end. */
  async *#once(where: string, stop: AbortSignal): AsyncGenerator<SelectionLine, boolean> {
    const { directory, postgres, declared } = this.#parts;
    const place = { directory, ...(postgres && { postgres }) };
    const late = AbortSignal.timeout(this.#msMax);
    const isLate = new Promise((resolve) => late.addEventListener('abort', resolve, { once: true }));
    const worker = startThread(import.meta.url, 'selection-worker', { place, where, declared } satisfies Asked);
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    let isTold = false;
    try {
      const ended = new AbortController();
      worker.once('error', (error) => ended.abort(error));
      const signal = AbortSignal.any([stop, late, ended.signal]);
      for await (const [told] of on(worker, 'message', { signal }) as AsyncIterable<[Told]>) {
        isTold = told.type !== 'subjects' && told.type !== 'progress';
        if (told.type === 'between') return false;
        yield told;
        if (isTold) return true;
      }
      return true;
    } catch (error) {
      if (stop.aborted || !late.aborted) throw (error as Error).cause ?? error;
      const detail = `the selection took longer than ${this.#msMax / 1_000} s; nothing was changed`;
      yield { type: 'failed', code: 'request_too_large', detail };
      return true;
    } finally {
      // Ended from outside only where it must be: what a thread does in native code at that moment (it closes its database) may take the
      // whole process along.
      if (isTold) await Promise.race([exited, isLate]);
      await worker.terminate();
    }
  }
}
