import type { AlertsRaised } from '../alerts/alerts.ts';
import type { Store, Writer } from '../storage/storage.ts';
import type { Log, System } from '../telemetry/telemetry.ts';

interface Parts {
  store: Store;
  alerts: AlertsRaised;
  system: Pick<System, 'now'>;
  log: Log;
  /** An instance of the gate holds a lease. */
  holds(gate: string): boolean;
  /** It has a certificate of valid standing: one that was cut on purpose is not missed. */
  isAble(gate: string): boolean;
}

/**
 * Which gates hold a lease, on disk, so that one is missed also when the authority was away meanwhile. Lost is a lease that was not given
 * back and is still not there at the second look: a gate that is started anew takes the place of its last run.
 */
export class LeaseWatch {
  readonly #parts: Parts;
  /** By gate: how many looks it was missed at. */
  readonly #missed: Map<string, number>;
  #writing: Promise<void> = Promise.resolve();

  private constructor(parts: Parts, holders: readonly string[]) {
    this.#parts = parts;
    this.#missed = new Map(holders.map((gate) => [gate, 0]));
  }

  static async read(parts: Parts): Promise<LeaseWatch> {
    const rows = await parts.store.read((db) => db.selectFrom('leaseHolders').select('gate').execute());
    return new LeaseWatch(
      parts,
      rows.map(({ gate }) => gate),
    );
  }

  granted(gate: string): void {
    const known = this.#missed.has(gate);
    this.#missed.set(gate, 0);
    if (known) return;
    const since = this.#parts.system.now();
    this.#write(gate, async (db) => {
      const row = { gate, since };
      await db
        .insertInto('leaseHolders')
        .values(row)
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      await this.#parts.alerts.settle(db, 'lease_lost', gate, since);
    });
  }

  /** It was given back. */
  released(gate: string): void {
    if (this.#parts.holds(gate) || !this.#missed.delete(gate)) return;
    this.#write(gate, forget(gate));
  }

  /** To be called about once a lease. */
  look(): void {
    for (const [gate, missed] of this.#missed) {
      if (this.#parts.holds(gate)) this.#missed.set(gate, 0);
      else if (missed === 0) this.#missed.set(gate, 1);
      else this.#lost(gate);
    }
  }

  #lost(gate: string): void {
    this.#missed.delete(gate);
    const at = this.#parts.system.now();
    const able = this.#parts.isAble(gate);
    this.#write(gate, async (db) => {
      await forget(gate)(db);
      if (!able) return;
      const says = `gate "${gate}" let its lease run out: it refuses every reading until it has another`;
      await this.#parts.alerts.raise(db, { kind: 'lease_lost', subject: gate, key: gate, at, says, detail: { gate } });
    });
  }

  /** What could not be written is looked at again. */
  #write(gate: string, work: (db: Writer) => Promise<void>): void {
    this.#writing = this.#writing
      .then(() => this.#parts.store.change(work))
      .catch((error: unknown) => {
        this.#parts.log.error({ err: error, gate }, "couldn't note whether a gate holds a lease; trying again");
        this.#missed.set(gate, 0);
      });
  }

  /** Resolves once all is on disk that was noted. */
  written(): Promise<void> {
    return this.#writing;
  }
}

const forget = (gate: string) => async (db: Writer) => {
  await db.deleteFrom('leaseHolders').where('gate', '=', gate).execute();
};
