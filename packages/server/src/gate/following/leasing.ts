import { type AppliedReport, LeaseAnswer, type LeaseRequest, PortcullisError } from '@portcullis/contract';
import { exchange, type Link, Spare, without } from '@portcullis/device';
import { z } from 'zod';
import type { Lease } from '../../replica/replica.ts';
import type { Log } from '../../telemetry/telemetry.ts';

interface Parts {
  authority: string;
  instance: string;
  lease: Lease;
  /** A connection of its own: never behind the feed (rule 1). */
  link(): Link;
  log: Log;
  /** The moment before a renewal is asked for. */
  beforeAsking(): void;
  /** What is told with it; undefined while there is no snapshot. */
  state(): Omit<LeaseRequest, 'instance'> | undefined;
  /** Which version of the trust bundle there is. */
  onBundle(version: number | undefined): void;
  /** There is a snapshot, and the authority goes on from it. */
  follows(): boolean;
}

type Report = Omit<AppliedReport, 'instance'>;

const firstTryMs = 20;
/** The first try after one that failed comes so soon; the wait doubles with each, up to a quarter of the lease. */
const retryMs = 250;
const answerMsMax = 5_000;
const reportMs = 5_000;
const releaseMs = 1_000;

/** Renews the lease each quarter of it, and reports what was applied, coalesced, over connections of the same link. */
export class Leasing {
  readonly #parts: Parts;
  #timer: NodeJS.Timeout | undefined;
  #everyMs = firstTryMs;
  /** One after the other without an answer. */
  #failures = 0;
  /** How long an answer is waited for. Without a grant it doubles, or a link slower than this would never get a lease. */
  #answerMs = 2 * retryMs;
  #renewing: Promise<void> = Promise.resolve();
  #stopped = false;
  #reporting = false;
  #reported: Report | undefined;
  #said = '';
  #bundleDue: number | undefined;
  /** What an authority of version 0.1.0 does not know: figures for people, and what it finds out otherwise. */
  readonly #spare = new Spare(
    'pruneWaits',
    'clockAheadMs',
    'refusedMost',
    'missing',
    'twoPlaces',
    'advised',
    'hash',
    'mqtt',
    'bundle',
    'workers',
  );

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#renewing = this.#renew();
  }

  /** The version of the trust bundle that devices should have by now. */
  get bundleDue(): number | undefined {
    return this.#bundleDue;
  }

  async #renew(): Promise<void> {
    this.#parts.beforeAsking();
    const state = this.#parts.state();
    if (state) await this.#ask(state);
    if (!this.#stopped) this.#timer = setTimeout(() => this.start(), this.#waitMs);
  }

  /** A link that broke once is there again at once, mostly: a quarter of the lease is not to go by for it. */
  get #waitMs(): number {
    if (this.#failures === 0) return this.#everyMs;
    return Math.min(Math.max(this.#everyMs, retryMs), retryMs * 2 ** Math.min(this.#failures - 1, 10));
  }

  async #ask(state: Omit<LeaseRequest, 'instance'>): Promise<void> {
    const { authority, instance, lease, link } = this.#parts;
    const sent = lease.sending();
    // An answer that takes longer than two quarters is not waited for: the next try may still be in time.
    const limitMs = Math.max(2 * this.#everyMs, this.#answerMs);
    try {
      const answer = await this.#spare.ask((lacking) => {
        const { mqtt, bundle, ...told } = state;
        const more = without({ ...(mqtt && { mqtt }), ...(bundle && { bundle }) }, lacking);
        const body = { ...told, ...more, counters: without(state.counters, lacking), instance };
        return exchange(link(), `${authority}/v1/leases`, body, LeaseAnswer, limitMs);
      });
      this.#answered(sent, answer);
    } catch (error) {
      this.#failed(error as Error);
    }
  }

  #answered(sent: ReturnType<Lease['sending']>, answer: z.infer<typeof LeaseAnswer>): void {
    this.#said = '';
    this.#failures = 0;
    if (!answer.granted) {
      this.#everyMs = Math.max(firstTryMs, answer.retryAfterMs);
      return;
    }
    this.#parts.onBundle(answer.bundle);
    this.#bundleDue = answer.bundleDue;
    this.#everyMs = answer.leaseMs / 4;
    this.#answerMs = 2 * retryMs;
    // Meanwhile the history may have turned out to be another one.
    if (!this.#stopped && this.#parts.follows()) this.#parts.lease.granted(sent, answer.leaseMs);
  }

  #failed(error: Error): void {
    // Whoever answers next may be of another version.
    this.#spare.forget();
    this.#failures++;
    const code = error instanceof PortcullisError ? error.code : 'internal';
    if (code === 'server_unreachable') this.#answerMs = Math.min(2 * this.#answerMs, answerMsMax);
    if (error.message === this.#said || this.#stopped) return;
    this.#said = error.message;
    this.#parts.log.warn({ code }, `the lease was not renewed: ${error.message}`);
  }

  /** Tells that a revision is applied. Only the newest matters: one is under way, the latest of the others follows. */
  report(report: Report): void {
    this.#reported = report;
    if (!this.#reporting) void this.#sendReports();
  }

  async #sendReports(): Promise<void> {
    this.#reporting = true;
    while (this.#reported && !this.#stopped) {
      const report = this.#reported;
      this.#reported = undefined;
      await this.#tell('/v1/reports', report, reportMs);
    }
    this.#reporting = false;
  }

  /** What is lost here is told by the next renewal, or by the lease running out. */
  async #tell(path: string, body: object, limitMs: number): Promise<void> {
    const { authority, instance, link } = this.#parts;
    const told = this.#spare.ask((lacking) =>
      exchange(link(), `${authority}${path}`, { instance, ...without(body, lacking) }, z.unknown(), limitMs),
    );
    await told.catch(() => undefined);
  }

  /** This instance decides nothing any more: receipts need not wait for it. No renewal may follow the release. */
  async release(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#parts.lease.end();
    await this.#renewing;
    await this.#tell('/v1/leases/release', {}, releaseMs);
  }
}
