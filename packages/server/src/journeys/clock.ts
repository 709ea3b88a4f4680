import type { Journal } from '../journal/journal.ts';
import type { Store } from '../storage/storage.ts';
import { refuse, stopWaiting } from './arrivals.ts';
import type { Rings } from './promises.ts';
import { type ArrivalRow, requireShipment, storeShipment, type Versions } from './shipment.ts';
import { ringLate } from './standing.ts';

interface Parts {
  store: Store;
  journal: Pick<Journal, 'note'>;
  alerts: Rings;
  versions: Versions;
  now(): number;
}

/** What one step looks at, so that no change waits long. */
const stepMax = 50;

/** What happens by the clock alone: a step that is late rings, and an arrival that waited for too long is an attempt. */
export class JourneyClock {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** True: there is more. */
  async tick(): Promise<boolean> {
    const late = await this.#ringLate();
    const ended = await this.#endWaiting();
    return late === stepMax || ended === stepMax;
  }

  async #ringLate(): Promise<number> {
    const { store, versions, alerts, now } = this.#parts;
    const due = await store.read((db) =>
      db
        .selectFrom('shipments')
        .select('id')
        .where('ringAt', 'is not', null)
        .where('ringAt', '<=', now())
        .orderBy('ringAt')
        .limit(stepMax)
        .execute(),
    );
    for (const { id } of due) {
      await store.change(async (db) => {
        const shipment = await requireShipment(db, versions, id);
        const { row } = shipment;
        if (row.ringAt === null || row.ringAt > now()) return;
        if (row.stopped === 0 && row.retired === 0) await ringLate(alerts, db, shipment, now());
        await db.updateTable('shipments').set({ ringAt: null }).where('id', '=', id).execute();
      });
    }
    return due.length;
  }

  async #endWaiting(): Promise<number> {
    const { store, now } = this.#parts;
    const over = await store.read((db) =>
      db
        .selectFrom('arrivals')
        .selectAll()
        .where('waitsUntil', 'is not', null)
        .where('waitsUntil', '<=', now())
        .orderBy('waitsUntil')
        .limit(stepMax)
        .execute(),
    );
    for (const arrival of over) await this.#end(arrival);
    return over.length;
  }

  #end({ number, shipment: id, arrival, step }: ArrivalRow): Promise<boolean> {
    const { journal, versions, alerts, now } = this.#parts;
    const said = { shipment: id, arrival, step, refused: 'too_late' };
    const entry = {
      actor: 'authority',
      action: 'arrival.expire',
      body: (ended: boolean) => (ended ? said : undefined),
    };
    return journal.note(entry, async (db) => {
      const shipment = await requireShipment(db, versions, id);
      const waiting = shipment.waiting.find((one) => one.number === number);
      if (!waiting) return false;
      const at = now();
      await stopWaiting({ alerts }, { db, at }, shipment, waiting);
      const why = 'what it waited for did not come in time';
      await refuse({ alerts }, { db, at }, waiting, { reason: 'too_late', why });
      await storeShipment(db, shipment);
      return true;
    });
  }
}
