import { createHistogram } from 'node:perf_hooks';

export interface Percentiles {
  count: number;
  p50Ms: number;
  p90Ms: number;
  p99Ms: number;
  longestMs: number;
}

/** How long each took, to three digits, in memory that does not grow. */
export class Latencies {
  /** In microseconds. */
  readonly #histogram = createHistogram({ figures: 3 });

  note(milliseconds: number): void {
    this.#histogram.record(Math.max(1, Math.round(milliseconds * 1_000)));
  }

  /** Null: there was none. */
  get view(): Percentiles | null {
    const { count, max } = this.#histogram;
    if (count === 0) return null;
    const at = (percent: number) => inMilliseconds(this.#histogram.percentile(percent));
    return { count, p50Ms: at(50), p90Ms: at(90), p99Ms: at(99), longestMs: inMilliseconds(max) };
  }
}

const inMilliseconds = (microseconds: number) => Math.round(microseconds / 100) / 10;
