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

/** Of a step that may be uploaded later the time that is named counts, of any other when it was received. */
export function timeOf(
  position: Position,
  step: JourneyStep,
  attempt: Attempt,
): { at: number; isClaimed: boolean } | { refusal: Refusal } {
  const { journey, last, createdAt } = position;
  const { at: named, receivedAt, isDeclared } = attempt;
  const isClaimed = named !== undefined && (isDeclared || journey.offline.includes(step.name));
  const refusal = named === undefined ? undefined : offTime(journey, step, { ...attempt, at: named });
  if (refusal) return { refusal };
  const earliest = last?.at ?? createdAt;
  const at = isClaimed ? named : Math.max(receivedAt, earliest);
  const later = position.pending.filter((one) => placeOf(journey, one.step) > placeOf(journey, step.name));
  const latest = Math.min(receivedAt, ...later.map((one) => one.at));
  if (at < earliest - clockAllowanceMs) return contradiction(at, `"${last?.step ?? 'created'}" was later`);
  if (at > latest + clockAllowanceMs) {
    return contradiction(at, `${namesOf(later.map((one) => one.step))} came before that, and waits for it`);
  }
  return { at: Math.max(earliest, Math.min(at, latest)), isClaimed };
}

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

function contradiction(at: number, why: string): { refusal: Refusal } {
  return { refusal: { reason: 'time_contradicts', why: `it says ${timestamp(at)}, and ${why}` } };
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
