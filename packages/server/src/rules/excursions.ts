import type { Bound, Cause, Excursion, Facts, Gap, GapCause, SenderFacts } from './facts.ts';
import { outsideTimes } from './runs.ts';
import { type Stretch, uncovered, union } from './stretches.ts';

/** A time within the window and a binding: `open` when both go on. */
export interface Span extends Stretch {
  open: boolean;
}

/**
 * A gate tells what it has in several reports. So long after the last of them what no reading shows is taken as not there; until then
 * a sender is known up to its newest reading.
 */
export const settleMs = 10_000;

/** Up to when a sender is known. */
export function knownUntil({ runs, toldAt }: SenderFacts, now: number): number {
  if (now - toldAt >= settleMs) return now;
  return Math.min(
    now,
    runs.reduce((last, { to }) => Math.max(last, to), 0),
  );
}

/** The times within which what a sender says counts. */
export function spansOf({ bound }: Pick<SenderFacts, 'bound'>, window: Bound | undefined, now: number): Span[] {
  if (!window) return [];
  const spans = bound.map(({ from, until }) => {
    const end = Math.min(until ?? now, window.until ?? now, now);
    const open = (until === null || until > now) && (window.until === null || window.until > now);
    return { from: Math.max(from, window.from), to: end, open };
  });
  return spans.filter(({ from, to }) => from <= to);
}

/** What lies in a span of what was heard. */
export function heardIn(heard: readonly Stretch[], span: Stretch): Stretch[] {
  const clipped = heard.map(({ from, to }) => ({ from: Math.max(from, span.from), to: Math.min(to, span.to) }));
  return clipped.filter(({ from, to }) => from <= to);
}

/** What is on record from before the span counts from the first reading within it. */
export function excursionsOf(facts: SenderFacts, span: Span, now: number): Excursion[] {
  const [first] = heardIn(facts.runs, span);
  if (!first) return [];
  const known = Math.min(span.to, knownUntil(facts, now));
  const found: Excursion[] = [];
  for (const run of outsideTimes(facts.runs)) {
    const from = run.from < span.from ? first.from : run.from;
    const goesOn = span.open && (run.to === null || run.to > now);
    const to = goesOn ? null : Math.min(run.to ?? span.to, span.to);
    if (from > (to ?? span.to)) continue;
    const durationMs = Math.max(0, (to ?? known) - from);
    if (to !== null && durationMs === 0) continue;
    found.push({ sender: facts.sender, from, to, durationMs, ruleRevision: run.ruleRevision });
  }
  return found;
}

/** Times in a span that are longer than `silentMs` and without a reading. */
export function silencesOf(facts: SenderFacts, span: Span, silentMs: number, now: number): Gap[] {
  const known = Math.min(span.to, Math.max(span.from, knownUntil(facts, now)));
  const time = { from: span.from, to: known };
  return uncovered(time, heardIn(facts.runs, time))
    .filter(({ from, to }) => to - from > silentMs)
    .map(({ from, to }) => {
      const goesOn = span.open && to === known;
      return { sender: facts.sender, from, to: goesOn ? null : to, ...causeOf(facts.causes, { from, to }) };
    });
}

/** A refusal says most: the sender was there, and a gate said no. */
function causeOf(causes: readonly Cause[], { from, to }: Stretch): { cause: GapCause; reason?: string } {
  const within = causes.filter(({ at }) => at >= from && at <= to);
  const refused = within.findLast(({ reason }) => reason !== 'no_gate');
  if (refused) return { cause: 'refused', reason: refused.reason };
  return { cause: within.length > 0 ? 'no_gate' : 'silent' };
}

/** Times of the window in which no sender spoke for the subject, however short: what happened then nobody can say. */
export function unboundGaps({ senders, window }: Facts, now: number): Gap[] {
  if (!window || window.from > now) return [];
  const time = { from: window.from, to: Math.min(window.until ?? now, now) };
  const bound = senders.flatMap((one) => one.bound).map(({ from, until }) => ({ from, to: until ?? now }));
  return uncovered(time, union(bound)).map(({ from, to }) => ({
    ...{ sender: '', from, cause: 'unbound' as const },
    to: to === now && (window.until === null || window.until > now) ? null : to,
  }));
}
