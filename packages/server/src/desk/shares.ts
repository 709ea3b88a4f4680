import { addressGroup } from '../bounds/bounds.ts';

/** How many of something there may be at once, of all and of one address: nobody takes what is for others (IPv6 counts by /64). */
export class Shares {
  readonly #max: number;
  readonly #eachMax: number;
  readonly #taken = new Map<string, number>();
  #all = 0;

  constructor(max: number, eachMax: number) {
    this.#max = max;
    this.#eachMax = eachMax;
  }

  get taken(): number {
    return this.#all;
  }

  /** How to give it back, which is done once; undefined: there is none left. */
  take(address: string): (() => void) | undefined {
    const group = addressGroup(address);
    const taken = this.#taken.get(group) ?? 0;
    if (this.#all >= this.#max || taken >= this.#eachMax) return undefined;
    this.#taken.set(group, taken + 1);
    this.#all++;
    return () => this.#give(group);
  }

  #give(group: string): void {
    this.#all--;
    const left = (this.#taken.get(group) ?? 0) - 1;
    if (left > 0) this.#taken.set(group, left);
    else this.#taken.delete(group);
  }
}
