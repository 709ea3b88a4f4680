import { PortcullisError, type Standing, type StandingsRequest } from '@portcullis/contract';
import type { ChangeTransaction } from '../journal/journal.ts';
import type { Writer } from '../storage/storage.ts';
import type { CertificateRow } from './revocation.ts';

/** Which standings an action changes, and into what. Revoked and superseded are in no row: they are final (P9). */
const transitions: Record<StandingsRequest['action'], { from: readonly string[]; to: Standing }> = {
  suspend: { from: ['valid'], to: 'suspended' },
  resume: { from: ['suspended'], to: 'valid' },
  revoke: { from: ['valid', 'suspended'], to: 'revoked' },
};

/** Changes those that the action applies to. Naming only final ones is a mistake; repeating what is so already is not. */
export async function changeStandings(
  change: ChangeTransaction,
  action: StandingsRequest['action'],
  rows: CertificateRow[],
): Promise<string[]> {
  const { from, to } = transitions[action];
  const changing = rows.filter((row) => from.includes(row.standing));
  const [first] = rows;
  if (changing.length === 0 && first && !rows.some((row) => row.standing === to)) {
    throw new PortcullisError(
      'standing_final',
      `no certificate of "${first.subject}" can ${action}: it is ${first.standing}; only [${from.join(', ')}] can`,
    );
  }
  if (action !== 'resume')
    for (const subject of new Set(rows.map((row) => row.subject))) await voidTokens(change.db, subject);
  for (const row of changing) await setStanding(change, row, to);
  return changing.map((row) => row.fingerprint);
}

export async function setStanding(change: ChangeTransaction, row: CertificateRow, standing: Standing): Promise<void> {
  const { db, revision, at, actor, reason } = change;
  await db
    .updateTable('certificates')
    .set({ standing, revision, changedAt: at, changedBy: actor, reason })
    .where('fingerprint', '=', row.fingerprint)
    .execute();
  await db.updateTable('subjects').set({ revision }).where('id', '=', row.subject).execute();
  if (row.purpose === 'client') change.certificate(row.subject, row.kind, { ...row, standing });
}

/** A token that was made before the cut must not be a way around it. */
export async function voidTokens(db: Writer, subject: string): Promise<void> {
  await db.updateTable('tokens').set({ voided: 1 }).where('subject', '=', subject).execute();
}

/** Throws away the whole change when no operator could take it back. */
export async function requireOperatorLeft({ db }: ChangeTransaction, now: number): Promise<void> {
  const left = await db
    .selectFrom('subjects')
    .innerJoin('certificates', 'certificates.subject', 'subjects.id')
    .select('certificates.fingerprint')
    .where('subjects.kind', '=', 'operator')
    .where('certificates.standing', '=', 'valid')
    .where('certificates.notAfter', '>', now)
    .limit(1)
    .executeTakeFirst();
  if (!left) {
    throw new PortcullisError(
      'last_operator',
      'this would cut the last operator with a valid certificate; add another one first',
    );
  }
}
