import { type AlertRetryRequest, PortcullisError } from '@portcullis/contract';
import type { Writer } from '../storage/storage.ts';

/** So many messages in one transaction; who wants more asks again. */
const retriedMax = 5_000;

/** What waits is due now; what is dead gets another day. Resolves to how many messages those are. */
export async function retryMessages(db: Writer, { alerts, target }: AlertRetryRequest, now: number): Promise<number> {
  if (alerts !== undefined) await requireAlerts(db, alerts);
  let select = db.selectFrom('alertMessages').select('number').where('state', 'in', ['waiting', 'dead']);
  if (target !== undefined) select = select.where('target', '=', target);
  if (alerts !== undefined) {
    select = select.where('number', 'in', (within) =>
      within
        .selectFrom('alertsOfMessages')
        .innerJoin('alerts', 'alerts.number', 'alertsOfMessages.alert')
        .select('alertsOfMessages.message')
        .where('alerts.id', 'in', alerts),
    );
  }
  const numbers = (await select.orderBy('number').limit(retriedMax).execute()).map(({ number }) => number);
  await db
    .updateTable('alertMessages')
    .set({ state: 'waiting', dueAt: now, attempts: 0, triedSince: now })
    .where('number', 'in', numbers)
    .execute();
  return numbers.length;
}

async function requireAlerts(db: Writer, ids: readonly string[]): Promise<void> {
  const rows = await db.selectFrom('alerts').select('id').where('id', 'in', ids).execute();
  const known = new Set(rows.map(({ id }) => id));
  const unknown = ids.find((id) => !known.has(id));
  if (unknown !== undefined) throw new PortcullisError('alert_unknown', `there is no alert "${unknown}"`);
}
