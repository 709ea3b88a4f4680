/** Bounds in seconds: about three a decade, from what a cut takes where all goes well to what leases that lapse take. */
export const durationBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const;

/** How long something took each time: counts alone, so that they cost the same after a year. */
export class Durations {
  readonly #counts = new Array<number>(durationBounds.length + 1).fill(0);
  #seconds = 0;
  #count = 0;

  took(milliseconds: number): void {
    const seconds = Math.max(0, milliseconds / 1_000);
    const first = durationBounds.findIndex((bound) => seconds <= bound);
    const index = first === -1 ? durationBounds.length : first;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#seconds += seconds;
    this.#count++;
  }

  get seconds(): number {
    return this.#seconds;
  }

  get count(): number {
    return this.#count;
  }

  /** Each bound with how many took no longer. */
  upTo(): [bound: number, count: number][] {
    let sum = 0;
    return durationBounds.map((bound, index) => {
      sum += this.#counts[index] ?? 0;
      return [bound, sum];
    });
  }
}
