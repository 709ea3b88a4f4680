import type { System } from '../../../telemetry/telemetry.ts';

/** When something was sent, by both clocks: a machine that was suspended has a monotonic one that stood still. */
export interface Stamp {
  readonly monotonic: number;
  readonly wall: number;
}

export const stamp = ({ monotonic, now }: Pick<System, 'monotonic' | 'now'>): Stamp => ({
  monotonic: monotonic(),
  wall: now(),
});

/** For others a term lasts longer, by what two clocks can drift apart meanwhile, and a rounding. */
const driftOf = 1.02;
const roundingMs = 2;
export const seenMs = (lengthMs: number) => lengthMs * driftOf + roundingMs;

/**
 * One process's leadership, under a random id of its own: it lasts from when its last renewal was sent, and is over as soon as one of both
 * clocks says so. Once over it stays so. Pure: who renews tells it when.
 */
export class Term {
  readonly id: string;
  readonly lengthMs: number;
  readonly #system: Pick<System, 'monotonic' | 'now'>;
  #sent: Stamp;
  #isOver = false;

  constructor(id: string, lengthMs: number, system: Pick<System, 'monotonic' | 'now'>, sent: Stamp) {
    this.id = id;
    this.lengthMs = lengthMs;
    this.#system = system;
    this.#sent = sent;
  }

  /** To be asked last, in the same turn as what it allows. */
  isOver(): boolean {
    const { monotonic, wall } = stamp(this.#system);
    const isPast = monotonic - this.#sent.monotonic >= this.lengthMs || wall - this.#sent.wall >= this.lengthMs;
    if (isPast) this.#isOver = true;
    return this.#isOver;
  }

  /** The database has a renewal that was sent then. An answer that comes once the term is over changes nothing. */
  renewed(sent: Stamp): void {
    if (!this.isOver() && sent.monotonic > this.#sent.monotonic) this.#sent = sent;
  }

  end(): void {
    this.#isOver = true;
  }
}

/** What a row of leadership was seen to say: another beat or another term is another one, and so is another database. */
export interface SeenRow {
  readonly term: string;
  readonly beat: number;
  readonly termMs: number;
  /** Of the database that said so (rule 19). */
  readonly history: string;
}

/**
 * Of who looks at somebody else's term: it is over when the row did not change for that whole term and a margin, counted from when the
 * first answer came. What it says of time is said by the looker's own clock; the database's decides nothing.
 */
export class Watched {
  readonly #monotonic: () => number;
  #seen: SeenRow | undefined;
  #since = 0;

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
  }

  /** Milliseconds until it may be taken, if it stays as it is; 0: now. */
  saw(row: SeenRow): number {
    const seen = this.#seen;
    const isSame = seen?.term === row.term && seen.beat === row.beat && seen.history === row.history;
    if (!isSame) {
      this.#seen = row;
      this.#since = this.#monotonic();
    }
    return Math.max(0, this.#since + seenMs(row.termMs) - this.#monotonic());
  }
}
