/** What every head of an answer ends with: the time, and what becomes of the connection. Made once a second. */
export class HeadEnds {
  readonly #now: () => number;
  readonly #stays: string;
  #second = Number.NaN;
  #date = '';

  constructor(now: () => number, idleMs: number) {
    this.#now = now;
    this.#stays = `connection: keep-alive\r\nkeep-alive: timeout=${Math.floor(idleMs / 1_000)}\r\n\r\n`;
  }

  of(closes: boolean): string {
    const now = this.#now();
    const second = Math.floor(now / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      this.#date = `date: ${new Date(now).toUTCString()}\r\n`;
    }
    return this.#date + (closes ? 'connection: close\r\n\r\n' : this.#stays);
  }
}
