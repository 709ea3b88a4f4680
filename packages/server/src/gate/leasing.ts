import { LeaseAnswer, type LeaseRequest, PortcullisError } from '@portcullis/contract';
import { exchange, type Link } from '@portcullis/device';
import { z } from 'zod';
import type { Lease } from '../replica/replica.ts';
import type { Log } from '../telemetry/telemetry.ts';

interface Parts {
  authority: string;
  instance: string;
  lease: Lease;
  /** A connection of its own: never behind the feed (rule 1). */
  link(): Link;
  log: Log;
  /** What is told with each renewal; undefined while there is no snapshot. */
  state(): Omit<LeaseRequest, 'instance'> | undefined;
}

const firstTryMs = 20;
const requestMs = 5_000;

/** Renews the lease each quarter of it, and reports what was applied, coalesced, on the same connection's sibling. */
export class Leasing {
  readonly #parts: Parts;
  #timer: NodeJS.Timeout | undefined;
  #everyMs = firstTryMs;
  #stopped = false;
  #reporting = false;
  #reported: { applied: number; connectionsClosed: number } | undefined;
  #said = '';

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    void this.#renew();
  }

  async #renew(): Promise<void> {
    const { lease, instance } = this.#parts;
    const state = this.#parts.state();
    if (state) {
      const sent = lease.sending();
      await this.#ask({ ...state, instance }).then(
        (answer) => {
          if (answer.granted) lease.granted(sent, answer.leaseMs);
          this.#everyMs = answer.granted ? answer.leaseMs / 4 : Math.max(firstTryMs, answer.retryAfterMs);
          this.#said = '';
        },
        (error: Error) => this.#failed(error),
      );
    }
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#renew(), this.#everyMs);
  }

  #ask(request: LeaseRequest): Promise<z.infer<typeof LeaseAnswer>> {
    return exchange(this.#parts.link(), `${this.#parts.authority}/v1/leases`, request, LeaseAnswer, requestMs);
  }

  #failed(error: Error): void {
    this.#everyMs = Math.max(this.#everyMs, 250);
    if (error.message === this.#said || this.#stopped) return;
    this.#said = error.message;
    const code = error instanceof PortcullisError ? error.code : 'internal';
    this.#parts.log.warn({ code }, `the lease was not renewed: ${error.message}`);
  }

  /** Tells that a revision is applied. Only the newest matters: one is under way, the latest of the others follows. */
  report(applied: number, connectionsClosed: number): void {
    this.#reported = { applied, connectionsClosed };
    if (!this.#reporting) void this.#sendReports();
  }

  async #sendReports(): Promise<void> {
    const { authority, instance } = this.#parts;
    this.#reporting = true;
    while (this.#reported && !this.#stopped) {
      const body = { instance, ...this.#reported };
      this.#reported = undefined;
      // A report that is lost is told again by the next renewal.
      await exchange(this.#parts.link(), `${authority}/v1/reports`, body, z.unknown(), requestMs).catch(
        () => undefined,
      );
    }
    this.#reporting = false;
  }

  /** This instance decides nothing any more: receipts need not wait for it. */
  async release(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const { authority, instance, lease } = this.#parts;
    lease.end();
    await exchange(this.#parts.link(), `${authority}/v1/leases/release`, { instance }, z.unknown(), 1_000).catch(
      () => undefined,
    );
  }
}
