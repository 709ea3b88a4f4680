import type { Store } from '../storage/storage.ts';
import { aTurn, type Log, type System } from '../telemetry/telemetry.ts';
import { type Address, askSource } from './asking.ts';
import { inPieces, perTurn } from './hold-rows.ts';

interface Parts {
  store: Store;
  system: System;
  log: Log;
  /** By source, of those that are asked. */
  addresses: ReadonlyMap<string, Address & { everyMs: number }>;
  ask?: typeof askSource;
}

interface Asked {
  nextAt: number;
  running: Promise<void> | undefined;
  failed: string;
}

const lookMs = 1_000;

/**
 * Asks sources what became of alerts that fire: one that was silenced, or that its source has forgotten, is never said to be over. What is
 * found is shown beside the hold, and lifts nothing.
 */
export class Reconciling {
  readonly #parts: Parts;
  readonly #asked = new Map<string, Asked>();
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  begin(): void {
    if (this.#parts.addresses.size === 0) return;
    this.#timer ??= setInterval(() => this.#look(), lookMs).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all([...this.#asked.values()].map(({ running }) => running));
  }

  #look(): void {
    const now = this.#parts.system.monotonic();
    for (const [source, { everyMs }] of this.#parts.addresses) {
      const asked = this.#asked.get(source) ?? { nextAt: 0, running: undefined, failed: '' };
      this.#asked.set(source, asked);
      if (asked.running || now < asked.nextAt) continue;
      asked.nextAt = now + everyMs;
      asked.running = this.#askNow(source, asked).finally(() => {
        asked.running = undefined;
      });
    }
  }

  /** The same failure is said once. */
  async #askNow(source: string, asked: Asked): Promise<void> {
    try {
      await this.reconcile(source);
      asked.failed = '';
    } catch (error) {
      const { message } = error as Error;
      if (message !== asked.failed)
        this.#parts.log.warn({ source, why: message }, "couldn't ask a source what became of its alerts; trying again");
      asked.failed = message;
    }
  }

  /** Of the alerts that fire and hold something. */
  async reconcile(source: string): Promise<void> {
    const { store, system, addresses, ask = askSource } = this.#parts;
    const address = addresses.get(source);
    const before = await store.read((db) =>
      db
        .selectFrom('signals')
        .select(['key', 'seen', 'since'])
        .where('source', '=', source)
        .where('state', '=', 'firing')
        .where(({ exists, selectFrom }) =>
          exists(
            selectFrom('holds')
              .select('holds.id')
              .where('holds.endedAt', 'is', null)
              .whereRef('holds.source', '=', 'signals.source')
              .whereRef('holds.key', '=', 'signals.key'),
          ),
        )
        .execute(),
    );
    if (!address || before.length === 0) return;
    const known = await ask(address);
    await aTurn();
    const changed = before.flatMap(({ key, seen, since }) => {
      const found = known.get(key);
      const now = !found ? 'gone' : found.muted ? 'muted' : null;
      return now === seen ? [] : { key, since, seen: now };
    });
    if (changed.length === 0) return;
    await store.change(async (db) => {
      await inPieces(
        changed,
        async (some) => {
          for (const { key, since, seen } of some) {
            await db
              .updateTable('signals')
              .set({ seen, seenSince: seen === null ? null : system.now() })
              .where('source', '=', source)
              .where('key', '=', key)
              // It was not told anew since it was asked for.
              .where('since', '=', since)
              .where('state', '=', 'firing')
              .execute();
          }
        },
        perTurn,
      );
    });
  }
}
