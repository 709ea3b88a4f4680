import { type AlertKind, plain } from '@portcullis/contract';
import { sql } from 'kysely';
import type { Journal } from '../journal/journal.ts';
import type { Store, Writer } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';
import { listAlerts } from './list.ts';
import type { Alerts, Raised, Work } from './promises.ts';
import { retryMessages } from './retry.ts';

interface Parts {
  store: Store;
  journal: Pick<Journal, 'note'>;
  system: Pick<System, 'now' | 'random'>;
}

/** What one alert may say, so that a message of many fits into a mail and into who reads it. */
const saysLengthMax = 1_000;
const detailBytesMax = 8_192;

/** Names of alerts and messages are drawn, not counted: a store that was restored from a backup gives none a second time. */
const idBytes = 12;

export const newId = (system: Pick<System, 'random'>) => system.random(idBytes).toString('base64url');

/** Alerts on record. Nobody is told by this alone: see `openTelling`. */
export function openAlerts({ store, journal, system }: Parts): Alerts {
  const listeners = new Set<(why: Work) => void>();
  const work = (why: Work) => {
    for (const listener of listeners) listener(why);
  };
  return {
    async raise(db, alert) {
      if (await insert(db, alert, newId(system))) work('alert');
    },
    async settle(db, kind, key, at) {
      if (await settle(db, kind, key, at)) work('alert');
    },
    list: (query) => store.read((db) => listAlerts(db, query)),
    async test(by, { reason = by.reason }) {
      const [id, at] = [newId(system), system.now()];
      const says = `${by.actor} looks whether alerts arrive`;
      const alert = { kind: 'test', subject: null, key: id, at, says, detail: reason === undefined ? {} : { reason } };
      const entry = { ...by, reason, action: 'alerts.test', body: { alert: id } };
      await journal.note(entry, (db) => insert(db, alert as Raised, id));
      work('alert');
      return id;
    },
    async retry(by, request) {
      const { reason = by.reason, ...asked } = request;
      const entry = { ...by, reason, action: 'alerts.retry', body: (retried: number) => ({ ...asked, retried }) };
      const retried = await journal.note(entry, (db) => retryMessages(db, request, system.now()));
      work('retry');
      return retried;
    },
    onWork(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

async function insert(db: Writer, { kind, subject, key, at, says, detail }: Raised, id: string): Promise<boolean> {
  const { numInsertedOrUpdatedRows = 0n } = await db
    .insertInto('alerts')
    .values({
      id,
      kind,
      subject,
      key,
      at,
      says: sentenceOf(says),
      detail: detailOf(detail),
      settledAt: null,
      toRoute: 1,
    })
    .onConflict((conflict) => conflict.columns(['kind', 'key']).where('settledAt', 'is', null).doNothing())
    .executeTakeFirstOrThrow();
  return numInsertedOrUpdatedRows > 0n;
}

async function settle(db: Writer, kind: AlertKind, key: string, at: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('alerts')
    .set({ settledAt: at, toRoute: sql<number>`${sql.ref('toRoute')} | 2` })
    .where('kind', '=', kind)
    .where('key', '=', key)
    .where('settledAt', 'is', null)
    .executeTakeFirstOrThrow();
  return numUpdatedRows > 0n;
}

/** One line, whatever a name in it holds: it becomes the subject of a mail, and is read on terminals. */
function sentenceOf(says: string): string {
  return plain(says.toWellFormed().slice(0, saysLengthMax));
}

function detailOf(detail: Record<string, unknown>): string {
  const text = JSON.stringify(detail);
  return Buffer.byteLength(text) <= detailBytesMax ? text : JSON.stringify({ tooLarge: Buffer.byteLength(text) });
}
