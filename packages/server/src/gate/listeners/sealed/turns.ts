/** Does some of what is to be done; false: nothing of it is left. */
export type Work = () => boolean;

/** A signature takes some 60 µs to check: about a millisecond, and then whatever else waits has its turn. */
const piecesPerTurn = 16;

/** Work of several requests, a piece of each after the other, and never more than a little before the event loop goes round. */
export class Turns {
  readonly #works: Work[] = [];
  #begun = false;

  add(work: Work): void {
    this.#works.push(work);
    if (this.#begun) return;
    this.#begun = true;
    this.#turn();
  }

  #turn(): void {
    for (let pieces = 0; pieces < piecesPerTurn; pieces++) {
      const work = this.#works.shift();
      if (!work) break;
      if (work()) this.#works.push(work);
    }
    this.#begun = this.#works.length > 0;
    if (this.#begun) setImmediate(() => this.#turn());
  }
}
