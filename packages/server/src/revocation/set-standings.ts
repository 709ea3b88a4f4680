import type { Kind, RevocationReason, Standing } from '@portcullis/contract';
import type { ChangeTransaction } from '../journal/journal.ts';
import type { Writer } from '../storage/storage.ts';
import type { CertificateRow } from './promises.ts';

/** So many are named in one statement. */
export const perStatement = 200;

/** Of rows that were read within the transaction. */
export async function setStandings(
  change: ChangeTransaction,
  rows: CertificateRow[],
  standing: Standing,
  reasonCode: RevocationReason | null = null,
): Promise<void> {
  const { db, revision, at, actor, reason } = change;
  for (let from = 0; from < rows.length; from += perStatement) {
    const some = rows.slice(from, from + perStatement);
    const fingerprints = some.map((row) => row.fingerprint);
    const set = { standing, revision, changedAt: at, changedBy: actor, reason, reasonCode };
    await db.updateTable('certificates').set(set).where('fingerprint', 'in', fingerprints).execute();
    if (isFinal(standing)) await forgetKeys(db, fingerprints);
    await touch(change, some);
  }
  for (const row of rows) if (row.purpose === 'client') change.certificate(row.subject, row.kind, { ...row, standing });
}

export const isFinal = (standing: string) => standing === 'revoked' || standing === 'superseded';

/** Nobody needs the key any more of a key credential that is final. */
export async function forgetKeys(db: Writer, fingerprints: readonly string[]): Promise<void> {
  await db.deleteFrom('keyCredentials').where('fingerprint', 'in', fingerprints).execute();
}

/** Marks them as touched by this revision, and has the journal name them. */
export async function touch(change: ChangeTransaction, named: { subject: string; kind: Kind }[]): Promise<void> {
  const subjects = [...new Set(named.map(({ subject }) => subject))];
  await change.db.updateTable('subjects').set({ revision: change.revision }).where('id', 'in', subjects).execute();
  for (const { subject, kind } of named) change.touched(subject, kind);
}
