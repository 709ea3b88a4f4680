/** What the two feeds of desks have in common: each tells all that there is, and then of what changes how it is now, read anew from the store. */
import type { Attributes } from '../attributes/attributes.ts';
import type { ChangeRecord, Journal } from '../journal/journal.ts';
import type { Reader, Store } from '../storage/storage.ts';

const beatMs = 500;

interface Merged {
  store: Store;
  attributes: Pick<Attributes, 'merged' | 'isBetween'>;
}

/** Of the newest revision, what a beat says. */
export function newestOf(journal: Pick<Journal, 'head'>): { revision: number; hash: string } {
  const { revision, revisionHash: hash } = journal.head();
  return { revision, hash };
}

/** What a bulk change put in force is in the rows once it is merged. */
export async function readMerged<Found>(
  { store, attributes }: Merged,
  work: (db: Reader) => Promise<Found>,
): Promise<Found> {
  for (;;) {
    await attributes.merged();
    const found = await store.read(async (db) => ((await attributes.isBetween(db)) ? undefined : await work(db)));
    if (found !== undefined) return found;
  }
}

/** The subjects of a bulk change, at most so many at once. */
export async function* subjectsIn(
  journal: Pick<Journal, 'deltasOf'>,
  record: ChangeRecord,
  atOnce: number,
): AsyncGenerator<string[]> {
  for await (const deltas of journal.deltasOf(record))
    for (let from = 0; from < deltas.length; from += atOnce)
      yield deltas.slice(from, from + atOnce).map(({ subject }) => subject);
}

/** At most so many of them, which are in it no more. */
export function taken(named: Set<string>, atOnce: number): string[] {
  const some = [...named].slice(0, atOnce);
  for (const one of some) named.delete(one);
  return some;
}

/** One step after another until the signal ends it; between two of them it waits to be woken. */
export class Steps {
  readonly #signal: AbortSignal;
  #wake: () => void = () => undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  wake(): void {
    this.#wake();
  }

  woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** `listen`: begins to hear what changes, and returns what ends that. */
  async run(
    step: () => Promise<void>,
    { listen, beat }: { listen: () => readonly (() => void)[]; beat: () => void },
  ): Promise<void> {
    const stops = listen();
    const beating = setInterval(beat, beatMs);
    const aborted = () => this.#wake();
    this.#signal.addEventListener('abort', aborted);
    try {
      while (!this.#signal.aborted) await step();
    } finally {
      for (const stop of stops) stop();
      clearInterval(beating);
      this.#signal.removeEventListener('abort', aborted);
    }
  }
}
