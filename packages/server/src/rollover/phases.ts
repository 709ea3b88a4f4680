import { PortcullisError, type RolloverRequest } from '@portcullis/contract';
import { sql } from 'kysely';
import type { FleetIssuer } from '../issuance/issuance.ts';
import type { Reader, Schema, Writer } from '../storage/storage.ts';

export type Row = Schema['rollovers'];
export type Phase = Row['phase'];

const over: readonly Phase[] = ['retired', 'abandoned'];
export const isUnderWay = ({ phase }: Pick<Row, 'phase'>) => !over.includes(phase);

export const underWayIn = (db: Reader): Promise<Row | undefined> =>
  db.selectFrom('rollovers').selectAll().where('phase', 'not in', over).executeTakeFirst();

export const keysIn = (json: string) => JSON.parse(json) as string[];

/** As it is told: where none goes, what comes issues at the end, and nothing retired. */
export const shownPhase = ({ phase, leaves }: Pick<Row, 'phase' | 'leaves'>): Phase =>
  phase === 'retired' && keysIn(leaves).length === 0 ? 'issuing' : phase;

/** Of an issuer that comes, by the name of its key. */
export const roleIn = (keys: readonly string[]) =>
  keys.some((key) => key.startsWith('issuer-device-')) ? 'device' : 'infrastructure';

/** What is to go: of a root all that signs below it too. */
export const leaving = (issuers: readonly FleetIssuer[], what: RolloverRequest['what']) =>
  issuers.filter(({ state, role }) => state === 'issuing' && (what === 'root' || role === what));

/** Resolves to its version. */
export async function nextBundle(db: Writer, at: number): Promise<number> {
  const { value } = await db
    .updateTable('settings')
    .set({ value: sql<string>`CAST(CAST(value AS INTEGER) + 1 AS TEXT)` })
    .where('name', '=', 'bundleVersion')
    .returning('value')
    .executeTakeFirstOrThrow();
  const version = Number(value);
  await db.insertInto('bundles').values({ version, at }).execute();
  return version;
}

export async function setState(db: Writer, keys: readonly string[], state: FleetIssuer['state']): Promise<void> {
  if (keys.length > 0) await db.updateTable('issuers').set({ state }).where('key', 'in', keys).execute();
}

/** Before it signed anything. */
export async function takeBack(db: Writer, { id, phase, comes }: Row, at: number): Promise<void> {
  await setState(db, keysIn(comes), 'retired');
  await db.updateTable('rollovers').set({ phase: 'abandoned', changedAt: at }).where('id', '=', id).execute();
  if (phase !== 'asked') await nextBundle(db, at);
}

/**
 * The version of the bundle that devices should have by now: of a root first the one that brings it, and then, as of an issuer of theirs, the
 * one from which on what they get is not of what goes. `now`: the version that there is.
 */
export function bundleDueIn(row: Row | undefined, now: number): number | undefined {
  if (row?.phase === 'issuing') return row.what === 'root' || roleIn(keysIn(row.comes)) === 'device' ? now : undefined;
  return row?.what === 'root' && (row.phase === 'prepared' || row.phase === 'trusted') ? row.bundle : undefined;
}

export const underWay = ({ id, phase }: Row) =>
  new PortcullisError(
    'rollover_under_way',
    `rollover ${id} is ${phase}; it ends or is abandoned before another starts`,
  );

export function notReady(row: Row | undefined, from: readonly Phase[]): PortcullisError {
  const is = row ? `rollover ${row.id} is ${row.phase}` : 'no rollover is under way';
  return new PortcullisError('rollover_not_ready', `${is}; this step follows [${from.join(', ')}]`);
}
