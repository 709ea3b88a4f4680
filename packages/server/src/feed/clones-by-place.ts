import type { LeaseRequest } from '@portcullis/contract';
import { type AlertsRaised, type Raised, suspectedClone } from '../alerts/alerts.ts';
import type { Journal } from '../journal/journal.ts';
import type { Log, System } from '../telemetry/telemetry.ts';

type Told = NonNullable<LeaseRequest['counters']['twoPlaces']>;

interface Parts {
  journal: Pick<Journal, 'note'>;
  alerts: AlertsRaised;
  system: Pick<System, 'now'>;
  log: Log;
}

/** Of so many it is known that they rang today; of more the journal may say it twice. */
const rangMax = 10_000;

/** Certificates that are live from two places in turn, as gates tell it: once a day for each, like clones that a renewal shows. */
export class ClonesByPlace {
  readonly #parts: Parts;
  readonly #rang = new Set<string>();
  #writing: Promise<void> = Promise.resolve();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  note(gate: string, told: Told): void {
    for (const { subject, certificate: fingerprint } of told) {
      const says = `its certificate is live from two places in turn, at ${gate}`;
      const alert = suspectedClone({ subject, fingerprint }, { says, at: this.#parts.system.now(), gate });
      if (this.#rang.has(alert.key)) continue;
      this.#rang.add(alert.key);
      if (this.#rang.size > rangMax) this.#rang.delete(this.#rang.keys().next().value as string);
      this.#ring(gate, fingerprint, alert);
    }
  }

  /** Resolves once all is on disk that was told. */
  written(): Promise<void> {
    return this.#writing;
  }

  #ring(gate: string, fingerprint: string, alert: Raised): void {
    const { journal, alerts, log } = this.#parts;
    const { subject } = alert;
    const entry = { actor: gate, action: 'clone_suspected', body: { subject, fingerprint } };
    this.#writing = this.#writing
      .then(() => journal.note(entry, (db) => alerts.raise(db, alert)))
      .catch((error: unknown) => {
        log.error({ err: error, subject }, "couldn't note that a certificate is live from two places; trying again");
        this.#rang.delete(alert.key);
      });
  }
}
