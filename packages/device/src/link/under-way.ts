/** What is under way, so that it can be waited for before its connections end. */
export class UnderWay {
  readonly #works = new Set<Promise<unknown>>();

  /** Counts the work until it has ended, well or not. */
  async during<Value>(work: Promise<Value>): Promise<Value> {
    this.#works.add(work);
    try {
      return await work;
    } finally {
      this.#works.delete(work);
    }
  }

  /** Resolves once all that is under way now has ended, and at the latest after so long. */
  async ended(milliseconds: number): Promise<void> {
    if (this.#works.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, milliseconds);
    });
    await Promise.race([Promise.allSettled(this.#works), late]);
    clearTimeout(timer);
  }
}
