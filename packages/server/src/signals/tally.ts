import type { SignalResult } from '@portcullis/contract';

interface Counted {
  outcomes: Map<SignalResult['outcome'], number>;
  heardAt: number;
  unmatched: { key: string; at: number } | undefined;
  /** By key: why it was refused. */
  refused: Map<string, string>;
  /** How many refusals rang by themselves since then. */
  rung: { since: number; count: number };
}

/** So many refusals are remembered of a source: one that is told again is no news. */
const refusedMax = 10_000;
/** So many refusals of a source ring within an hour, each by itself. */
const rungMax = 20;
const rungMs = 3_600_000;

/** What came from each source since this process began. */
export class Tally {
  readonly #sources = new Map<string, Counted>();

  constructor(sources: readonly string[]) {
    for (const source of sources)
      this.#sources.set(source, {
        outcomes: new Map(),
        heardAt: 0,
        unmatched: undefined,
        refused: new Map(),
        rung: { since: 0, count: 0 },
      });
  }

  count(source: string, results: readonly SignalResult[], at: number): void {
    const counted = this.of(source);
    counted.heardAt = at;
    for (const { key, outcome } of results) {
      counted.outcomes.set(outcome, (counted.outcomes.get(outcome) ?? 0) + 1);
      if (outcome === 'no_reaction') counted.unmatched = { key, at };
      if (outcome !== 'refused') counted.refused.delete(key);
    }
  }

  /** Of all sources together. */
  outcomes(): [SignalResult['outcome'], number][] {
    const sum = new Map<SignalResult['outcome'], number>();
    for (const { outcomes } of this.#sources.values())
      for (const [outcome, count] of outcomes) sum.set(outcome, (sum.get(outcome) ?? 0) + count);
    return [...sum];
  }

  isNews(source: string, key: string, why: string): boolean {
    return this.of(source).refused.get(key) !== why;
  }

  wasRefused(source: string, key: string): boolean {
    return this.of(source).refused.has(key);
  }

  refused(source: string, key: string, why: string): void {
    const { refused } = this.of(source);
    refused.set(key, why);
    const [oldest] = refused.keys();
    if (refused.size > refusedMax && oldest !== undefined) refused.delete(oldest);
  }

  ringsLeft(source: string, at: number): number {
    const { since, count } = this.of(source).rung;
    return at - since >= rungMs ? rungMax : rungMax - count;
  }

  rang(source: string, many: number, at: number): void {
    const counted = this.of(source);
    if (at - counted.rung.since >= rungMs) counted.rung = { since: at, count: 0 };
    counted.rung.count = Math.min(rungMax, counted.rung.count + many);
  }

  of(source: string): Counted {
    return this.#sources.get(source) as Counted;
  }
}
