interface Turn {
  /** Begins it; false: it is not wanted any more. */
  begin(): boolean;
}

/**
 * Only so many at once, the others one after the other, in turn by group: who asks a thousand times waits behind himself. A turn that does not
 * end is over after `turnMs`: it is the work that is bounded, not the waiting for a peer.
 */
export class Turns {
  readonly #atOnce: number;
  readonly #turnMs: number;
  readonly #waiting = new Map<string, Turn[]>();
  readonly #running = new Map<Turn, NodeJS.Timeout>();

  constructor(atOnce: number, turnMs: number) {
    this.#atOnce = atOnce;
    this.#turnMs = turnMs;
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
    if (!turn.begin()) return;
    this.#running.set(turn, setTimeout(() => this.end(turn), this.#turnMs).unref());
  }
}
