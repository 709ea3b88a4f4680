/**
 * Whether gates decide when nothing is wrong. Pure. While a fault lasts, and for a while after it, a gate may say that it can not decide;
 * one that goes on saying so is stale for no reason. The bounds are far from what a busy machine does to a gate that is well.
 */
import type { Call, Violation } from './history.ts';

export interface Disturbance {
  /** Undefined: it is of all. */
  gate: string | undefined;
  kind: string;
  begin: number;
  end: number;
}

interface Span {
  begin: number;
  end: number;
}

interface Run extends Span {
  leaseMs: number;
}

/** The longest that a gate waits before it looks for the authority again (5 s), a lease, and a machine that has others to serve. */
export const recoveryMsOf = (leaseMs: number) => 5_000 + 1.5 * leaseMs;
const judgedMin = 50;
const undecidedShareMax = 0.5;
/** Of a run with faults: what holds of a few calls says little of what gates decide. */
export const decidedShareMin = 0.5;
const minuteMs = 60_000;

export const isDecided = ({ status }: Call) => status !== 0 && status !== 503;

export const decidedShare = (calls: readonly Call[]) =>
  Math.round((100 * calls.filter(isDecided).length) / Math.max(1, calls.length)) / 100;

/** For each minute: where it falls, something piles up. */
export function decidedByMinute(calls: readonly Call[], { begin, end }: Span): number[] {
  const within = calls.filter((call) => call.begin < end);
  const minutes = Map.groupBy(within, (call) => Math.floor((call.begin - begin) / minuteMs));
  return [...minutes].toSorted(([one], [other]) => one - other).map(([, own]) => decidedShare(own));
}

/** Of a run: from its begin to its end, without what was wrong with this gate or with all, and the time after it. */
export function quietSpans(gate: string, disturbances: readonly Disturbance[], run: Run): Span[] {
  const spans: Span[] = [];
  let { begin } = run;
  const mine = disturbances.filter((one) => one.gate === undefined || one.gate === gate);
  for (const one of mine.toSorted((a, b) => a.begin - b.begin)) {
    if (one.begin > begin) spans.push({ begin, end: Math.min(one.begin, run.end) });
    begin = Math.max(begin, one.end + recoveryMsOf(run.leaseMs));
  }
  if (begin < run.end) spans.push({ begin, end: run.end });
  return spans;
}

export function staleGates(calls: readonly Call[], disturbances: readonly Disturbance[], run: Run): Violation[] {
  return [...Map.groupBy(calls, ({ gate }) => gate)].flatMap(([gate, own]) => {
    const ordered = own.toSorted((a, b) => a.begin - b.begin);
    const spans = quietSpans(gate, disturbances, run);
    const quiet = spans.map((span) => ordered.filter((call) => call.begin >= span.begin && call.end <= span.end));
    return [...mostlyUndecided(gate, quiet.flat()), ...quiet.flatMap((asked) => silences(gate, asked, run))];
  });
}

function mostlyUndecided(gate: string, calls: readonly Call[]): Violation[] {
  const undecided = calls.filter((call) => !isDecided(call)).length;
  if (calls.length < judgedMin || undecided <= calls.length * undecidedShareMax) return [];
  const detail = { gate, calls: calls.length, undecided };
  return [{ promise: 'P13', what: 'mostly undecided, although nothing was wrong', detail }];
}

/** Asked again and again for longer than anything explains, and never decided. */
function silences(gate: string, calls: readonly Call[], { leaseMs }: Run): Violation[] {
  const found: Violation[] = [];
  let first: Call | undefined;
  let last: Call | undefined;
  const ended = () => {
    if (!first || !last || last.end - first.begin <= recoveryMsOf(leaseMs)) return;
    const detail = { gate, from: first.begin, until: last.end, reason: last.reason };
    found.push({ promise: 'P13', what: 'decided nothing for long, although nothing was wrong', detail });
  };
  for (const call of calls) {
    if (isDecided(call)) {
      ended();
      first = last = undefined;
    } else {
      first ??= call;
      last = call;
    }
  }
  ended();
  return found;
}
