import { performance } from 'node:perf_hooks';

/** As long as this the loop is looked at before it is called busy or not. */
const windowMs = 10;
const busyShare = 0.9;

/** Whether this process has more to do than it comes to. */
export class BusyLoop {
  readonly #monotonic: () => number;
  #seen = performance.eventLoopUtilization();
  #seenAt: number;
  #isBusy = false;

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
    this.#seenAt = monotonic();
  }

  get isBusy(): boolean {
    const now = this.#monotonic();
    if (now - this.#seenAt < windowMs) return this.#isBusy;
    const seen = performance.eventLoopUtilization();
    this.#isBusy = performance.eventLoopUtilization(seen, this.#seen).utilization > busyShare;
    [this.#seen, this.#seenAt] = [seen, now];
    return this.#isBusy;
  }
}
