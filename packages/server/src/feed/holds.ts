/**
 * Which instances hold the bulk change that is prepared. It is committed when all that could decide do, so that none of them is behind by
 * a way that is long; who is slow is not waited for: it is sent the rest at the commit, and gets no lease until it has applied it.
 */
export class Holds {
  readonly #parts: HoldsParts;
  /** By instance: the draft that it holds. */
  readonly #held = new Map<string, string>();
  /** Instances whose feed takes parts, with how many connections they have. */
  readonly #taking = new Map<string, number>();
  readonly #waiting = new Set<() => void>();

  constructor(parts: HoldsParts) {
    this.#parts = parts;
  }

  /** A feed in parts has begun. Returns what to call at its end. */
  takes(name: string): () => void {
    this.#taking.set(name, (this.#taking.get(name) ?? 0) + 1);
    return () => {
      const left = (this.#taking.get(name) ?? 1) - 1;
      if (left > 0) this.#taking.set(name, left);
      else {
        this.#taking.delete(name);
        this.#held.delete(name);
      }
      this.look();
    };
  }

  holds(name: string, draft: string): void {
    if (!this.#taking.has(name)) return;
    this.#held.set(name, draft);
    this.look();
  }

  /** Somebody holds a draft, or a lease is over. */
  look(): void {
    for (const look of this.#waiting) look();
  }

  /** Resolves once each instance with a running lease that takes parts holds it, or its time is over. */
  async all(draft: string): Promise<void> {
    const done = Promise.withResolvers<void>();
    const look = () => {
      if (this.#missing(draft).length === 0) done.resolve();
    };
    const over = setTimeout(done.resolve, heldMsMax).unref();
    const leasesEnd = setInterval(look, this.#parts.leaseMs / 4).unref();
    this.#waiting.add(look);
    try {
      look();
      await done.promise;
    } finally {
      this.#waiting.delete(look);
      clearTimeout(over);
      clearInterval(leasesEnd);
    }
  }

  #missing(draft: string): string[] {
    return this.#parts.deciding().filter((name) => this.#taking.has(name) && this.#held.get(name) !== draft);
  }
}

interface HoldsParts {
  leaseMs: number;
  /** The instances whose lease runs. */
  deciding(): string[];
}

/** A gate that reads 2 MB/s holds 20 MB by then. */
const heldMsMax = 10_000;
