import type { LeaseRequest } from '@portcullis/contract';
import type { AlertsRaised } from '../alerts/alerts.ts';
import type { Store } from '../storage/storage.ts';
import type { Log, System } from '../telemetry/telemetry.ts';

type Told = NonNullable<LeaseRequest['counters']['refusedMost']>;

interface Parts {
  store: Store;
  alerts: AlertsRaised;
  system: Pick<System, 'now'>;
  log: Log;
  /** So many refusals of one subject within a minute, at all gates together, ring. */
  perMinute: number;
}

interface OfSubject {
  gates: Map<string, { perMinute: number; at: number }>;
  reason: string;
}

/** What a gate told counts for so long: it tells of the last whole minute. */
const countedMs = 60_000;
/** It is over once it was below for so long. */
const quietMs = 300_000;
/** Gates tell a few each; of more those are forgotten that were told first. */
const subjectsMax = 10_000;

/** Who is refused again and again, as the gates tell it. What is below is of no interest to anybody. */
export class Refusals {
  readonly #parts: Parts;
  readonly #subjects = new Map<string, OfSubject>();
  /** By subject that has an alert: when it was above last. */
  readonly #ringing: Map<string, number>;
  #writing: Promise<void> = Promise.resolve();

  private constructor(parts: Parts, ringing: readonly string[]) {
    this.#parts = parts;
    const now = parts.system.now();
    this.#ringing = new Map(ringing.map((subject) => [subject, now]));
  }

  static async read(parts: Parts): Promise<Refusals> {
    const open = await parts.store.read((db) =>
      db.selectFrom('alerts').select('key').where('kind', '=', 'refusals').where('settledAt', 'is', null).execute(),
    );
    return new Refusals(
      parts,
      open.map(({ key }) => key),
    );
  }

  note(gate: string, told: Told): void {
    const at = this.#parts.system.now();
    for (const { subject, perMinute, reason } of told) {
      const known = this.#subjects.get(subject) ?? { gates: new Map(), reason };
      known.gates.set(gate, { perMinute, at });
      this.#subjects.delete(subject);
      this.#subjects.set(subject, { ...known, reason });
      if (this.#subjects.size > subjectsMax) this.#subjects.delete(this.#subjects.keys().next().value as string);
      this.#judge(subject, at);
    }
  }

  /** To be called now and then: what is over is said to be. */
  look(): void {
    const now = this.#parts.system.now();
    for (const [subject, { gates }] of this.#subjects) {
      for (const [gate, { at }] of gates) if (at + countedMs < now) gates.delete(gate);
      if (gates.size === 0) this.#subjects.delete(subject);
    }
    for (const [subject, since] of this.#ringing) {
      if (since + quietMs > now) continue;
      this.#ringing.delete(subject);
      this.#write((db) => this.#parts.alerts.settle(db, 'refusals', subject, now));
    }
  }

  #judge(subject: string, at: number): void {
    const { gates, reason } = this.#subjects.get(subject) as OfSubject;
    const fresh = [...gates.values()].filter((told) => told.at + countedMs >= at);
    const perMinute = fresh.reduce((sum, told) => sum + told.perMinute, 0);
    if (perMinute < this.#parts.perMinute) return;
    const rings = this.#ringing.has(subject);
    this.#ringing.set(subject, at);
    if (rings) return;
    const says = `"${subject}" was refused ${perMinute} times within a minute, last for ${reason}`;
    const detail = { perMinute, reason, gates: [...gates.keys()].slice(0, 20) };
    this.#write((db) => this.#parts.alerts.raise(db, { kind: 'refusals', subject, key: subject, at, says, detail }));
  }

  /** What could not be written rings again the next time. */
  #write(work: Parameters<Store['change']>[0]): void {
    this.#writing = this.#writing
      .then(() => this.#parts.store.change(work))
      .then(() => undefined)
      .catch((error: unknown) => {
        this.#parts.log.error({ err: error }, "couldn't note who is refused again and again; trying again");
        this.#ringing.clear();
      });
  }

  /** Resolves once all is on disk that was noted. */
  written(): Promise<void> {
    return this.#writing;
  }
}
