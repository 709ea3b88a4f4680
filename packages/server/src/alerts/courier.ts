import type { Store } from '../storage/storage.ts';
import type { Log, System } from '../telemetry/telemetry.ts';
import { type Message, NotTold, type Teller } from './message.ts';
import type { AlertsRaised } from './promises.ts';
import { beginNext, buryOld, markFailed, markTold, wakeAll } from './queue.ts';
import type { Manner } from './routing.ts';

export interface CourierParts {
  store: Store;
  alerts: AlertsRaised;
  system: Pick<System, 'now' | 'random'>;
  log: Log;
  manner: Manner;
  teller: Teller;
  /** How long one try may take. */
  limitMs: number;
}

const firstPauseMs = 1_000;
const pauseMsMax = 3_600_000;
/** A target that answers at once is not asked more often than this. */
const pauseMsLeast = 100;

/** Tells one target, one message at a time. A target that is not there is asked at ever longer distances, whatever waits for it. */
export class Courier {
  readonly #parts: CourierParts;
  /** Tries that failed one after the other, and not for what was to be told. */
  #failures = 0;
  #pausedUntil = Number.NEGATIVE_INFINITY;
  #begun = false;

  constructor(parts: CourierParts) {
    this.#parts = parts;
  }

  get target(): string {
    return this.#parts.manner.name;
  }

  /** Tries the message that is due first. False: none is, or the target has a pause. */
  async step(signal: AbortSignal): Promise<boolean> {
    const { store, system, manner, limitMs } = this.#parts;
    const now = system.now();
    await this.#begin(now);
    if (now < this.#pausedUntil || (await this.#dueAt()) > now) return false;
    // What is told for so long at a time is made anew at each try: nothing is lost with what is known of one.
    const message = await store.change((db) => beginNext(db, manner, now), { durable: !manner.leases });
    if (!message) return false;
    try {
      await this.#parts.teller.tell(message, AbortSignal.any([signal, AbortSignal.timeout(limitMs)]));
    } catch (error) {
      // It is there, and is tried again under its id.
      if (signal.aborted) return false;
      await this.#failed(message, error);
      return true;
    }
    await this.#told(message);
    return true;
  }

  /** When `step` may have something to do, by the wall clock. */
  async nextAt(): Promise<number> {
    return Math.max(await this.#dueAt(), this.#pausedUntil);
  }

  /** An operator asks for it now. */
  tryNow(): void {
    this.#pausedUntil = Number.NEGATIVE_INFINITY;
  }

  /** What an earlier run could not tell is tried at once: somebody may have started this one to mend it. */
  async #begin(now: number): Promise<void> {
    if (this.#begun) return;
    await this.#parts.store.change((db) => wakeAll(db, this.target, now));
    this.#begun = true;
  }

  async #dueAt(): Promise<number> {
    const { store, manner } = this.#parts;
    const row = await store.read((db) =>
      db
        .selectFrom('alertMessages')
        .select('dueAt')
        .where('target', '=', manner.name)
        .where('dueAt', 'is not', null)
        .orderBy('dueAt')
        .limit(1)
        .executeTakeFirst(),
    );
    return row?.dueAt ?? Number.POSITIVE_INFINITY;
  }

  /** A crash before this is on disk tells it again, under the same id. */
  async #told(message: Message): Promise<void> {
    const { store, alerts, system, manner } = this.#parts;
    const now = system.now();
    this.#failures = 0;
    this.#pausedUntil = Number.NEGATIVE_INFINITY;
    await store.change(
      async (db) => {
        await markTold(db, message, manner, now);
        await alerts.settle(db, 'outbox_dead', manner.name, now);
      },
      { durable: false },
    );
  }

  async #failed(message: Message, error: unknown): Promise<void> {
    const { store, alerts, system, manner, log } = this.#parts;
    const { messageAlone = false, retryAfterMs = 0 } = error instanceof NotTold ? error : {};
    const [now, why] = [system.now(), wordsOf(error)];
    if (!messageAlone) this.#failures++;
    const tries = messageAlone ? message.attempts + 1 : this.#failures;
    const nextAt = now + Math.max(retryAfterMs, this.#pauseMs(tries));
    if (!messageAlone) this.#pausedUntil = nextAt;
    const alone = messageAlone ? message.number : undefined;
    const dead = await store.change(async (db) => {
      await markFailed(db, message, why, nextAt);
      return buryOld(db, manner, { alerts, why, now, alone });
    });
    const about = { target: manner.name, message: message.id, dead };
    if (dead > 0) log.error(about, `outbox_dead: a target of alerts could not be told for a day: ${why}`);
    else log.warn(about, `a target of alerts was not told; trying again: ${why}`);
  }

  /** Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ */
  #pauseMs(tries: number): number {
    const { system, manner } = this.#parts;
    const { leases, repeatMs } = manner;
    // What is told for so long at a time must be told again within it.
    const longest = leases ? Math.min(repeatMs, pauseMsMax) : pauseMsMax;
    const most = Math.min(firstPauseMs * 2 ** Math.min(tries, 20), longest);
    const share = system.random(4).readUInt32BE() / 2 ** 32;
    return Math.max(pauseMsLeast, Math.round(share * most));
  }
}

const wordsMax = 500;

function wordsOf(error: unknown): string {
  const { name, message, code } = error as NodeJS.ErrnoException;
  if (name === 'TimeoutError') return 'it did not answer in time';
  const words = message || code || name;
  return words.slice(0, wordsMax);
}
