import { type Fill, isFilling, isFull } from './fill.ts';

const shareOf = (fill: Pick<Fill, 'live' | 'room'>) => (isFull(fill) ? 2 : isFilling(fill) ? 1 : 0);
/** What followed another since is counted twice until it is counted anew: so often at most. */
const countedAnewShare = 1 / 100;

/** Between two hours many may enrol: whether it is time to count anew. */
export class FillMark {
  readonly #perCertificates: number;
  #last: Pick<Fill, 'live' | 'room'> | undefined;
  #issued = 0;

  constructor(perCertificates: number) {
    this.#perCertificates = perCertificates;
  }

  /** What is issued from now on may not be in the count. */
  counting(): void {
    this.#last = undefined;
    this.#issued = 0;
  }

  /** True where enough came meanwhile that it is time to count once more. */
  counted({ live, room }: Fill): boolean {
    this.#last = { live, room };
    return this.#isDue();
  }

  /** One more was. True once for each count: a next share of the room is reached, if each of them lives. */
  issued(): boolean {
    this.#issued += 1;
    return this.#isDue();
  }

  #isDue(): boolean {
    if (!this.#last || this.#issued < this.#perCertificates * countedAnewShare) return false;
    const { live, room } = this.#last;
    const isReached = shareOf({ live: live + this.#issued, room }) > shareOf(this.#last);
    if (isReached) this.#last = undefined;
    return isReached;
  }
}
