import { type Selectable, sql } from 'kysely';
import type { Schema, Writer } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';
import { newId } from './open.ts';
import { type AlertRoute, targetsOf } from './routes.ts';

/** How a target wants to be told. */
export interface Manner {
  name: string;
  /** How long the first alert of a message waits for others. */
  groupWaitMs: number;
  /** How often it is told again while one of its alerts lasts. */
  repeatMs: number;
  /** It wants to be told too that one is over. */
  settled: boolean;
  /** What it is told holds for so long alone, one alert at a time: it is told again and again until it is over, and then that. */
  leases: boolean;
}

type Row = Selectable<Schema['alerts']>;

/** One transaction gives so many to their targets, some tens of milliseconds. */
const routedMax = 50;
/** Fits into a mail and into who reads it. */
const alertsOfMessageMax = 100;
const raised = 1;
const over = 2;

interface Routing {
  manners: readonly Manner[];
  routes: readonly AlertRoute[] | undefined;
  system: Pick<System, 'now' | 'random'>;
}

/** Gives alerts to the targets that they are for, by the routes of now. True: there are more. */
export async function routeSome(db: Writer, routing: Routing): Promise<boolean> {
  const rows = await db
    .selectFrom('alerts')
    .selectAll()
    .where('toRoute', '>', sql.lit(0))
    .orderBy('number')
    .limit(routedMax)
    .execute();
  for (const row of rows) {
    if (row.toRoute & raised) await routeRaised(db, row, routing);
    if (row.toRoute & over) await routeSettled(db, row, routing);
  }
  const numbers = rows.map(({ number }) => number);
  await db.updateTable('alerts').set({ toRoute: 0 }).where('number', 'in', numbers).execute();
  return rows.length === routedMax;
}

async function routeRaised(db: Writer, row: Row, routing: Routing): Promise<void> {
  const { manners, routes } = routing;
  const names = targetsOf(
    row,
    manners.map(({ name }) => name),
    routes,
  );
  for (const manner of manners) if (names.includes(manner.name)) await add(db, row, 'raised', manner, routing);
}

/** Who is told that it is over was told that it began, or will be, whatever the routes are by now. */
async function routeSettled(db: Writer, { number, kind }: Row, routing: Routing): Promise<void> {
  const { manners, system } = routing;
  const messages = await db
    .selectFrom('alertsOfMessages')
    .innerJoin('alertMessages', 'alertMessages.number', 'alertsOfMessages.message')
    .select(['alertMessages.number', 'target'])
    .where('alertsOfMessages.alert', '=', number)
    .where('phase', '=', 'raised')
    .where('state', 'in', ['waiting', 'told'])
    .execute();
  for (const message of messages) {
    const manner = manners.find(({ name }) => name === message.target);
    if (manner?.leases) {
      const now = { dueAt: system.now() };
      await db.updateTable('alertMessages').set(now).where('number', '=', message.number).execute();
    } else if (manner?.settled) await add(db, { number, kind }, 'settled', manner, routing);
  }
}

/** To the message of its kind that nobody has begun with, or to one of its own. */
async function add(
  db: Writer,
  { number, kind }: Pick<Row, 'number' | 'kind'>,
  phase: string,
  { name: target, groupWaitMs, leases }: Manner,
  { system }: Routing,
): Promise<void> {
  const open = leases ? undefined : await openMessage(db, { target, kind, phase });
  const message = open ?? (await newMessage(db, { target, kind, phase, id: newId(system) }, system.now(), groupWaitMs));
  await db.insertInto('alertsOfMessages').values({ message, alert: number }).execute();
}

async function openMessage(db: Writer, { target, kind, phase }: Record<'target' | 'kind' | 'phase', string>) {
  const row = await db
    .selectFrom('alertMessages')
    .select('number')
    .where('target', '=', target)
    .where('kind', '=', kind)
    .where('phase', '=', phase)
    .where('triedSince', 'is', null)
    .where('state', '=', sql.lit('waiting'))
    .where(
      ({ selectFrom }) =>
        selectFrom('alertsOfMessages')
          .select(({ fn }) => fn.countAll<number>().as('alerts'))
          .whereRef('message', '=', 'alertMessages.number'),
      '<',
      alertsOfMessageMax,
    )
    .orderBy('number')
    .executeTakeFirst();
  return row?.number;
}

async function newMessage(
  db: Writer,
  named: Record<'id' | 'target' | 'kind' | 'phase', string>,
  now: number,
  waitMs: number,
): Promise<number> {
  const fresh = { state: 'waiting', createdAt: now, dueAt: now + waitMs, triedSince: null, attempts: 0, repeats: 0 };
  const { number } = await db
    .insertInto('alertMessages')
    .values({ ...named, ...fresh, toldAt: null, error: null })
    .returning('number')
    .executeTakeFirstOrThrow();
  return number;
}
