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
  const newestAt = new Map(newest.map(({ gate, at }) => [gate, at]));
  const newestOf = (edge: Edge) =>
    latest.get(edge.gate) === edge ? Math.max(edge.at, newestAt.get(edge.gate) ?? 0) : edge.at;
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
  const inside = new Inside(runs.filter(({ side }) => side === 'inside'));
  const joined: OutsideTime[] = [];
  const parts = runs.filter(({ side }) => side === 'outside').flatMap((run) => inside.split(run));
  for (const { from, to, moment, ruleRevision } of parts.sort((a, b) => a.from - b.from)) {
    const end = inside.after(to, moment);
    const last = joined.at(-1);
    if (!last || (last.to !== null && from > last.to)) joined.push({ from, to: end, ruleRevision });
    else last.to = last.to === null || end === null ? null : Math.max(last.to, end);
  }
  return joined;
}

/** Runs of one source do not overlap: so many are looked at for those around a moment, which are as many as gates. */
const aroundMax = 64;

/** What was heard inside, for questions about single times. */
class Inside {
  readonly #runs: Run[];
  /** Up to when those up to here go. */
  readonly #reach: number[] = [];
  readonly #moments: number[];

  constructor(runs: readonly Run[]) {
    this.#runs = runs.toSorted((a, b) => a.from - b.from);
    let reach = Number.NEGATIVE_INFINITY;
    for (const { to } of this.#runs) {
      reach = Math.max(reach, to);
      this.#reach.push(reach);
    }
    this.#moments = this.#runs.filter(({ moment }) => moment).map(({ from }) => from);
  }

  /**
   * The first time from this one on at which a reading is known to be inside; null: none is. Of a run that goes on around it, a late reading's
   * or another gate's, the next reading came no later than its readings are apart. At a late reading's own time nothing else is inside.
   */
  after(time: number, moment: boolean): number | null {
    const next = firstAfter(this.#runs, moment ? time : time - 1, ({ from }) => from);
    const ends = [this.#runs[next]?.from ?? Number.POSITIVE_INFINITY];
    for (let index = next - 1; index >= Math.max(0, next - aroundMax); index--) {
      if ((this.#reach[index] as number) <= time) break;
      const { moment: isMoment, from, to, pauseMs } = this.#runs[index] as Run;
      if (!isMoment && from < time && to > time) ends.push(Math.min(to, time + pauseMs));
    }
    const end = Math.min(...ends);
    return Number.isFinite(end) ? end : null;
  }

  /** A late reading inside amid a run outside ends an excursion, and the next one begins. */
  split(run: Run): Run[] {
    const parts: Run[] = [];
    let { from } = run;
    for (let index = firstAfter(this.#moments, run.from - 1, (time) => time); ; index++) {
      const moment = this.#moments[index];
      if (moment === undefined || moment >= run.to) break;
      if (moment < from) continue;
      parts.push({ ...run, from, to: moment });
      from = moment + 1;
    }
    return [...parts, { ...run, from }];
  }
}

/** Where the first is that is later, of what lies in order. */
function firstAfter<Item>(items: readonly Item[], time: number, timeOf: (item: Item) => number): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (timeOf(items[middle] as Item) > time) high = middle;
    else low = middle + 1;
  }
  return low;
}
