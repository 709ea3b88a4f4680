import type { Store } from '../storage/storage.ts';

/**
 * Of a restored store: the authority that it was copied from may have granted leases since, and those are waited for before any receipt
 * is given (rule 6).
 */
export async function coverLeases(store: Store, leaseMs: number): Promise<void> {
  await (await Horizon.read(store)).cover(leaseMs);
}

/** How long the leases that were granted may last, on disk before they are granted (rule 6). */
export class Horizon {
  readonly #store: Store;
  #storedMs: number;

  private constructor(store: Store, storedMs: number) {
    this.#store = store;
    this.#storedMs = storedMs;
  }

  static async read(store: Store): Promise<Horizon> {
    const row = await store.read((db) =>
      db.selectFrom('settings').select('value').where('name', '=', 'leaseHorizonMs').executeTakeFirst(),
    );
    return new Horizon(store, Number(row?.value ?? 0));
  }

  get milliseconds(): number {
    return this.#storedMs;
  }

  /** Resolves once a lease of this length may be granted. A crash before leaves no lease, a crash after a wait for none. */
  async cover(leaseMs: number): Promise<void> {
    if (leaseMs > this.#storedMs) await this.write(leaseMs);
  }

  /** All leases were released or are over. */
  async write(milliseconds: number): Promise<void> {
    const row = { name: 'leaseHorizonMs', value: String(milliseconds) };
    await this.#store.change((db) =>
      db
        .insertInto('settings')
        .values(row)
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: row.value }))
        .execute(),
    );
    this.#storedMs = milliseconds;
  }
}
