const lookEveryMs = 5_000;

/**
 * Asks again and again whether somebody is alive, and says so when no answer came for too long. Looks are counted, not time: on a
 * machine that was paused, or that is too busy to let anybody look, the ones that did not happen count for nothing.
 */
export class Pulse {
  readonly #ask: () => void;
  readonly #lost: () => void;
  readonly #timer: NodeJS.Timeout;
  #missed = 0;
  #missedMax: number;

  constructor({ missedMax, ask, lost }: { missedMax: number; ask(): void; lost(): void }) {
    this.#missedMax = missedMax;
    this.#ask = ask;
    this.#lost = lost;
    this.#timer = setInterval(() => this.#look(), lookEveryMs).unref();
  }

  heard(): void {
    this.#missed = 0;
  }

  expect(missedMax: number): void {
    this.#missedMax = missedMax;
    this.heard();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    if (this.#missed++ < this.#missedMax) return this.#ask();
    this.stop();
    this.#lost();
  }
}
