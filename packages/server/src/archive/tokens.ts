import type { Shelf } from './shelf.ts';

const keptMs = 30 * 86_400_000;
const lookedAtMax = 500;
const movedMax = 64;

export const archiveTokens: Shelf = async (db, after, { now }) => {
  const end = await db
    .selectFrom('tokens')
    .select('id')
    .where('id', '>', after)
    .orderBy('id')
    .offset(lookedAtMax - 1)
    .limit(1)
    .executeTakeFirst();
  let expired = db
    .selectFrom('tokens')
    .select(['id', 'subject', 'kind', 'createdAt', 'expiresAt', 'publicKey', 'fingerprint', 'voided'])
    .where('id', '>', after)
    .where('expiresAt', '<', now - keptMs);
  if (end) expired = expired.where('id', '<=', end.id);
  const rows = await expired.limit(movedMax).execute();
  if (rows.length > 0) {
    const ids = rows.map(({ id }) => id);
    const archived = rows.map((row) => ({ ...row, archivedAt: now }));
    await db.insertInto('archivedTokens').values(archived).execute();
    await db.deleteFrom('tokens').where('id', 'in', ids).execute();
  }
  return { moved: rows.length, next: rows.length === movedMax ? after : end?.id };
};
