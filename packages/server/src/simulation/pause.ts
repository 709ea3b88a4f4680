/** Waiting that can be ended early, and for good. */
export class Pause {
  #end: () => void = () => undefined;
  #isOver = false;

  wait(milliseconds: number): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#end = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  end(): void {
    this.#end();
  }

  /** There is no waiting any more. */
  close(): void {
    this.#isOver = true;
    this.end();
  }
}
