import type { Store } from '../storage/storage.ts';
import type { Log, System } from '../telemetry/telemetry.ts';

interface Parts {
  store: Store;
  system: Pick<System, 'now'>;
  log: Log;
}

/** What gates and desks say of the bundle that they go by, each few seconds: what is new of it is stored. */
export class HeldBundles {
  readonly #parts: Parts;
  readonly #known: Map<string, number>;
  #writing: Promise<void> = Promise.resolve();

  private constructor(parts: Parts, known: Map<string, number>) {
    this.#parts = parts;
    this.#known = known;
  }

  static async read(parts: Parts): Promise<HeldBundles> {
    const rows = await parts.store.read((db) => db.selectFrom('bundlesHeld').selectAll().execute());
    return new HeldBundles(parts, new Map(rows.map(({ subject, version }) => [subject, version])));
  }

  /** True where that is new. */
  heard(subject: string, version: number | undefined): boolean {
    if (version === undefined || this.#known.get(subject) === version) return false;
    this.#known.set(subject, version);
    const row = { subject, version, at: this.#parts.system.now() };
    this.#writing = this.#writing.then(() => this.#write(row));
    return true;
  }

  async #write(row: { subject: string; version: number; at: number }): Promise<void> {
    try {
      await this.#parts.store.change((db) =>
        db
          .insertInto('bundlesHeld')
          .values(row)
          .onConflict((conflict) => conflict.column('subject').doUpdateSet(row))
          .execute(),
      );
    } catch (error) {
      // It says so again in a few seconds.
      this.#known.delete(row.subject);
      this.#parts.log.error({ err: error }, "couldn't store which bundle a process holds");
    }
  }

  /** Resolves once what was heard is on disk. */
  settled(): Promise<void> {
    return this.#writing;
  }
}
