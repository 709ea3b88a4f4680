export interface Clocks {
  monotonic(): number;
  now(): number;
}

/** When a renewal was sent, by both clocks. */
export interface Sent {
  monotonic: number;
  wall: number;
}

/**
 * A gate's time-bounded right to decide (rule 1). It counts from when the renewal was *sent*, and it is over when either
 * clock says so: a monotonic clock can stand still while a machine sleeps, a wall clock can be set back.
 */
export class Lease {
  readonly #clocks: Clocks;
  #endsMonotonic = Number.NEGATIVE_INFINITY;
  #endsWall = Number.NEGATIVE_INFINITY;
  #term = 0;

  constructor(clocks: Clocks) {
    this.#clocks = clocks;
  }

  sending(): Sent {
    return { monotonic: this.#clocks.monotonic(), wall: this.#clocks.now() };
  }

  granted(sent: Sent, leaseMs: number): void {
    const ends = this.startOf(sent).monotonic + leaseMs;
    if (ends <= this.#endsMonotonic) return;
    if (!this.holds()) this.#term++;
    this.#endsMonotonic = ends;
    this.#endsWall = this.startOf(sent).wall + leaseMs;
  }

  /** From when a grant counts. */
  protected startOf(sent: Sent): Sent {
    return sent;
  }

  end(): void {
    this.#endsMonotonic = Number.NEGATIVE_INFINITY;
  }

  holds(): boolean {
    return this.#clocks.monotonic() < this.#endsMonotonic && this.#clocks.now() < this.#endsWall;
  }

  /** Which unbroken run of the lease holds now: the same number at two times means that it held in between. */
  term(): number | undefined {
    return this.holds() ? this.#term : undefined;
  }

  remainingMs(): number {
    return this.holds() ? this.#endsMonotonic - this.#clocks.monotonic() : 0;
  }
}
