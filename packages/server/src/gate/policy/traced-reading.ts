import { InexactNumber, parseExactly } from '@portcullis/contract';

/** The numbers of a reading that a double can not hold, and the last of them that was looked at, as it was sent. */
interface Trace {
  seen: string | undefined;
}

const traces = new WeakMap<object, Trace>();

/**
 * A reading with a number that a double can not hold. Schema and condition see doubles: where they look at such a number, what they
 * find would be found of another one, and `judgeTraced` says so.
 */
export function tracedReading(text: string): Record<string, unknown> {
  const trace: Trace = { seen: undefined };
  const reading = parseExactly(text) as Record<string, unknown>;
  uncover(reading, trace);
  traces.set(reading, trace);
  return reading;
}

/** The verdict, and the number that it looked at without seeing it exactly, as it was sent. */
export function judgeTraced<Verdict>(reading: object, judge: () => Verdict): { verdict: Verdict; inexact?: string } {
  const trace = traces.get(reading);
  if (!trace) return { verdict: judge() };
  trace.seen = undefined;
  const verdict = judge();
  return trace.seen === undefined ? { verdict } : { verdict, inexact: trace.seen };
}

/** Puts a member that notes its being read in the place of each. */
function uncover(within: object, trace: Trace): void {
  for (const [name, value] of Object.entries(within) as [string, unknown][]) {
    if (value instanceof InexactNumber) {
      const get = () => {
        trace.seen = value.written;
        return value.nearest;
      };
      Object.defineProperty(within, name, { get, enumerable: true, configurable: true });
    } else if (typeof value === 'object' && value !== null) uncover(value, trace);
  }
}
