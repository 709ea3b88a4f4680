import type { ArrivalRefusal, Journey, JourneyStep } from '@portcullis/contract';
import { timestamp } from '../telemetry/telemetry.ts';
import { isFinal, missingBefore, nextAfter, type Passed, placeOf, stepOf } from './sequence.ts';

/** How far the clock of a checkpoint may be off. */
export const clockAllowanceMs = 300_000;
export const pendingMax = 10;

/** Where a shipment stands. */
export interface Position {
  journey: Journey;
  createdAt: number;
  isStopped: boolean;
  last: Passed | undefined;
  /** Arrivals that wait for what is missing before them. */
  pending: readonly Passed[];
}

/** What somebody says happened. */
export interface Attempt {
  step?: string | undefined;
  at?: number | undefined;
  receivedAt: number;
  /** By an operator, who may say so of any step and at any time. */
  isDeclared: boolean;
}

export interface Refusal {
  reason: ArrivalRefusal;
  why: string;
  expected?: string[];
  found?: string | null;
  attribute?: string;
}

/** What is so of the step that is aimed at. */
export interface Facts {
  /** The checkpoint may record it now, and might at the time that it names. */
  mayRecord: boolean;
  /** The first of the step's conditions that does not hold. */
  unmet?: { attribute: string; why: string } | undefined;
  /** The first that holds by nobody's evidence. */
  unproven?: { attribute: string; why: string } | undefined;
}

export type Verdict =
  | { outcome: 'recorded'; late: boolean }
  | { outcome: 'pending'; waitsFor: string[] }
  | { outcome: 'refused'; refusal: Refusal };

export const namesOf = (names: readonly string[]) => `[${names.join(', ')}]`;

/** The step that is meant: the one that is named, or the first that is expected and that this checkpoint may record. */
export function aim(
  position: Position,
  { step }: Attempt,
  mayRecord: (step: JourneyStep) => boolean,
): { step: JourneyStep } | { refusal: Refusal } {
  const { journey, last } = position;
  if (position.isStopped) return { refusal: { reason: 'shipment_stopped', why: 'the shipment is stopped' } };
  if (isFinal(journey, last?.step)) {
    return {
      refusal: { reason: 'journey_finished', why: `the shipment was recorded at its final step, "${last?.step}"` },
    };
  }
  const expected = nextAfter(journey, last?.step);
  if (step !== undefined) {
    const named = stepOf(journey, step);
    return named && isWithinReach(position, step) ? { step: named } : { refusal: outOfSequence(expected, step) };
  }
  const own = journey.steps.filter(mayRecord);
  if (own.length === 0) return { refusal: notExpected(expected) };
  const forward = own.find(({ name }) => name === expected[0]);
  const aimed = forward ?? own.find(({ name }) => isWithinReach(position, name));
  return aimed ? { step: aimed } : { refusal: outOfSequence(expected, nearest(journey, last?.step, own)) };
}

/** It is expected, or it would be once what is missing was uploaded. */
function isWithinReach({ journey, last, pending }: Position, step: string): boolean {
  const missing = missingBefore(journey, last?.step, step);
  return missing?.every((name) => journey.offline.includes(name) || isPending(pending, name)) ?? false;
}

const isPending = (pending: readonly Passed[], name: string) => pending.some(({ step }) => step === name);

/** Who is there twice means the step where the shipment is; else the next of its own, else the last one. */
function nearest(journey: Journey, last: string | undefined, own: readonly JourneyStep[]): string | undefined {
  const here = last === undefined ? -1 : placeOf(journey, last);
  const later = own.find(({ name }) => placeOf(journey, name) >= here);
  return (later ?? own.at(-1))?.name;
}

/** The rule that everybody is judged by, when it is received and again when what was missing has come. `at`: what `timeOf` says. */
export function decide(position: Position, step: JourneyStep, at: number, facts: Facts): Verdict {
  const { journey, last, pending } = position;
  const expected = nextAfter(journey, last?.step);
  if (!isWithinReach(position, step.name)) return refused(outOfSequence(expected, step.name));
  if (!facts.mayRecord) return refused(notExpected(expected));
  const { unmet, unproven } = facts;
  if (unmet) return refused({ reason: 'condition_not_met', ...unmet });
  if (unproven) return refused({ reason: 'evidence_missing', ...unproven });
  if (expected.includes(step.name)) {
    const { withinMs = Number.POSITIVE_INFINITY } = step;
    return { outcome: 'recorded', late: at - (last?.at ?? position.createdAt) > withinMs };
  }
  const missing = missingBefore(journey, last?.step, step.name)?.filter((name) => !isPending(pending, name)) ?? [];
  if (pending.length < pendingMax) return { outcome: 'pending', waitsFor: missing };
  const why = `${pendingMax} arrivals wait already; first must come ${namesOf(missing)}`;
  return refused({ reason: 'arrivals_pending', why });
}

const refused = (refusal: Refusal): Verdict => ({ outcome: 'refused', refusal });

type Time = { at: number; isClaimed: boolean } | { refusal: Refusal };

/** Of a step that may be uploaded later the time that is named counts, of any other when it was received. */
export function timeOf(position: Position, step: JourneyStep, attempt: Attempt): Time {
  const { journey, last, createdAt, pending } = position;
  const { at: named, receivedAt, isDeclared } = attempt;
  const refusal = named === undefined ? undefined : offTime(journey, step, { ...attempt, at: named });
  if (refusal) return { refusal };
  const place = placeOf(journey, step.name);
  const among: Among = {
    before: { step: 'created', ...(last ?? { at: createdAt }) },
    earlier: pending.filter((one) => placeOf(journey, one.step) < place),
    later: pending.filter((one) => placeOf(journey, one.step) > place),
  };
  const isClaimed = named !== undefined && (isDeclared || journey.offline.includes(step.name));
  return isClaimed ? claimedTime(among, named, receivedAt) : receivedTime(among, receivedAt);
}

/** What it comes after, and what waits on either side of it. */
interface Among {
  before: Passed;
  earlier: readonly Passed[];
  later: readonly Passed[];
}

const timesOf = (all: readonly Passed[]) => all.map(({ at }) => at);

/** By the clock of who names it, which may be off: it is moved to between its neighbours, and marked as claimed. */
function claimedTime({ before, later }: Among, named: number, receivedAt: number): Time {
  const said = `it says ${timestamp(named)}`;
  const latest = Math.min(receivedAt, ...timesOf(later));
  if (named < before.at - clockAllowanceMs) return contradiction(said, isAfter(before));
  if (named > latest + clockAllowanceMs) return contradiction(said, waitFor(later));
  return { at: Math.max(before.at, Math.min(named, latest)), isClaimed: true };
}

/** Nobody claims it, so it is never before it was received; after that only where the authority's own clock went back. */
function receivedTime({ before, earlier, later }: Among, receivedAt: number): Time {
  const at = Math.max(receivedAt, before.at, ...timesOf(earlier));
  const said = `it counts as of when it was received, ${timestamp(receivedAt)}`;
  if (at > receivedAt + clockAllowanceMs) {
    return contradiction(said, isAfter([before, ...earlier].find((one) => one.at === at) ?? before));
  }
  return later.some((one) => one.at < at) ? contradiction(said, waitFor(later)) : { at, isClaimed: false };
}

const isAfter = ({ step }: Passed) => `"${step}" was later`;
const waitFor = (later: readonly Passed[]) =>
  `${namesOf(later.map(({ step }) => step))} came before that, and waits for it`;

function offTime(journey: Journey, step: JourneyStep, attempt: Attempt & { at: number }): Refusal | undefined {
  const { at, receivedAt, isDeclared } = attempt;
  if (at > receivedAt + clockAllowanceMs) {
    return { reason: 'too_early', why: `it says ${timestamp(at)}, and it is ${timestamp(receivedAt)}` };
  }
  if (isDeclared || at >= receivedAt - clockAllowanceMs) return undefined;
  if (!journey.offline.includes(step.name)) {
    return { reason: 'too_late', why: `"${step.name}" is recorded when it is, not later; it says ${timestamp(at)}` };
  }
  if (at >= receivedAt - journey.offlineMaxMs) return undefined;
  return { reason: 'too_late', why: `"${step.name}" is uploaded within ${journey.offlineMaxMs / 86_400_000} days` };
}

function contradiction(said: string, why: string): { refusal: Refusal } {
  return { refusal: { reason: 'time_contradicts', why: `${said}, and ${why}` } };
}

function outOfSequence(expected: string[], found: string | undefined): Refusal {
  const why = `expected is ${namesOf(expected)}, not "${found}"`;
  return { reason: 'out_of_sequence', why, expected, found: found ?? null };
}

function notExpected(expected: string[]): Refusal {
  return {
    reason: 'checkpoint_not_expected',
    why: `expected is ${namesOf(expected)}, by another checkpoint`,
    expected,
  };
}
