import type { Looked } from '../promises.ts';

/** What the sink is told of batches with the sink's own numbers. */
export interface Told {
  looked: number;
  quarantine: number[];
  unproven: number[];
}

export const nothingTold: Told = { looked: 0, quarantine: [], unproven: [] };

interface Direct {
  gate: number;
  sink: number;
}

/**
 * The gate numbers its batches as they come; the sink sees those that go to it at once, and between them those that the spool stores later. So each has
 * numbers of its own from the start of this process on, which this class translates.
 */
export class BatchNumbers {
  /** Up to this one the gate speaks of what was there at the start. */
  readonly base: number;
  /** What was there at the start has one number, up to this one; 0 while the sink is not there yet, and nobody speaks of it. */
  #before = 0;
  /** The last number that was given in the sink. */
  #last = 0;
  /** Those that went to the sink at once, and are not settled for good. */
  #direct: Direct[] = [];
  /** Up to which the sink has been told, or the spool has on record, that they were looked at. */
  #looked = 0;
  /** Of what an earlier process sent at once, what is not settled. */
  readonly #open = new Set<number>();
  /** Of the gate's own numbers: up to this one it has said what is proven. */
  #proven = 0;
  #drained = 0;
  #provenTold = 0;

  constructor(base: number) {
    this.base = base;
  }

  /** The sink is there: what is given from now on comes after this number. */
  begin(before: number, open: readonly number[]): void {
    this.#before = this.#last = this.#looked = before;
    for (const batch of open) this.#open.add(batch);
  }

  get last(): number {
    return this.#last;
  }

  get looked(): number {
    return this.#looked;
  }

  /** For a batch that is tried at once. */
  takeFor(gate: number): number {
    this.#direct.push({ gate, sink: ++this.#last });
    return this.#last;
  }

  /** For one that the spool stores. */
  take(): number {
    return ++this.#last;
  }

  /** It went into the spool: what became of it in the sink is given up under the sink's number. */
  drop(gate: number): void {
    this.#direct = this.#direct.filter((one) => one.gate !== gate);
  }

  /** Undefined: it came from the spool, or is given up. */
  gateOf(sink: number): number | undefined {
    return sink <= this.#before ? sink : this.#direct.find((one) => one.sink === sink)?.gate;
  }

  of({ looked, quarantine, unproven }: Looked): Told {
    const inSink = (gate: number) =>
      gate <= this.base ? [gate] : this.#direct.flatMap((one) => (one.gate === gate ? [one.sink] : []));
    return { looked: this.#upTo(looked), quarantine: quarantine.flatMap(inSink), unproven: unproven.flatMap(inSink) };
  }

  /** Those that the sink does not hear of in time: they become readable later, so none of them is ever proven. */
  late({ looked }: Looked, { quarantine }: Told): number[] {
    return this.#direct
      .filter((one) => one.gate <= looked && one.sink > this.#looked && !quarantine.includes(one.sink))
      .map(({ sink }) => sink);
  }

  says({ looked, quarantine, unproven }: Told): boolean {
    return looked > this.#looked || quarantine.length + unproven.length > 0;
  }

  /** The sink was told, or it is on record that it is to be told. */
  heard(told: Told, { proven }: Looked): void {
    this.#looked = Math.max(this.#looked, told.looked);
    this.#proven = Math.max(this.#proven, proven);
    const settled = this.#direct.filter(({ gate }) => gate <= this.#proven);
    this.#direct = [...settled.slice(-1), ...this.#direct.filter(({ gate }) => gate > this.#proven)];
  }

  /** What the spool has stored, and named unproven. */
  drained(sink: number): void {
    this.#drained = sink;
    this.#looked = Math.max(this.#looked, sink);
  }

  settled(batch: number): void {
    for (const open of this.#open) if (open <= batch) this.#open.delete(open);
  }

  /** Up to which everything is proven or named, with what the gate has just said. */
  provenWith(proven: number): number {
    if (this.#open.size > 0) return 0;
    const gate = Math.max(this.#proven, proven);
    const next = this.#direct.find((one) => one.gate > gate);
    if (next) return next.sink - 1;
    return Math.max(this.#upTo(gate), this.#drained);
  }

  get provable(): number {
    return this.provenWith(this.#proven);
  }

  /** More can be called proven than the sink was told. */
  get isProvenDue(): boolean {
    return this.provable > this.#provenTold;
  }

  provenTold(proven: number): void {
    this.#provenTold = Math.max(this.#provenTold, proven);
  }

  #upTo(gate: number): number {
    if (gate <= this.base) return Math.min(gate, this.#before);
    return this.#direct.findLast((one) => one.gate <= gate)?.sink ?? this.#before;
  }
}
