interface Turn {
  /** Begins it; false: it is not wanted any more. */
  begin(): boolean;
}

/** Of a turn for which this process has no time. */
const longestTurns = 5;

/**
 * Only so many at once, the others one after the other, in turn by group: who asks a thousand times waits behind himself. A turn that does not
 * end is over after `turnMs`: it is the work that is bounded, not the waiting for a peer. Where this process itself had no time for it, the turn goes on,
 * or all that wait would have begun; not for ever, since a peer that is silent can not be told from one that waits for us.
 */
export class Turns {
  readonly #atOnce: number;
  readonly #turnMs: number;
  readonly #isBusy: () => boolean;
  readonly #waiting = new Map<string, Turn[]>();
  readonly #running = new Map<Turn, NodeJS.Timeout>();

  constructor(atOnce: number, turnMs: number, isBusy: () => boolean) {
    this.#atOnce = atOnce;
    this.#turnMs = turnMs;
    this.#isBusy = isBusy;
  }

  ask(group: string, turn: Turn): void {
    const queue = this.#waiting.get(group);
    if (queue) queue.push(turn);
    else this.#waiting.set(group, [turn]);
    this.#next();
  }

  end(turn: Turn): void {
    const timer = this.#running.get(turn);
    if (!timer) return;
    clearTimeout(timer);
    this.#running.delete(turn);
    this.#next();
  }

  #next(): void {
    while (this.#running.size < this.#atOnce) {
      const [first] = this.#waiting;
      if (!first) return;
      const [group, queue] = first;
      const turn = queue.shift();
      this.#waiting.delete(group);
      if (queue.length > 0) this.#waiting.set(group, queue);
      if (turn) this.#begin(turn);
    }
  }

  #begin(turn: Turn): void {
    if (turn.begin()) this.#allow(turn, longestTurns);
  }

  #allow(turn: Turn, turns: number): void {
    const over = () => {
      if (turns > 1 && this.#isBusy()) this.#allow(turn, turns - 1);
      else this.end(turn);
    };
    this.#running.set(turn, setTimeout(over, this.#turnMs).unref());
  }
}
