import type { ExpressionBuilder } from 'kysely';
import type { Schema } from '../storage/storage.ts';
import type { Shelf } from './shelf.ts';

/** What is signed is on record, or will never be. */
const keptMs = 86_400_000;
const lookedAtMax = 256;

/** A serial is kept with its certificate: what was stored of it before that was signed is not needed beside it. */
export const releaseSerials: Shelf = async (db, after, { now }) => {
  const from = placeOf(after);
  const end = await db
    .selectFrom('serials')
    .select(['issuer', 'serial'])
    .where(({ eb, refTuple, tuple }) => eb(refTuple('issuer', 'serial'), '>', tuple(from.issuer, from.serial)))
    .orderBy('issuer')
    .orderBy('serial')
    .offset(lookedAtMax - 1)
    .limit(1)
    .executeTakeFirst();
  let recorded = db
    .deleteFrom('serials')
    .where(({ eb, refTuple, tuple }) => eb(refTuple('issuer', 'serial'), '>', tuple(from.issuer, from.serial)))
    .where('reservedAt', '<', now - keptMs)
    .where(isRecorded);
  if (end)
    recorded = recorded.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('issuer', 'serial'), '<=', tuple(end.issuer, end.serial)),
    );
  const { numDeletedRows } = await recorded.executeTakeFirst();
  return { moved: Number(numDeletedRows), next: end && `${end.issuer}\n${end.serial}` };
};

function isRecorded({ or, exists, selectFrom }: ExpressionBuilder<Schema, 'serials'>) {
  const live = selectFrom('certificates as one').select('one.serial');
  const archived = selectFrom('archivedCertificates as one').select('one.serial');
  return or([
    exists(live.whereRef('one.issuer', '=', 'serials.issuer').whereRef('one.serial', '=', 'serials.serial')),
    exists(archived.whereRef('one.issuer', '=', 'serials.issuer').whereRef('one.serial', '=', 'serials.serial')),
  ]);
}

function placeOf(after: string): { issuer: string; serial: string } {
  const at = after.lastIndexOf('\n');
  return { issuer: after.slice(0, Math.max(at, 0)), serial: after.slice(at + 1) };
}
