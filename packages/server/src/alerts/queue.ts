import { type AlertKind, type AlertPhase, alertKinds, counted } from '@portcullis/contract';
import { type Selectable, sql } from 'kysely';
import type { Schema, Writer } from '../storage/storage.ts';
import type { Message, ToldAlert } from './message.ts';
import type { AlertsRaised } from './promises.ts';
import type { Manner } from './routing.ts';

type Row = Selectable<Schema['alertMessages']>;

/** What is not told for so long is a dead letter. */
export const triedForMs = 86_400_000;
/** How long a moment's alert is kept alive at a target that is told for so long at a time. */
const momentMs = 3_600_000;

/**
 * The message that is due first; begun with, it takes no further alert. That one is begun with is on disk before anything is sent: after
 * a crash the same id says the same. That alerts are over is told behind that they are there.
 */
export async function beginNext(db: Writer, manner: Manner, now: number): Promise<Message | undefined> {
  for (;;) {
    const row = await firstDue(db, manner.name, now);
    if (!row) return undefined;
    const repeats = row.state === 'told';
    const begun = {
      ...{ state: 'waiting', repeats: row.repeats + Number(repeats) },
      triedSince: repeats || row.triedSince === null ? now : row.triedSince,
    };
    const alerts = await alertsOf(db, { ...row, ...begun }, manner);
    const set = alerts.length === 0 ? { dueAt: null, state: repeats ? 'told' : 'withdrawn' } : begun;
    await db.updateTable('alertMessages').set(set).where('number', '=', row.number).execute();
    if (alerts.length > 0) return messageOf({ ...row, ...begun }, alerts);
  }
}

function firstDue(db: Writer, target: string, now: number): Promise<Row | undefined> {
  return db
    .selectFrom('alertMessages')
    .selectAll()
    .where('target', '=', target)
    .where('dueAt', 'is not', null)
    .where('dueAt', '<=', now)
    .where(({ or, not, exists, selectFrom, eb }) =>
      or([
        eb('phase', '=', 'raised'),
        not(
          exists(
            selectFrom('alertsOfMessages as mine')
              .innerJoin('alertsOfMessages as same', 'same.alert', 'mine.alert')
              .innerJoin('alertMessages as before', 'before.number', 'same.message')
              .select('before.number')
              .whereRef('mine.message', '=', 'alertMessages.number')
              .where('before.target', '=', target)
              .where('before.phase', '=', 'raised')
              .where('before.state', '=', 'waiting'),
          ),
        ),
      ]),
    )
    .orderBy('dueAt')
    .orderBy('number')
    .limit(1)
    .executeTakeFirst();
}

/** Of a repetition those that were not over when it began. */
async function alertsOf(db: Writer, { number, repeats, triedSince }: Row, { leases }: Manner): Promise<ToldAlert[]> {
  const rows = await db
    .selectFrom('alerts')
    .innerJoin('alertsOfMessages', 'alertsOfMessages.alert', 'alerts.number')
    .selectAll('alerts')
    .where('alertsOfMessages.message', '=', number)
    .orderBy('alerts.number')
    .execute();
  const alerts = rows.map((row) => ({ ...row, kind: row.kind as AlertKind, detail: JSON.parse(row.detail) }));
  const lasting = ({ kind, settledAt }: ToldAlert) =>
    alertKinds[kind].lasts && (settledAt === null || settledAt >= (triedSince ?? 0));
  return leases || repeats === 0 ? alerts : alerts.filter(lasting);
}

function messageOf({ id, kind, phase, createdAt, triedSince, ...row }: Row, alerts: ToldAlert[]): Message {
  const { number, repeats, attempts } = row;
  const named = { number, id: repeats === 0 ? id : `${id}.${repeats}`, kind: kind as AlertKind };
  const at = repeats === 0 ? createdAt : (triedSince as number);
  return { ...named, phase: phase as AlertPhase, repeats, attempts, at, alerts };
}

/** The target has it. */
export async function markTold(db: Writer, message: Message, manner: Manner, now: number): Promise<void> {
  const dueAt = await nextTelling(db, message, manner, now);
  const told = { state: 'told', toldAt: now, attempts: 0, error: null, dueAt };
  await db.updateTable('alertMessages').set(told).where('number', '=', message.number).execute();
}

async function nextTelling(
  db: Writer,
  { number, kind, phase, repeats, alerts }: Message,
  { leases, repeatMs }: Manner,
  now: number,
): Promise<number | null> {
  const { lasts } = alertKinds[kind];
  if (phase === 'settled' || (!lasts && !leases)) return null;
  if (!lasts && repeats * repeatMs >= momentMs) return null;
  const open = await db
    .selectFrom('alertsOfMessages')
    .innerJoin('alerts', 'alerts.number', 'alertsOfMessages.alert')
    .select('alerts.number')
    .where('alertsOfMessages.message', '=', number)
    .where('settledAt', 'is', null)
    .executeTakeFirst();
  if (open) return now + repeatMs;
  // It ended while it was being told that it lasts.
  return leases && alerts.some(({ settledAt }) => settledAt === null) ? now : null;
}

/** It is tried again then. */
export async function markFailed(db: Writer, { number }: Message, why: string, nextAt: number): Promise<void> {
  const failed = { error: why, attempts: sql<number>`attempts + 1`, dueAt: nextAt };
  await db.updateTable('alertMessages').set(failed).where('number', '=', number).execute();
}

/**
 * Dead letters are made of what a target could not be told for a day, and an alert for the others. What lasts, at a target that is told
 * for so long at a time, goes on being tried: it is told whenever the target is there again. Resolves to how many are dead.
 */
export async function buryOld(
  db: Writer,
  { name: target, leases }: Manner,
  { alerts, why, now, alone }: { alerts: AlertsRaised; why: string; now: number; alone?: number | undefined },
): Promise<number> {
  let old = db
    .selectFrom('alertMessages')
    .select('number')
    .where('target', '=', target)
    .where('dueAt', 'is not', null)
    .where('state', '=', 'waiting')
    .where(({ fn }) => fn.coalesce('triedSince', 'createdAt'), '<=', now - triedForMs);
  if (alone !== undefined) old = old.where('number', '=', alone);
  const numbers = (await old.execute()).map(({ number }) => number);
  if (numbers.length === 0) return 0;
  const ended = leases ? await withoutOpenAlert(db, numbers) : numbers;
  const dead = { state: 'dead', dueAt: null, error: why };
  await db.updateTable('alertMessages').set(dead).where('number', 'in', ended).execute();
  await alerts.raise(db, {
    ...{ kind: 'outbox_dead', subject: null, key: target, at: now, detail: { target, messages: numbers.length, why } },
    says: `target "${target}" could not be told for a day: ${counted(numbers.length, 'message')}; ${why}`,
  });
  return ended.length;
}

async function withoutOpenAlert(db: Writer, messages: readonly number[]): Promise<number[]> {
  const open = await db
    .selectFrom('alertsOfMessages')
    .innerJoin('alerts', 'alerts.number', 'alertsOfMessages.alert')
    .select('message')
    .where('message', 'in', messages)
    .where('settledAt', 'is', null)
    .execute();
  const goOn = new Set(open.map(({ message }) => message));
  return messages.filter((message) => !goOn.has(message));
}

/** What failed is due. */
export async function wakeAll(db: Writer, target: string, now: number): Promise<void> {
  await db
    .updateTable('alertMessages')
    .set({ dueAt: now })
    .where('target', '=', target)
    .where('dueAt', 'is not', null)
    .where('dueAt', '>', now)
    .where('state', '=', 'waiting')
    .where('attempts', '>', 0)
    .execute();
}
