const keptMax = 4_096;

/** The hashes of the newest revisions, so that a report on the way to a receipt is held against them without a look into the store. */
export class RecentHashes {
  readonly #hashes = new Map<number, string>();

  add(revision: number, hash: string): void {
    this.#hashes.set(revision, hash);
    this.#hashes.delete(revision - keptMax);
  }

  at(revision: number): string | undefined {
    return this.#hashes.get(revision);
  }
}
