import type { LeaseRequest, Receipt, SubjectId } from '@portcullis/contract';

type AdvisedView = NonNullable<Receipt['advised']>[number];
type Counters = LeaseRequest['counters'];
interface Noted {
  at: number;
  counters: Counters;
  admittedPerSecond: number;
  refusedPerSecond: number;
}

const instancesMax = 1_000;
const zero: Counters = {
  ...{ connections: 0, admitted: 0, refused: 0, overruns: 0, unproven: 0 },
  ...{ policy: 0, policyRefused: false },
};

/** What each instance last told of itself, with rates from one renewal to the next. Who is silent for a lease has none. */
export class GateCounters {
  readonly #noted = new Map<string, Noted>();
  readonly #monotonic: () => number;
  readonly #leaseMs: number;

  constructor(monotonic: () => number, leaseMs: number) {
    this.#monotonic = monotonic;
    this.#leaseMs = leaseMs;
  }

  note(gate: string, { instance, counters }: LeaseRequest): void {
    const key = `${gate} ${instance}`;
    const before = this.#noted.get(key);
    const at = this.#monotonic();
    const seconds = before ? Math.max(0.001, (at - before.at) / 1000) : Number.POSITIVE_INFINITY;
    const rate = (name: 'admitted' | 'refused') =>
      Math.max(0, Math.round(((counters[name] - (before?.counters[name] ?? 0)) / seconds) * 10) / 10);
    this.#noted.delete(key);
    this.#noted.set(key, { at, counters, admittedPerSecond: rate('admitted'), refusedPerSecond: rate('refused') });
    if (this.#noted.size > instancesMax) this.#noted.delete(this.#noted.keys().next().value as string);
  }

  /** Who asked gates for their decisions, of those that were heard within a lease. */
  advised(): AdvisedView[] {
    const since = this.#monotonic() - this.#leaseMs;
    const views = new Map<string, AdvisedView>();
    for (const [key, { at, counters }] of this.#noted) {
      if (at < since) continue;
      const [gate = ''] = key.split(' ');
      for (const asker of counters.advised ?? []) views.set(`${gate} ${asker}`, { gate: gate as SubjectId, asker });
    }
    return [...views.values()];
  }

  of(gate: string, instance: string) {
    const noted = this.#noted.get(`${gate} ${instance}`);
    const {
      admitted: _admitted,
      refused: _refused,
      refusedMost: _most,
      missing: _missing,
      twoPlaces: _places,
      advised: _advised,
      pruneWaits = 0,
      clockAheadMs = 0,
      ...told
    } = noted?.counters ?? zero;
    const shown = { ...told, pruneWaits, clockAheadMs };
    if (!noted) return { ...shown, admittedPerSecond: 0, refusedPerSecond: 0, lastHeardMs: null };
    const lastHeardMs = Math.round(this.#monotonic() - noted.at);
    const lasts = lastHeardMs <= this.#leaseMs;
    const { admittedPerSecond, refusedPerSecond } = noted;
    return {
      ...shown,
      admittedPerSecond: lasts ? admittedPerSecond : 0,
      refusedPerSecond: lasts ? refusedPerSecond : 0,
      lastHeardMs,
    };
  }
}
