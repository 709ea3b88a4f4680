import { Buckets } from './buckets.ts';

export interface UnfinishedBytesTerms {
  /** A minute, of one address. */
  unfinishedBytesPerAddressMax: number;
  /** A minute, over all. */
  unfinishedBytesMax: number;
}

const minuteMs = 60_000;
const knownMax = 10_000;

/**
 * What a server says in a handshake is several times what it was asked, ten times with a chain of ML-DSA-65, and who asks needs no certificate.
 * So what went out for nothing is counted by address. What went into a handshake that was finished gives back as much: an address that many
 * devices share has more. When it was too much over all, only those come in of whose address somebody got through.
 */
export class UnfinishedBytes {
  readonly #ofEach: Buckets;
  readonly #ofAll: Buckets;
  /** Addresses of finished handshakes; the one that was heard of longest ago is forgotten first. */
  readonly #known = new Set<string>();
  #total = 0;

  constructor(
    { unfinishedBytesPerAddressMax, unfinishedBytesMax }: UnfinishedBytesTerms,
    { monotonic }: { monotonic(): number },
  ) {
    const bucket = (burst: number) => new Buckets({ burst, everyMs: minuteMs / burst, monotonic });
    [this.#ofEach, this.#ofAll] = [bucket(unfinishedBytesPerAddressMax), bucket(unfinishedBytesMax)];
  }

  /** Since the start. */
  get total(): number {
    return this.#total;
  }

  mayBegin(group: string): boolean {
    return this.#ofEach.has(group) && (this.#ofAll.has('') || this.#known.has(group));
  }

  finished(group: string, bytes: number): void {
    this.#ofEach.giveBack(group, bytes);
    this.#known.delete(group);
    this.#known.add(group);
    if (this.#known.size > knownMax) this.#known.delete(this.#known.values().next().value as string);
  }

  unfinished(group: string, bytes: number): void {
    if (bytes === 0) return;
    this.#total += bytes;
    this.#ofEach.spend(group, bytes);
    this.#ofAll.spend('', bytes);
  }
}
