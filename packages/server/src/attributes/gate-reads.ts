import { type GateReads, PortcullisError } from '@portcullis/contract';
import type { By, Journal } from '../journal/journal.ts';
import type { Reader, Store } from '../storage/storage.ts';

type Names = GateReads['reads'];

/**
 * Which attributes each gate may ask of the feed: a gate that is captured learns no others. Where nothing was said it may ask for any,
 * as those of earlier versions do.
 */
export class GateReadings {
  readonly #store: Store;
  readonly #journal: Journal;
  readonly #listeners = new Set<(gate: string) => void>();

  constructor({ store, journal }: { store: Store; journal: Journal }) {
    this.#store = store;
    this.#journal = journal;
  }

  /** Null: any. @throws {PortcullisError} `subject_unknown` where it is no gate */
  async of(gate: string): Promise<Names> {
    return this.#store.read((db) => readsOf(db, gate));
  }

  /** Decides nothing by itself: an entry in the journal, no revision. @throws {PortcullisError} `subject_unknown` */
  async change(by: By, gate: string, reads: Names): Promise<{ changed: 0 | 1 }> {
    const body = (changed: 0 | 1) => (changed === 1 ? { gate, reads } : undefined);
    const changed = await this.#journal.note({ ...by, action: 'gates.reads', body }, async (db): Promise<0 | 1> => {
      const before = await readsOf(db, gate);
      if (JSON.stringify(before && [...before].sort()) === JSON.stringify(reads && [...reads].sort())) return 0;
      await db
        .updateTable('subjects')
        .set({ reads: reads && JSON.stringify(reads) })
        .where('id', '=', gate)
        .execute();
      return 1;
    });
    if (changed === 1) for (const listener of this.#listeners) listener(gate);
    return { changed };
  }

  /** Called after each change. Returns how to stop. */
  onChange(listener: (gate: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @throws {PortcullisError} `attributes_not_allowed` */
  async require(gate: string, names: readonly string[]): Promise<void> {
    const reads: readonly string[] | null = await this.of(gate);
    const others = reads === null ? [] : names.filter((name) => !reads.includes(name));
    if (others.length === 0) return;
    const words = `"${gate}" may not ask for [${others.join(', ')}]; "portcullis gate reads ${gate}" says what it may`;
    throw new PortcullisError('attributes_not_allowed', words);
  }
}

async function readsOf(db: Reader, gate: string): Promise<Names> {
  const row = await db.selectFrom('subjects').select(['kind', 'reads']).where('id', '=', gate).executeTakeFirst();
  if (row?.kind !== 'gate') throw new PortcullisError('subject_unknown', `the fleet has no gate "${gate}"`);
  return row.reads === null ? null : (JSON.parse(row.reads) as Names);
}
