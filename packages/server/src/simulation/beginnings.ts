/** A connection that begins takes the loop some milliseconds. */
const perTurn = 16;

/**
 * So many devices begin something in one turn of the loop, the others in the next ones, in the order in which they came: of thousands that come due at once, those that are
 * under way would else wait for all others to begin, until their gates give them up.
 */
export class Beginnings {
  #left = perTurn;
  #waiting: (() => void)[] = [];
  #isDue = false;

  async turn(): Promise<void> {
    this.#renewLater();
    if (this.#left > 0 && this.#waiting.length === 0) {
      this.#left--;
      return;
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #renewLater(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => this.#renew());
  }

  #renew(): void {
    this.#isDue = false;
    const next = this.#waiting.splice(0, perTurn);
    this.#left = perTurn - next.length;
    if (this.#waiting.length > 0) this.#renewLater();
    for (const begin of next) begin();
  }
}
