import type { AlertsRaised, Raised } from '../alerts/alerts.ts';
import type { Store } from '../storage/storage.ts';
import type { Log, System } from '../telemetry/telemetry.ts';

export interface RingingParts {
  store: Store;
  alerts: AlertsRaised;
  system: Pick<System, 'now'>;
  log: Log;
}

/** It is over once no gate told of it for so long: each tells with every renewal of its lease. */
const quietMs = 300_000;

/** One alert for each subject that gates tell of, from the first time until it has been quiet for a while. */
export class Ringing {
  readonly #parts: RingingParts;
  readonly #kind: Raised['kind'];
  /** By subject that has an alert: when it was told of last. */
  readonly #subjects: Map<string, number>;
  #writing: Promise<void> = Promise.resolve();

  private constructor(parts: RingingParts, kind: Raised['kind'], subjects: readonly string[]) {
    [this.#parts, this.#kind] = [parts, kind];
    const now = parts.system.now();
    this.#subjects = new Map(subjects.map((subject) => [subject, now]));
  }

  /** What rang before a restart rings until it has been quiet since. */
  static async read(parts: RingingParts, kind: Raised['kind']): Promise<Ringing> {
    const open = await parts.store.read((db) =>
      db.selectFrom('alerts').select('key').where('kind', '=', kind).where('settledAt', 'is', null).execute(),
    );
    return new Ringing(
      parts,
      kind,
      open.map(({ key }) => key),
    );
  }

  /** `describe`: asked where it does not ring already. */
  told(subject: string, at: number, describe: () => Pick<Raised, 'says' | 'detail'>): void {
    const rings = this.#subjects.has(subject);
    this.#subjects.set(subject, at);
    if (rings) return;
    const raised = { kind: this.#kind, subject, key: subject, at, ...describe() };
    this.#write((db) => this.#parts.alerts.raise(db, raised));
  }

  /** To be called now and then: what is over is said to be. */
  look(): void {
    const now = this.#parts.system.now();
    for (const [subject, toldAt] of this.#subjects) {
      if (toldAt + quietMs > now) continue;
      this.#subjects.delete(subject);
      this.#write((db) => this.#parts.alerts.settle(db, this.#kind, subject, now));
    }
  }

  /** What could not be written rings again the next time. */
  #write(work: Parameters<Store['change']>[0]): void {
    this.#writing = this.#writing
      .then(() => this.#parts.store.change(work))
      .then(() => undefined)
      .catch((error: unknown) => {
        this.#parts.log.error({ err: error, kind: this.#kind }, "couldn't note what gates tell of; trying again");
        this.#subjects.clear();
      });
  }

  /** Resolves once all is on disk that was told. */
  written(): Promise<void> {
    return this.#writing;
  }
}
