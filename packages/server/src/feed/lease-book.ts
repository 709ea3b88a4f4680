/**
 * The authority's half of the cut: which instance may still decide, and since when a revision is in force everywhere.
 * Pure: the clock is an argument and nothing here waits. Rules are those of the design's section "the nine rules of the cut";
 * each that lives here is one small method.
 */
import type { GateOutcome, SubjectId } from '@portcullis/contract';

export interface LeaseTerms {
  leaseMs: number;
  /** How long a revision may wait for an instance before that one gets no further lease (rule 5). */
  patienceMs: number;
  monotonic(): number;
  /** How long leases of an earlier run of the authority may still last (rule 6); 0 when none can. */
  horizonMs: number;
  /** All revisions up to this one count as receipted from the start (rule 6). */
  receipted: number;
}

export interface InstanceName {
  gate: string;
  instance: string;
}

interface Instance extends InstanceName {
  /** By our clock; an instance decides only before it. */
  until: number;
  applied: number;
  connectionsClosed: number;
  /** While young receipts wait for it to catch up (rule 4). */
  joinUntil: number;
  nextJoin: number;
  seen: number;
}

interface Waiting {
  revision: number;
  since: number;
  outcomes: Map<Instance, GateOutcome>;
  closedBefore: number;
}

export interface GivenReceipt {
  revision: number;
  elapsedMs: number;
  outcomes: GateOutcome[];
  connectionsClosed: number;
}

export type Renewal =
  | { granted: true; leaseMs: number }
  | { granted: false; because: 'behind'; retryAfterMs: number }
  | { granted: false; because: 'crowded' };

/** Clocks of two machines drift apart by less than this share of a lease (rule 2). */
const driftMargin = 0.02;
const roundingMs = 2;
/** So that one that is behind by less than the patience is there in time: until it asks again, and what it is behind by. */
const joinPatiences = 2;
/** Of one gate: the one that runs, and those of its last restarts. Each may hold up receipts, so nobody gets more by inventing some. */
export const instancesOfGateMax = 32;
/** An instance that held nothing for so long is forgotten. */
const forgetMs = 600_000;
const never = Number.NEGATIVE_INFINITY;

export class LeaseBook {
  readonly #terms: LeaseTerms;
  readonly #startedAt: number;
  readonly #instances = new Map<string, Instance>();
  #waiting: Waiting[] = [];
  #receipted: number;
  #closedByForgotten = 0;

  constructor(terms: LeaseTerms) {
    this.#terms = terms;
    this.#startedAt = terms.monotonic();
    this.#receipted = terms.receipted;
  }

  get receipted(): number {
    return this.#receipted;
  }

  /** A revision was committed. Every one counts, whether or not somebody waits for its receipt. */
  changed(revision: number): void {
    const since = this.#now();
    const outcomes = new Map<Instance, GateOutcome>();
    this.#waiting.push({ revision, since, outcomes, closedBefore: this.#connectionsClosed() });
  }

  renew(name: InstanceName, applied: number): Renewal {
    const now = this.#now();
    if (!this.#instances.has(this.keyOf(name)) && !this.#hasRoom(name.gate, now)) {
      return { granted: false, because: 'crowded' };
    }
    const instance = this.#instance(name);
    this.#applied(instance, applied);
    const running = instance.until > now;
    const granted = this.patient(instance, now) && (running || this.mayJoin(instance));
    if (granted) {
      instance.until = now + this.countedMs(this.#terms.leaseMs);
      return { granted, leaseMs: this.#terms.leaseMs };
    }
    if (!running && now > instance.nextJoin) {
      instance.joinUntil = now + joinPatiences * this.#terms.patienceMs;
      instance.nextJoin = now + this.#terms.leaseMs;
    }
    return { granted, because: 'behind', retryAfterMs: Math.ceil(this.#terms.leaseMs / 20) };
  }

  reported(name: InstanceName, applied: number, connectionsClosed: number): void {
    const known = this.#instances.get(this.keyOf(name));
    if (!known) return;
    known.connectionsClosed = Math.max(known.connectionsClosed, connectionsClosed);
    this.#applied(known, applied);
  }

  /** The instance decides nothing any more. */
  release(name: InstanceName): void {
    const known = this.#instances.get(this.keyOf(name));
    if (known) known.until = known.joinUntil = never;
  }

  /** What has its receipt now and had not before, in order of revisions. To be called after every input and at `nextDeadline`. */
  giveReceipts(): GivenReceipt[] {
    const given: GivenReceipt[] = [];
    if (!this.mayGiveReceipts()) return given;
    const now = this.#now();
    for (const waiting of this.#waiting) {
      if (this.#holdUps(waiting, now)) break;
      this.#receipted = Math.max(this.#receipted, waiting.revision);
      const outcomes = [...waiting.outcomes.values()];
      const connectionsClosed = this.#connectionsClosed() - waiting.closedBefore;
      given.push({ revision: waiting.revision, elapsedMs: now - waiting.since, outcomes, connectionsClosed });
    }
    this.#waiting = this.#waiting.slice(given.length);
    this.#forget(now);
    return given;
  }

  /**
   * True once a revision is in force everywhere. Those of an earlier run are, as soon as no lease of that run can last: from then
   * on only instances decide that had applied them when they joined (rules 4 and 6).
   */
  isReceipted(revision: number): boolean {
    return this.mayGiveReceipts() && revision <= this.#receipted;
  }

  /**
   * Rule 9: up to which revision a receipt was given, or can be before this instance tells more. Of what it has applied it has told, so
   * nothing waits for it there; all later ones wait, while its lease runs.
   */
  receiptableUpTo(name: InstanceName): number {
    const applied = this.#instances.get(this.keyOf(name))?.applied ?? Number.POSITIVE_INFINITY;
    return Math.max(this.#receipted, applied);
  }

  /** When `giveReceipts` or `isReceipted` may have something new without any input, by the monotonic clock. */
  nextDeadline(): number | undefined {
    const [first] = this.#waiting;
    const now = this.#now();
    const horizon = this.#startedAt + this.countedMs(this.#terms.horizonMs);
    if (!first) return this.mayGiveReceipts() ? undefined : horizon;
    const ends = [...this.#instances.values()].flatMap(({ until, joinUntil }) => [until, joinUntil]);
    const candidates = [...ends, horizon, first.since + this.#terms.patienceMs];
    return Math.min(...candidates.filter((at) => at > now), now + this.#terms.leaseMs);
  }

  /** How many revisions have no receipt yet, and since when the first of them waits; 0 where none does. */
  waiting(): { count: number; oldestMs: number } {
    const [first] = this.#waiting;
    return { count: this.#waiting.length, oldestMs: first ? this.#now() - first.since : 0 };
  }

  /** How each instance stands towards a revision that has no receipt yet. */
  pending(revision: number): { since: number; outcomes: GateOutcome[]; connectionsClosed: number } | undefined {
    const waiting = this.#waiting.find((one) => one.revision === revision);
    if (!waiting) return undefined;
    const now = this.#now();
    this.#holdUps(waiting, now);
    const settled = [...waiting.outcomes.values()];
    const open = [...this.#instances.values()].filter((one) => this.#holdsUp(one, waiting, now));
    const pending = open.map((one) => outcomeOf(one, 'pending', now - waiting.since));
    const connectionsClosed = this.#connectionsClosed() - waiting.closedBefore;
    return { since: waiting.since, outcomes: [...settled, ...pending], connectionsClosed };
  }

  instances(): { gate: string; instance: string; remainingMs: number; applied: number; heldBefore: boolean }[] {
    const now = this.#now();
    return [...this.#instances.values()].map(({ gate, instance, until, applied }) => ({
      ...{ gate, instance, applied },
      remainingMs: Math.max(0, until - now),
      heldBefore: until > never,
    }));
  }

  /**
   * How gates stand towards a revision whose receipt is not remembered: of an earlier run, or long ago. Whoever may decide now has
   * applied it; before the horizon of the earlier run has passed, who else may is unknown.
   */
  later(): { outcomes: GateOutcome[]; others: 'no_lease' | 'pending' } {
    const running = this.instances().filter(({ remainingMs }) => remainingMs > 0);
    return {
      outcomes: running.map((instance) => outcomeOf(instance, 'applied', null)),
      others: this.mayGiveReceipts() ? 'no_lease' : 'pending',
    };
  }

  /** False once nobody can decide: no lease of this run lasts, and none of an earlier one can (rule 6). */
  anyRunning(): boolean {
    const now = this.#now();
    return !this.mayGiveReceipts() || [...this.#instances.values()].some(({ until }) => until > now);
  }

  /** Rule 2: longer than what was granted, by what two clocks can drift apart meanwhile. */
  protected countedMs(leaseMs: number): number {
    return leaseMs * (1 + driftMargin) + roundingMs;
  }

  /** Rule 3: a lease belongs to an instance, not to a gate. */
  protected keyOf({ gate, instance }: InstanceName): string {
    return `${gate} ${instance}`;
  }

  /** Rule 4: without a running lease it needs everything that was receipted. */
  protected mayJoin(instance: { applied: number }): boolean {
    return instance.applied >= this.#receipted;
  }

  /** Rule 5: no lease for an instance that some revision has waited for too long. */
  protected patient(instance: { applied: number }, now: number): boolean {
    return !this.#waiting.some(
      ({ revision, since }) => instance.applied < revision && now - since > this.#terms.patienceMs,
    );
  }

  /** Rule 6: leases of an earlier run must have ended first. */
  protected mayGiveReceipts(): boolean {
    const { horizonMs } = this.#terms;
    return horizonMs === 0 || this.#now() >= this.#startedAt + this.countedMs(horizonMs);
  }

  #now(): number {
    return this.#terms.monotonic();
  }

  #instance(name: InstanceName): Instance {
    const key = this.keyOf(name);
    const known = this.#instances.get(key);
    if (known) {
      known.seen = this.#now();
      return known;
    }
    const fresh = {
      until: never,
      applied: 0,
      connectionsClosed: 0,
      joinUntil: never,
      nextJoin: never,
      seen: this.#now(),
    };
    const instance = { ...name, ...fresh };
    this.#instances.set(key, instance);
    return instance;
  }

  #applied(instance: Instance, applied: number): void {
    if (applied <= instance.applied) return;
    const now = this.#now();
    const before = instance.applied;
    instance.applied = applied;
    if (instance.until <= now && instance.joinUntil <= now) return;
    for (const waiting of this.#waiting) {
      if (waiting.revision <= applied && waiting.revision > before) {
        waiting.outcomes.set(instance, outcomeOf(instance, 'applied', now - waiting.since));
      }
    }
  }

  /** True while some instance could still decide without the revision. Notes the outcome of those that no longer can. */
  #holdUps(waiting: Waiting, now: number): boolean {
    let held = false;
    for (const instance of this.#instances.values()) {
      if (this.#holdsUp(instance, waiting, now)) held = true;
      else if (!waiting.outcomes.has(instance) && instance.until > waiting.since && instance.until <= now) {
        waiting.outcomes.set(instance, outcomeOf(instance, 'lease_expired', instance.until - waiting.since));
      }
    }
    return held;
  }

  #holdsUp({ applied, until, joinUntil }: Instance, { revision, since }: Waiting, now: number): boolean {
    if (applied >= revision) return false;
    return until > now || (joinUntil > now && now - since < this.#terms.patienceMs);
  }

  /** Where a gate has as many as it may, the one that was heard longest ago goes, of those that neither may decide nor are part of a receipt. */
  #hasRoom(gate: string, now: number): boolean {
    const known = [...this.#instances].filter(([, one]) => one.gate === gate);
    if (known.length < instancesOfGateMax) return true;
    const over = known.filter(([, { until, joinUntil }]) => Math.max(until, joinUntil) <= this.#settledBefore(now));
    const [oldest] = over.toSorted(([, one], [, other]) => one.seen - other.seen);
    if (!oldest) return false;
    this.#closedByForgotten += oldest[1].connectionsClosed;
    return this.#instances.delete(oldest[0]);
  }

  /** A lease that ended before says nothing of any receipt that is not given yet. */
  #settledBefore(now: number): number {
    return Math.min(now, this.#waiting[0]?.since ?? now);
  }

  #connectionsClosed(): number {
    let sum = this.#closedByForgotten;
    for (const { connectionsClosed } of this.#instances.values()) sum += connectionsClosed;
    return sum;
  }

  #forget(now: number): void {
    for (const [key, { until, joinUntil, seen }] of this.#instances) {
      if (Math.max(until, joinUntil, seen) + forgetMs < now && this.#waiting.length === 0) this.#instances.delete(key);
    }
  }
}

/** `ms`: null where it is not remembered. */
function outcomeOf({ gate, instance }: InstanceName, outcome: GateOutcome['outcome'], ms: number | null): GateOutcome {
  return { gate: gate as SubjectId, instance, outcome, ms: ms === null ? null : Math.round(ms * 1000) / 1000 };
}
