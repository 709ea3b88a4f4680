import type { VerdictView } from '@portcullis/contract';

/** What was decided, without when and how often. */
export type Decision = Omit<VerdictView, 'at' | 'gate' | 'count'>;

export interface Tally {
  at: string;
  decision: Decision;
  count: number;
  /** So many of them were told while they came. */
  told: number;
}

/** The verdicts of one second: those that are alike are one line, and those that no line is left for are one line by their reason. */
export class Tallies {
  readonly #max: number;
  #lines = new Map<string, Tally>();
  #folded = new Map<Decision['reason'], Tally>();

  constructor(max: number) {
    this.#max = max;
  }

  get isFull(): boolean {
    return this.#lines.size >= this.#max;
  }

  /** True: it is counted to a line that is there. */
  again(key: string, count: number): boolean {
    const line = this.#lines.get(key);
    if (line) line.count += count;
    return line !== undefined;
  }

  /** A line of its own, which is told now. */
  begin(key: string, decision: Decision, count: number, at: string): void {
    this.#lines.set(key, { at, decision, count, told: count });
  }

  /** What is kept of it is its reason. */
  fold(reason: Decision['reason'], count: number, describe: () => Decision, at: () => string): void {
    const line = this.#folded.get(reason);
    if (line) line.count += count;
    else this.#folded.set(reason, { at: at(), decision: severalOf(describe()), count, told: 0 });
  }

  /** All of them; the next second begins. */
  end(): Tally[] {
    const ended = [...this.#lines.values(), ...this.#folded.values()];
    if (this.#lines.size > 0) this.#lines = new Map();
    if (this.#folded.size > 0) this.#folded = new Map();
    return ended;
  }
}

function severalOf({ verdict, reason, revision }: Decision): Decision {
  const whose = { subject: null, certificate: null, stream: null, several: true } as const;
  return { ...whose, verdict, reason, expected: null, found: null, revision, changedBy: null, changedAt: null };
}
