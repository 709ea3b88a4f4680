import type { LeaseRequest } from '@portcullis/contract';
import type { AlertsRaised } from '../alerts/alerts.ts';
import type { Store } from '../storage/storage.ts';
import type { Log, System } from '../telemetry/telemetry.ts';
import type { AbleGates } from './able-gates.ts';
import type { LeaseBook } from './lease-book.ts';
import { LeaseWatch } from './lease-watch.ts';
import { MissingReadings } from './missing-readings.ts';
import { Refusals } from './refusals.ts';

interface Parts {
  store: Store;
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

/** What rings of what gates tell: a lease that is lost, a subject that is refused again and again, or whose readings are missing. */
export class GateAlerts {
  readonly #leases: LeaseWatch;
  readonly #refusals: Refusals;
  readonly #missing: MissingReadings;
  readonly #timer: NodeJS.Timeout;

  private constructor(leases: LeaseWatch, refusals: Refusals, missing: MissingReadings, leaseMs: number) {
    [this.#leases, this.#refusals, this.#missing] = [leases, refusals, missing];
    this.#timer = setInterval(() => this.look(), leaseMs).unref();
  }

  static async open({ book, able, refusalsPerMinute: perMinute, ...parts }: Parts): Promise<GateAlerts> {
    const holds = (gate: string) => book.instances().some((one) => one.gate === gate && one.remainingMs > 0);
    const isAble = (gate: string) => able.at(parts.system.now()).includes(gate);
    const leases = await LeaseWatch.read({ ...parts, holds, isAble });
    const refusals = await Refusals.read({ ...parts, perMinute });
    return new GateAlerts(leases, refusals, await MissingReadings.read(parts), parts.leaseMs);
  }

  renewed(gate: string, granted: boolean, { refusedMost = [], missing = [] }: LeaseRequest['counters']): void {
    if (granted) this.#leases.granted(gate);
    this.#refusals.note(gate, refusedMost);
    this.#missing.note(gate, missing);
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
    await Promise.all([this.#leases.written(), this.#refusals.ringing.written(), this.#missing.ringing.written()]);
  }
}
