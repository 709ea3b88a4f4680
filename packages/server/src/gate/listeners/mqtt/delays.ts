interface Parts {
  monotonic(): number;
}

const [firstMs, longestMs] = [1_000, 30_000];
/** Who was refused nothing for so long begins anew. */
const forgottenMs = 3 * longestMs;
const namesMax = 10_000;

/**
 * How long a refused certificate waits for its connection to be closed: longer each time, since its client comes back each second, for ever.
 * Memory is bounded: who was refused longest ago is forgotten first.
 */
export class Delays {
  readonly #monotonic: () => number;
  readonly #known = new Map<string, { times: number; at: number }>();

  constructor({ monotonic }: Parts) {
    this.#monotonic = monotonic;
  }

  /** `free`: so many times it need not wait. */
  next(name: string, free = 0): number {
    const at = this.#monotonic();
    const known = this.#known.get(name);
    const times = known && at - known.at < forgottenMs ? known.times + 1 : 1;
    this.#known.delete(name);
    this.#known.set(name, { times, at });
    if (this.#known.size > namesMax) this.#known.delete(this.#known.keys().next().value as string);
    return times <= free ? 0 : Math.min(longestMs, firstMs * 2 ** Math.min(times - free - 1, 10));
  }

  /** Something of its was stored. */
  reset(name: string): void {
    if (this.#known.size > 0) this.#known.delete(name);
  }
}
