import type { Edge, Newest, Run } from './facts.ts';

/**
 * Readings as runs, from what gates told of them: what lies between two edges of a gate is on the side of the earlier one. The order in which
 * the edges became known makes no difference.
 */
export function runsOf(edges: readonly Edge[], newest: readonly Newest[]): Run[] {
  const sequences = [
    ...Map.groupBy(
      edges.filter(({ late }) => !late),
      ({ source }) => source,
    ).values(),
  ];
  const latest = new Map<string, Edge>();
  for (const sequence of sequences) {
    sequence.sort((a, b) => a.number - b.number);
    const last = sequence.at(-1) as Edge;
    const known = latest.get(last.gate);
    if (!known || last.receivedAt > known.receivedAt) latest.set(last.gate, last);
  }
  const newestOf = (edge: Edge) => {
    if (latest.get(edge.gate) !== edge) return edge.at;
    return Math.max(edge.at, ...newest.filter(({ gate }) => gate === edge.gate).map(({ at }) => at));
  };
  const runs = sequences.flatMap((sequence) =>
    sequence.flatMap((edge, index) => {
      const next = sequence[index + 1];
      return runFrom(edge, next ? Math.max(edge.at, next.after ?? edge.at) : newestOf(edge));
    }),
  );
  const moments = edges.filter(({ late }) => late).flatMap((edge) => runFrom(edge, edge.at));
  return [...runs, ...moments].sort((a, b) => a.from - b.from || a.to - b.to);
}

/** An unproven reading inside is nothing heard; those after it in its run are. */
function runFrom({ at, side, ruleRevision, pauseMs, late, unproven }: Edge, to: number): Run[] {
  const run = { from: at, to, side, ruleRevision, pauseMs, moment: late };
  if (!unproven || side === 'outside') return [run];
  return to > at ? [{ ...run, from: to }] : [];
}

interface OutsideTime {
  from: number;
  /** Null: nothing inside was heard since. */
  to: number | null;
  ruleRevision: number;
}

/** From each reading outside to the next one inside, whichever gate heard it. */
export function outsideTimes(runs: readonly Run[]): OutsideTime[] {
  const inside = runs.filter(({ side }) => side === 'inside');
  const parts = runs.filter(({ side }) => side === 'outside').flatMap((run) => splitAt(run, inside));
  const times = parts.map((part) => ({ from: part.from, to: endOf(part, inside), ruleRevision: part.ruleRevision }));
  const joined: OutsideTime[] = [];
  for (const time of times.sort((a, b) => a.from - b.from)) {
    const last = joined.at(-1);
    if (!last || (last.to !== null && time.from > last.to)) joined.push(time);
    else last.to = last.to === null || time.to === null ? null : Math.max(last.to, time.to);
  }
  return joined;
}

/** A late reading inside amid a run outside ends an excursion, and the next one begins. */
function splitAt(run: Run, inside: readonly Run[]): Run[] {
  const parts: Run[] = [];
  let { from } = run;
  for (const { from: moment } of inside.filter((one) => one.moment && one.from >= run.from && one.from < run.to)) {
    if (moment < from) continue;
    parts.push({ ...run, from, to: moment });
    from = moment + 1;
  }
  return [...parts, { ...run, from }];
}

/** One late reading outside amid a run inside: the next of that run came no later than its readings are apart. */
function endOf({ from, to, moment }: Run, inside: readonly Run[]): number | null {
  const around = moment ? inside.filter((one) => !one.moment && one.from < from && one.to > from) : [];
  const next = inside.filter((one) => !around.includes(one) && one.to >= to && (!moment || one.from > to));
  const ends = [
    ...next.map((one) => Math.max(one.from, to)),
    ...around.map((one) => Math.min(one.to, from + one.pauseMs)),
  ];
  return ends.length === 0 ? null : Math.min(...ends);
}
