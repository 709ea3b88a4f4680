import type { DecideAnswer, ReasonCode, SubjectId } from '@portcullis/contract';

/** Who asked within this time is told of in receipts. */
const askedMs = 300_000;
/** In a lease's counters. */
const toldMax = 20;

/** What was said to those who ask, and who they are: they are no gates, and what they do with an answer is theirs. Counted apart from verdicts. */
export class Advice {
  readonly counters = { admitted: 0, refused: 0 };
  readonly refusals = new Map<ReasonCode, number>();
  readonly #askedAt = new Map<SubjectId | null, number>();
  readonly #monotonic: () => number;

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
  }

  count(answer: DecideAnswer): void {
    this.counters[answer.verdict]++;
    if (answer.verdict === 'admitted') return;
    this.refusals.set(answer.reason, (this.refusals.get(answer.reason) ?? 0) + 1);
  }

  /** `null`: by the socket. Who asked last is the last one. */
  note(asker: SubjectId | null): void {
    this.#askedAt.delete(asker);
    this.#askedAt.set(asker, this.#monotonic());
    if (this.#askedAt.size > toldMax) this.#askedAt.delete(this.#askedAt.keys().next().value as SubjectId | null);
  }

  get askers(): (SubjectId | null)[] {
    const since = this.#monotonic() - askedMs;
    return [...this.#askedAt].filter(([, at]) => at >= since).map(([asker]) => asker);
  }
}
