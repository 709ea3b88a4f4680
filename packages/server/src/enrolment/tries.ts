import { failures, PortcullisError } from '@portcullis/contract';
import { addressGroup, Buckets } from '../bounds/bounds.ts';

const burst = 20;
const everyMs = 500;

/**
 * How often something may fail for each address before it is told to wait. What would succeed is never refused: who shares an address
 * with somebody who fails is not held up. A try costs hardly more than its refusal (one row by its key, at most one signature), so
 * this bounds no load: the connections of an address do.
 */
export class Tries {
  readonly #failures: Buckets;

  constructor(monotonic: () => number) {
    this.#failures = new Buckets({ burst, everyMs, monotonic });
  }

  /** What is told of it: the failure itself, or in its place that there were too many. */
  failed(address: string, cause: unknown): unknown {
    if (!(cause instanceof PortcullisError) || failures[cause.code].status >= 500) return cause;
    if (this.#failures.take(addressGroup(address))) return cause;
    return new PortcullisError('rate_limited', `too many failed tries from ${address}; wait a few seconds`, {
      ...{ cause, detail: { retryAfterSeconds: 5 } },
    });
  }
}
