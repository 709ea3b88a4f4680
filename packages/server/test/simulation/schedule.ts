/** A discrete event queue over simulated milliseconds, and chance that a seed repeats. */
export class Schedule {
  now = 0;
  readonly #events: { at: number; order: number; run: () => void }[] = [];
  #order = 0;
  #isStirred = false;
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed, 0x9e3779b1) >>> 0;
  }

  /** From 0 up to 1 (a 32-bit mixer over a counter). */
  chance(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  between(least: number, most: number): number {
    return least + this.chance() * (most - least);
  }

  at(time: number, run: () => void): void {
    const event = { at: Math.max(time, this.now), order: this.#order++, run };
    let low = 0;
    for (let high = this.#events.length; low < high; ) {
      const middle = (low + high) >>> 1;
      const other = this.#events[middle] as typeof event;
      if (other.at < event.at || (other.at === event.at && other.order < event.order)) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, event);
  }

  after(milliseconds: number, run: () => void): void {
    this.at(this.now + milliseconds, run);
  }

  /** What an event resolves goes on at once: to be called by who resolves, or begins, what is asynchronous. */
  stir(): void {
    this.#isStirred = true;
  }

  /** As `runUntil`, where the code under test is asynchronous: no turn of it takes time. */
  async runStirred(end: number): Promise<void> {
    for (let next = this.#events.shift(); next && next.at < end; next = this.#events.shift()) {
      this.now = next.at;
      next.run();
      if (!this.#isStirred) continue;
      this.#isStirred = false;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  runUntil(end: number): void {
    for (let next = this.#events.shift(); next && next.at < end; next = this.#events.shift()) {
      this.now = next.at;
      next.run();
    }
  }
}
