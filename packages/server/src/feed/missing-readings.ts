import { counted, type LeaseRequest } from '@portcullis/contract';
import type { AlertsRaised } from '../alerts/alerts.ts';
import type { Store } from '../storage/storage.ts';
import type { Log, System } from '../telemetry/telemetry.ts';

type Told = NonNullable<LeaseRequest['counters']['missing']>;

interface Parts {
  store: Store;
  alerts: AlertsRaised;
  system: Pick<System, 'now'>;
  log: Log;
  /** What has been missing for longer rings. */
  missingMs: number;
}

/** It is over once no gate told of it for so long: each tells with every renewal of its lease. */
const quietMs = 300_000;

/** Whose own count has gaps, as the gates tell it: what was withheld, lost, or dropped on its way. */
export class MissingReadings {
  readonly #parts: Parts;
  /** By subject that has an alert: when a gate told of it last. */
  readonly #ringing: Map<string, number>;
  #writing: Promise<void> = Promise.resolve();

  private constructor(parts: Parts, ringing: readonly string[]) {
    this.#parts = parts;
    const now = parts.system.now();
    this.#ringing = new Map(ringing.map((subject) => [subject, now]));
  }

  static async read(parts: Parts): Promise<MissingReadings> {
    const open = await parts.store.read((db) =>
      db.selectFrom('alerts').select('key').where('kind', '=', 'missing').where('settledAt', 'is', null).execute(),
    );
    return new MissingReadings(
      parts,
      open.map(({ key }) => key),
    );
  }

  note(gate: string, told: Told): void {
    const at = this.#parts.system.now();
    for (const { subject, readings, since } of told) {
      if (at - Date.parse(since) < this.#parts.missingMs) continue;
      const rings = this.#ringing.has(subject);
      this.#ringing.set(subject, at);
      if (rings) continue;
      const says = `of "${subject}" ${counted(readings, 'reading')} that it counted never came to ${gate}, since ${since}`;
      const detail = { readings, since, gate };
      this.#write((db) => this.#parts.alerts.raise(db, { kind: 'missing', subject, key: subject, at, says, detail }));
    }
  }

  /** To be called now and then: what is over is said to be. */
  look(): void {
    const now = this.#parts.system.now();
    for (const [subject, toldAt] of this.#ringing) {
      if (toldAt + quietMs > now) continue;
      this.#ringing.delete(subject);
      this.#write((db) => this.#parts.alerts.settle(db, 'missing', subject, now));
    }
  }

  /** What could not be written rings again the next time. */
  #write(work: Parameters<Store['change']>[0]): void {
    this.#writing = this.#writing
      .then(() => this.#parts.store.change(work))
      .then(() => undefined)
      .catch((error: unknown) => {
        this.#parts.log.error({ err: error }, "couldn't note whose readings are missing; trying again");
        this.#ringing.clear();
      });
  }

  /** Resolves once all is on disk that was noted. */
  written(): Promise<void> {
    return this.#writing;
  }
}
