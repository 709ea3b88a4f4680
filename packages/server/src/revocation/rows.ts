import { type CertificateView, type Kind, PortcullisError } from '@portcullis/contract';
import type { Reader } from '../storage/storage.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import type { CertificateRow } from './promises.ts';

export const rows = (db: Pick<Reader, 'selectFrom'>) =>
  db
    .selectFrom('certificates')
    .innerJoin('subjects', 'subjects.id', 'certificates.subject')
    .selectAll('certificates')
    .select(['subjects.kind as kind', 'subjects.readOnly as readOnly']);

export const archivedRows = (db: Pick<Reader, 'selectFrom'>) =>
  db
    .selectFrom('archivedCertificates as archived')
    .innerJoin('subjects', 'subjects.id', 'archived.subject')
    .selectAll('archived')
    .select(['subjects.kind as kind', 'subjects.readOnly as readOnly'])
    .$castTo<CertificateRow>();

export async function requireSubject(db: Pick<Reader, 'selectFrom'>, subject: string): Promise<void> {
  const known = await db.selectFrom('subjects').select('id').where('id', '=', subject).executeTakeFirst();
  if (!known) throw new PortcullisError('subject_unknown', `the fleet has no subject "${subject}"`);
}

export function certificateView(row: CertificateRow): CertificateView {
  return {
    fingerprint: row.fingerprint as CertificateView['fingerprint'],
    serial: row.serial,
    subject: row.subject as CertificateView['subject'],
    kind: row.kind as Kind,
    purpose: row.purpose as CertificateView['purpose'],
    standing: row.standing as CertificateView['standing'],
    notBefore: timestamp(row.notBefore),
    notAfter: timestamp(row.notAfter),
    issuer: row.issuer,
    revision: row.revision,
    ...(row.archivedAt !== undefined && { archivedAt: timestamp(row.archivedAt) }),
  };
}
