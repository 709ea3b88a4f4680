import type { Store } from '../storage/storage.ts';

/**
 * Of a restored store: the authority that it was copied from may have granted leases since, and those are waited for before any receipt
 * is given (rule 6).
 */
export async function coverLeases(store: Store, leaseMs: number): Promise<void> {
  await (await Horizon.read(store, leaseMs)).cover(leaseMs);
}

/** A row of it: whoever took the database over found it on another timeline. */
const unknown = 'leasesUnknown';

/** How long the leases that were granted may last, on disk before they are granted (rule 6). */
export class Horizon {
  readonly #store: Store;
  #storedMs: number;

  private constructor(store: Store, storedMs: number) {
    this.#store = store;
    this.#storedMs = storedMs;
  }

  /** `leaseMs`: what may have been granted where the database lost what was stored of it (rule 19). */
  static async read(store: Store, leaseMs: number): Promise<Horizon> {
    const rows = await store.read((db) =>
      db.selectFrom('settings').selectAll().where('name', 'in', ['leaseHorizonMs', unknown]).execute(),
    );
    const horizon = new Horizon(store, Number(rows.find(({ name }) => name !== unknown)?.value ?? 0));
    if (rows.some(({ name }) => name === unknown)) await horizon.write(Math.max(horizon.milliseconds, leaseMs));
    return horizon;
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
    await this.#store.change(async (db) => {
      await db
        .insertInto('settings')
        .values(row)
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: row.value }))
        .execute();
      await db.deleteFrom('settings').where('name', '=', unknown).execute();
    });
    this.#storedMs = milliseconds;
  }
}
