import type { ExpressionBuilder } from 'kysely';
import type { Schema } from '../storage/storage.ts';
import type { Shelf, ShelfTime } from './shelf.ts';

const day = 86_400_000;
/** Gates forget one that was superseded, and one that ended, after a day (`feed/snapshot.ts`, `replica/tables.ts`): long before. */
const supersededKeptMs = 7 * day;
const serverKeptMs = 7 * day;

const lookedAtMax = 500;
const movedMax = 32;

/** Whole subjects, so that no certificate is looked at without those that followed it. */
export const archiveCertificates: Shelf = async (db, after, time) => {
  const end = await db
    .selectFrom('certificates')
    .select('subject')
    .where('subject', '>', after)
    .orderBy('subject')
    .offset(lookedAtMax - 1)
    .limit(1)
    .executeTakeFirst();
  let ended = db
    .selectFrom('certificates')
    .selectAll()
    .where('subject', '>', after)
    .where((row) => hasEnded(row, time));
  if (end) ended = ended.where('subject', '<=', end.subject);
  const rows = await ended.limit(movedMax).execute();
  if (rows.length > 0) {
    const fingerprints = rows.map(({ fingerprint }) => fingerprint);
    const archived = rows.map((row) => ({ ...row, archivedAt: time.now }));
    await db.insertInto('archivedCertificates').values(archived).execute();
    await db.deleteFrom('certificates').where('fingerprint', 'in', fingerprints).execute();
    await db.deleteFrom('keyCredentials').where('fingerprint', 'in', fingerprints).execute();
  }
  return { moved: rows.length, next: rows.length === movedMax ? after : end?.subject };
};

/** Nobody can use it, renew it or be told of it by a gate; and it is not the one that says what its subject is. */
function hasEnded(row: ExpressionBuilder<Schema, 'certificates'>, { now, renewableMs }: ShelfTime) {
  const ended = row.and([row('purpose', '=', 'client'), row('notAfter', '<', now - renewableMs)]);
  const neverUsed = row.and([row('confirmed', '=', 0), row('standing', '=', 'valid')]);
  return row.or([
    row.and([row('standing', '=', 'superseded'), row('changedAt', '<', now - supersededKeptMs)]),
    row.and([row('purpose', 'in', ['server', 'publication', 'ocsp']), row('notAfter', '<', now - serverKeptMs)]),
    row.and([ended, row.or([neverUsed, row.exists(laterOne(row))])]),
  ]);
}

/** Of the same standing. */
function laterOne({ selectFrom }: ExpressionBuilder<Schema, 'certificates'>) {
  return selectFrom('certificates as later')
    .select('later.subject')
    .whereRef('later.subject', '=', 'certificates.subject')
    .whereRef('later.standing', '=', 'certificates.standing')
    .whereRef('later.notAfter', '>', 'certificates.notAfter')
    .where('later.purpose', '=', 'client')
    .where('later.confirmed', '=', 1);
}
