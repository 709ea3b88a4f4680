interface Terms {
  /** So many at once. */
  burst: number;
  /** And then one each so many milliseconds. */
  everyMs: number;
  monotonic(): number;
}

const keysMax = 10_000;

/** How often something may be done, for each key. Memory is bounded: the key that was used longest ago is forgotten first. */
export class Buckets {
  readonly #terms: Terms;
  readonly #buckets = new Map<string, { left: number; at: number }>();

  constructor(terms: Terms) {
    this.#terms = terms;
  }

  /** False: it was too often. */
  take(key: string): boolean {
    const left = this.#left(key);
    this.#set(key, left < 1 ? left : left - 1);
    return left >= 1;
  }

  /** What is known afterwards only, and may have been too much: as much again is owed at most. */
  spend(key: string, amount: number): void {
    this.#set(key, Math.max(-this.#terms.burst, this.#left(key) - amount));
  }

  giveBack(key: string, amount: number): void {
    if (this.#buckets.has(key)) this.#set(key, Math.min(this.#terms.burst, this.#left(key) + amount));
  }

  /** Whether it may be done now. */
  has(key: string): boolean {
    return this.#left(key) >= 1;
  }

  #set(key: string, left: number): void {
    this.#buckets.delete(key);
    this.#buckets.set(key, { left, at: this.#terms.monotonic() });
    if (this.#buckets.size > keysMax) this.#buckets.delete(this.#buckets.keys().next().value as string);
  }

  #left(key: string): number {
    const { burst, everyMs, monotonic } = this.#terms;
    const known = this.#buckets.get(key);
    return known ? Math.min(burst, known.left + (monotonic() - known.at) / everyMs) : burst;
  }
}
