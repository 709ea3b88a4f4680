import { failures, PortcullisError, type SignalAnswer } from '@portcullis/contract';
import { Buckets, SharedBytes } from '../../bounds/bounds.ts';
import type { By } from '../../journal/journal.ts';
import type { Store } from '../../storage/storage.ts';
import type { Log, System } from '../../telemetry/telemetry.ts';
import type { Raised, Rings } from '../promises.ts';
import type { Delivery, SignalHeaders } from './delivery.ts';
import { DeliveryReading } from './delivery-reading.ts';
import { type Source, type SourceConfig, Sources } from './sources.ts';

type AllowedBy = Pick<By, 'requireAllowed'>;

interface Parts {
  sources: Sources;
  /** Resolves once all that follows is durable; the same delivery again changes nothing. */
  receive(source: string, delivery: Delivery, by?: AllowedBy): Promise<SignalAnswer>;
  /** Where it rings that a source is refused. */
  raise(alert: Raised): Promise<void>;
  log: Log;
  system: Pick<System, 'now' | 'monotonic'>;
  /** A sender that got no answer holds back what comes after: Alertmanager for ten seconds, and one that got a 503 for half of one. */
  deadlineMs?: number;
  /** How much memory bodies may take: of sources with a certificate, and of those without. */
  memory?: { proven: number; others: number };
}

const usualDeadlineMs = 2_000;
/** Four of the largest deliveries, and two; what strangers send has no part of what certificates prove. */
const usualMemory = { proven: 64 * 1024 * 1024, others: 32 * 1024 * 1024 };
/** The same of one source is told as often as this, */
const tellEveryMs = 60_000;
/** and rings as often as this. */
const ringEveryMs = 3_600_000;
/** What never can be taken, however often it is sent: its sender, or who poses as it, is wrong. */
const wrong: readonly string[] = ['signal_unproven', 'request_malformed', 'request_too_large'];
const final: readonly string[] = [...wrong, 'not_authenticated', 'kind_not_allowed'];

/**
 * From the bytes of a source that proved itself to an answer which is true: 2xx when it is on disk, 4xx for what never can be, and 503 for all that
 * may heal, within a deadline. What a sender repeats after a 503 may have been done meanwhile, and changes nothing then.
 */
export class SignalIntake {
  readonly sources: Sources;
  /** Memory of bodies: of sources with a certificate, and of those without. */
  readonly proven: SharedBytes;
  readonly others: SharedBytes;
  readonly #parts: Parts;
  readonly #reading = new DeliveryReading();
  readonly #telling: Buckets;
  readonly #ringing: Buckets;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.sources = parts.sources;
    const { proven, others } = parts.memory ?? usualMemory;
    this.proven = new SharedBytes(proven);
    this.others = new SharedBytes(others);
    const { monotonic } = parts.system;
    this.#telling = new Buckets({ burst: 1, everyMs: tellEveryMs, monotonic });
    this.#ringing = new Buckets({ burst: 1, everyMs: ringEveryMs, monotonic });
  }

  /** @throws {PortcullisError} `signals_busy`, and what is final */
  async take(source: Source, message: { headers: SignalHeaders; raw: Buffer }, by?: AllowedBy): Promise<SignalAnswer> {
    const { deadlineMs = usualDeadlineMs } = this.#parts;
    try {
      return await within(this.#follow(source, message, by), deadlineMs);
    } catch (error) {
      const told =
        error instanceof PortcullisError && (final.includes(error.code) || failures[error.code].status === 503);
      if (told) throw error;
      const why = `the signal of "${source.name}" could not be taken; the same one may be sent again`;
      throw new PortcullisError('signals_busy', why, { cause: error });
    }
  }

  /**
   * A request in the name of a source was refused for good: what a sender that is set up wrong loses is a cut. Whoever only tries names of sources
   * rings nothing.
   */
  async refused(name: string, error: unknown): Promise<void> {
    if (!(error instanceof PortcullisError) || !wrong.includes(error.code) || !this.sources.has(name)) return;
    this.#tell({ name }, error.code, error.message);
    const { code, message } = error;
    await this.#ring(name, code, `what was sent in the name of the source "${name}" was refused: ${message}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reading[Symbol.asyncDispose]();
  }

  async #follow(source: Source, { headers, raw }: { headers: SignalHeaders; raw: Buffer }, by?: AllowedBy) {
    const { name, format, certificate } = source;
    const budget = certificate ? this.proven : this.others;
    if (!budget.take(raw.length)) throw noRoom();
    try {
      const delivery = await this.#reading.read(format, headers, raw);
      for (const warning of delivery.warnings) this.#tell(source, 'warning', warning);
      if (delivery.truncated > 0) {
        const says = `the source "${name}" left out ${delivery.truncated} alerts of a delivery; its "max_alerts" must be 0`;
        await this.#ring(name, 'truncated', says);
      }
      return await this.#parts.receive(name, delivery, by);
    } finally {
      budget.give(raw.length);
    }
  }

  /** The same of one source is one alert of an hour, also over a restart. */
  async #ring(source: string, code: string, says: string): Promise<void> {
    if (!this.#ringing.take(`${source} ${code}`)) return;
    const { system, log, raise } = this.#parts;
    const at = system.now();
    const key = `${source} ${code} ${Math.floor(at / ringEveryMs)}`;
    await raise({ kind: 'signal_refused', subject: null, key, at, says, detail: { source, code } }).catch(
      (cause: unknown) => log.warn({ err: cause, source }, "couldn't keep that a source is refused"),
    );
  }

  #tell({ name: source }: Pick<Source, 'name'>, kind: string, why: string): void {
    if (!this.#telling.take(`${source} ${kind}`)) return;
    this.#parts.log.warn({ source, why }, 'what a source sends is not all as it should be');
  }
}

interface Opening extends Pick<Parts, 'receive' | 'log' | 'system'> {
  /** Where the files with secrets are named from. */
  directory: string;
  signals: Readonly<Record<string, SourceConfig>>;
  store: Store;
  alerts: Pick<Rings, 'raise'>;
}

/** @throws {PortcullisError} `config_invalid` */
export function openSignalIntake({ store, alerts, ...opening }: Opening): SignalIntake {
  const raise: Parts['raise'] = (alert) => store.change((db) => alerts.raise(db, alert));
  return new SignalIntake({ ...opening, raise, sources: new Sources(opening) });
}

export const noRoom = () =>
  new PortcullisError('signals_busy', 'other deliveries take all of the memory that there is for them');

/** What is late goes on, and its end is nobody's any more. */
async function within<Result>(work: Promise<Result>, deadlineMs: number): Promise<Result> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new PortcullisError('signals_busy', `it was not done within ${deadlineMs} ms; it may be by now`));
  }, deadlineMs);
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
