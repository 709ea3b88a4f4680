import { PortcullisError, type Standing, type StandingsRequest } from '@portcullis/contract';
import type { ChangeTransaction } from '../journal/journal.ts';
import type { Writer } from '../storage/storage.ts';
import type { CertificateRow } from './promises.ts';

/** Which standings an action changes, and into what. Revoked and superseded are in no row: they are final (P9). */
const transitions: Record<StandingsRequest['action'], { from: readonly string[]; to: Standing }> = {
  suspend: { from: ['valid'], to: 'suspended' },
  resume: { from: ['suspended'], to: 'valid' },
  revoke: { from: ['valid', 'suspended'], to: 'revoked' },
};

/** What a request names: a subject, and all of its certificates or one. */
export interface Targets {
  subject: string;
  rows: CertificateRow[];
}

/** Changes those that the action applies to. Naming only final ones is a mistake; repeating what is so already is not. */
export async function changeStandings(
  change: ChangeTransaction,
  action: StandingsRequest['action'],
  { subject, rows }: Targets,
): Promise<{ certificates: CertificateRow[]; tokens: number }> {
  const { from, to } = transitions[action];
  const changing = rows.filter((row) => from.includes(row.standing));
  const voided = action === 'resume' ? 0n : await voidTokens(change.db, subject);
  const [first] = rows;
  if (changing.length === 0 && voided === 0n && first && !rows.some((row) => row.standing === to)) {
    throw new PortcullisError(
      'standing_final',
      `no certificate of "${subject}" can ${action}: it is ${first.standing}; only [${from.join(', ')}] can`,
    );
  }
  for (const row of changing) await setStanding(change, row, to);
  return { certificates: changing, tokens: Number(voided) };
}

/** Leaves one that is final as it is, whatever the row says that was read before. */
export async function setStanding(change: ChangeTransaction, row: CertificateRow, standing: Standing): Promise<void> {
  const { db, revision, at, actor, reason } = change;
  const { numUpdatedRows } = await db
    .updateTable('certificates')
    .set({ standing, revision, changedAt: at, changedBy: actor, reason })
    .where('fingerprint', '=', row.fingerprint)
    .where('standing', 'in', ['valid', 'suspended'])
    .executeTakeFirst();
  if (numUpdatedRows === 0n) return;
  await db.updateTable('subjects').set({ revision }).where('id', '=', row.subject).execute();
  if (row.purpose === 'client') change.certificate(row.subject, row.kind, { ...row, standing });
}

/** A token that was made before the cut must not be a way around it. */
export async function voidTokens(db: Writer, subject: string): Promise<bigint> {
  const { numUpdatedRows } = await db
    .updateTable('tokens')
    .set({ voided: 1 })
    .where('subject', '=', subject)
    .where('voided', '=', 0)
    .executeTakeFirst();
  return numUpdatedRows;
}

/** Throws away the whole change when it cut an operator and no other could take that back. */
export async function requireOperatorLeft(
  { db }: ChangeTransaction,
  cut: CertificateRow[],
  now: number,
): Promise<void> {
  if (!cut.some((row) => row.kind === 'operator' && row.readOnly === 0)) return;
  const left = await db
    .selectFrom('subjects')
    .innerJoin('certificates', 'certificates.subject', 'subjects.id')
    .select('certificates.fingerprint')
    .where('subjects.kind', '=', 'operator')
    .where('subjects.readOnly', '=', 0)
    .where('certificates.standing', '=', 'valid')
    // Nobody has shown yet to hold the key of one that is not confirmed.
    .where('certificates.confirmed', '=', 1)
    .where('certificates.notAfter', '>', now)
    .limit(1)
    .executeTakeFirst();
  if (left) return;
  throw new PortcullisError(
    'last_operator',
    'this would cut the last operator with a valid certificate; add another one first',
  );
}
