import { type CertificateView, type Kind, PortcullisError } from '@portcullis/contract';
import type { Reader } from '../storage/storage.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import type { CertificateRow } from './promises.ts';

const live = (db: Pick<Reader, 'selectFrom'>) => db.selectFrom('certificates');

/** What is archived is read by the same words: it has the same columns and one more, and goes by the same name. */
export const tableOf = (db: Pick<Reader, 'selectFrom'>, isArchived: boolean) =>
  isArchived ? (db.selectFrom('archivedCertificates as certificates') as unknown as ReturnType<typeof live>) : live(db);

export const rows = (db: Pick<Reader, 'selectFrom'>, isArchived = false) =>
  tableOf(db, isArchived)
    .innerJoin('subjects', 'subjects.id', 'certificates.subject')
    .selectAll('certificates')
    .select(['subjects.kind as kind', 'subjects.readOnly as readOnly']);

export async function requireSubject(db: Pick<Reader, 'selectFrom'>, subject: string): Promise<void> {
  const known = await db.selectFrom('subjects').select('id').where('id', '=', subject).executeTakeFirst();
  if (!known) throw new PortcullisError('subject_unknown', `the fleet has no subject "${subject}"`);
}

export function certificateView(row: CertificateRow): CertificateView {
  return {
    fingerprint: row.fingerprint as CertificateView['fingerprint'],
    form: row.form as CertificateView['form'],
    serial: row.serial,
    subject: row.subject as CertificateView['subject'],
    kind: row.kind as Kind,
    purpose: row.purpose as CertificateView['purpose'],
    standing: row.standing as CertificateView['standing'],
    notBefore: timestamp(row.notBefore),
    notAfter: timestamp(row.notAfter),
    issuer: row.issuer,
    revision: row.revision,
    ...(row.reasonCode !== null && { reasonCode: row.reasonCode }),
    ...(row.archivedAt !== undefined && { archivedAt: timestamp(row.archivedAt) }),
  };
}
