import type { Store } from '../storage/storage.ts';
import type { Log, System } from '../telemetry/telemetry.ts';

interface Parts {
  store: Store;
  system: Pick<System, 'now' | 'monotonic'>;
  log: Log;
}

/** A process that said nothing for so long is over: each says it every few seconds. */
const silentMsMax = 60_000;
/** Of one identity. More are made by restarts alone: the one heard the longest ago gives way. */
const instancesMax = 16;

/**
 * What gates and desks say of the bundle that they go by, each few seconds: what is new of it is stored. Of several processes of one identity
 * the one counts that is behind; after a start of the authority, as soon as it has spoken.
 */
export class HeldBundles {
  readonly #parts: Parts;
  readonly #known: Map<string, number>;
  /** By subject and instance; the one heard the longest ago stands first. */
  readonly #instances = new Map<string, Map<string, { version: number; heardAt: number }>>();
  #writing: Promise<void> = Promise.resolve();

  private constructor(parts: Parts, known: Map<string, number>) {
    this.#parts = parts;
    this.#known = known;
  }

  static async read(parts: Parts): Promise<HeldBundles> {
    const rows = await parts.store.read((db) => db.selectFrom('bundlesHeld').selectAll().execute());
    return new HeldBundles(parts, new Map(rows.map(({ subject, version }) => [subject, version])));
  }

  /** `instance`: which of its processes says so. True where that is new. */
  heard(subject: string, said: number | undefined, instance = ''): boolean {
    if (said === undefined) return false;
    const version = this.#leastOf(subject, instance, said);
    if (this.#known.get(subject) === version) return false;
    this.#known.set(subject, version);
    const row = { subject, version, at: this.#parts.system.now() };
    this.#writing = this.#writing.then(() => this.#write(row));
    return true;
  }

  #leastOf(subject: string, instance: string, version: number): number {
    const heardAt = this.#parts.system.monotonic();
    const instances = this.#instances.get(subject) ?? new Map<string, { version: number; heardAt: number }>();
    this.#instances.set(subject, instances);
    instances.delete(instance);
    instances.set(instance, { version, heardAt });
    for (const [name, one] of instances)
      if (heardAt - one.heardAt > silentMsMax || instances.size > instancesMax) instances.delete(name);
    return Math.min(...[...instances.values()].map((one) => one.version));
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
