/** Many measured times as what a reader can judge: quantiles and how often which. */
import { quantile, rounded, thousands } from './measure.ts';

export interface Distribution {
  what: string;
  unit: 'ms';
  count: number;
  p50: number;
  p90: number;
  p99: number;
  p999: number;
  max: number;
  /** How many were at most so long, and longer than the bucket before; the last is open. */
  buckets: { upTo: number | null; count: number }[];
}

const bounds = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 35, 50, 100, 250, 1_000, 5_000];
const barMax = 40;

const exact = (value: number) => Number(value.toFixed(3));

export function distributionOf(what: string, times: number[]): Distribution {
  const buckets = [...bounds, null].map((upTo, index) => {
    const from = bounds[index - 1] ?? 0;
    return { upTo, count: times.filter((time) => time > from && (upTo === null || time <= upTo)).length };
  });
  const [p50 = 0, p90 = 0, p99 = 0, p999 = 0] = [0.5, 0.9, 0.99, 0.999].map((share) => exact(quantile(times, share)));
  return { what, unit: 'ms', count: times.length, p50, p90, p99, p999, max: exact(Math.max(...times)), buckets };
}

export const inShort = ({ p50, p99, max }: Distribution) =>
  `p50 ${rounded(p50, 1)}, p99 ${rounded(p99, 1)}, max ${rounded(max, 1)} ms`;

/** From the first bucket that holds something to the last. */
export function histogram({ what, count, buckets, ...quantiles }: Distribution): string {
  const { p50, p90, p99, p999, max } = quantiles;
  const numbers = Object.entries({ p50, p90, p99, 'p99.9': p999, max }).map(
    ([name, at]) => `${name} ${rounded(at, 1)}`,
  );
  const first = buckets.findIndex((bucket) => bucket.count > 0);
  const last = buckets.findLastIndex((bucket) => bucket.count > 0);
  const most = Math.max(...buckets.map((bucket) => bucket.count));
  const lines = buckets.slice(first, last + 1).map(({ upTo, count }) => {
    const label = upTo === null ? 'longer' : `≤ ${upTo}`;
    return `  ${label.padStart(7)}  ${'█'.repeat(Math.ceil((count / most) * barMax)).padEnd(barMax)}  ${count}`;
  });
  return [`${what}: ${thousands(count)} times; ${numbers.join(', ')} ms`, ...lines].join('\n');
}
