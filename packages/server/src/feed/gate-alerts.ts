import type { LeaseRequest } from '@portcullis/contract';
import type { AlertsRaised } from '../alerts/alerts.ts';
import type { Journal } from '../journal/journal.ts';
import type { Store } from '../storage/storage.ts';
import type { Log, System } from '../telemetry/telemetry.ts';
import type { AbleGates } from './able-gates.ts';
import { ClonesByPlace } from './clones-by-place.ts';
import type { LeaseBook } from './lease-book.ts';
import { LeaseWatch } from './lease-watch.ts';
import { MissingReadings } from './missing-readings.ts';
import { Refusals } from './refusals.ts';

interface Parts {
  store: Store;
  journal: Pick<Journal, 'note'>;
  alerts: AlertsRaised;
  system: Pick<System, 'now'>;
  log: Log;
  leaseMs: number;
  /** So many refusals of one subject within a minute, at all gates together, ring. */
  refusalsPerMinute: number;
  /** What has been missing for longer of what a device counted rings. */
  missingMs: number;
  book: Pick<LeaseBook, 'instances'>;
  able: Pick<AbleGates, 'at'>;
}

/** What rings of what gates tell: a lease that is lost, a subject that is refused again and again, whose readings are missing, or that is in two places. */
export class GateAlerts {
  readonly #leases: LeaseWatch;
  readonly #refusals: Refusals;
  readonly #missing: MissingReadings;
  readonly #clones: ClonesByPlace;
  readonly #timer: NodeJS.Timeout;

  private constructor(
    parts: ConstructorParameters<typeof ClonesByPlace>[0] & { leaseMs: number },
    [leases, refusals, missing]: [LeaseWatch, Refusals, MissingReadings],
  ) {
    [this.#leases, this.#refusals, this.#missing] = [leases, refusals, missing];
    this.#clones = new ClonesByPlace(parts);
    this.#timer = setInterval(() => this.look(), parts.leaseMs).unref();
  }

  static async open({ book, able, refusalsPerMinute: perMinute, ...parts }: Parts): Promise<GateAlerts> {
    const holds = (gate: string) => book.instances().some((one) => one.gate === gate && one.remainingMs > 0);
    const isAble = (gate: string) => able.at(parts.system.now()).includes(gate);
    const leases = await LeaseWatch.read({ ...parts, holds, isAble });
    const refusals = await Refusals.read({ ...parts, perMinute });
    return new GateAlerts(parts, [leases, refusals, await MissingReadings.read(parts)]);
  }

  renewed(gate: string, granted: boolean, counters: LeaseRequest['counters']): void {
    const { refusedMost = [], missing = [], twoPlaces = [] } = counters;
    if (granted) this.#leases.granted(gate);
    this.#refusals.note(gate, refusedMost);
    this.#missing.note(gate, missing);
    this.#clones.note(gate, twoPlaces);
  }

  released(gate: string): void {
    this.#leases.released(gate);
  }

  look(): void {
    this.#leases.look();
    this.#refusals.look();
    this.#refusals.ringing.look();
    this.#missing.ringing.look();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    const ringing = [this.#refusals.ringing, this.#missing.ringing, this.#clones];
    await Promise.all([this.#leases.written(), ...ringing.map((one) => one.written())]);
  }
}
