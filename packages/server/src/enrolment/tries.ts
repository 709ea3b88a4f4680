import { PortcullisError } from '@portcullis/contract';

const burst = 20;
const perSecond = 2;
const addressesMax = 10_000;

/** A bucket of tries for each address. Memory is bounded: the address that asked longest ago is forgotten first. */
export class Tries {
  readonly #buckets = new Map<string, { left: number; at: number }>();
  readonly #monotonic: () => number;

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
  }

  /** Called for what failed: an honest fleet behind one address can enrol as fast as it likes. */
  failed(address: string): void {
    const bucket = this.#bucket(address);
    this.#buckets.delete(address);
    this.#buckets.set(address, { ...bucket, left: bucket.left - 1 });
    if (this.#buckets.size > addressesMax) this.#buckets.delete(this.#buckets.keys().next().value as string);
  }

  /** @throws {PortcullisError} `rate_limited` */
  require(address: string): void {
    if (this.#bucket(address).left >= 1) return;
    throw new PortcullisError('rate_limited', `too many failed tries from ${address}; wait a few seconds`, {
      detail: { retryAfterSeconds: 5 },
    });
  }

  #bucket(address: string): { left: number; at: number } {
    const now = this.#monotonic();
    const known = this.#buckets.get(address);
    if (!known) return { left: burst, at: now };
    return { left: Math.min(burst, known.left + ((now - known.at) / 1000) * perSecond), at: now };
  }
}
