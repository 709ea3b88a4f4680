export interface Outcome {
  /** Not acknowledged and not refused yet. */
  kept: number;
  refused: number;
}

/** What became of the readings that one party put into a stream. What waited from before and what others put is not in it. */
export class Tally {
  /** Numbers of readings, from and to (exclusive), in order. */
  readonly #spans: [number, number][] = [];
  #refused = 0;

  put(first: number, count: number): void {
    const last = this.#spans.at(-1);
    if (last?.[1] === first) last[1] += count;
    else if (count > 0) this.#spans.push([first, first + count]);
  }

  /** The reading of this number will never pass. */
  refuse(number: number): void {
    if (this.#spans.some(([from, to]) => number >= from && number < to)) this.#refused++;
  }

  /** `gone`: the number of the oldest reading that waits. */
  outcome(gone: number): Outcome {
    while ((this.#spans[0]?.[1] ?? Number.POSITIVE_INFINITY) <= gone) this.#spans.shift();
    const kept = this.#spans.reduce((sum, [from, to]) => sum + to - Math.max(from, gone), 0);
    return { kept, refused: this.#refused };
  }
}
