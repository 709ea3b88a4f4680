import { type CertificatesQuery, type CertificateView, PortcullisError } from '@portcullis/contract';
import { sql } from 'kysely';
import type { Reader } from '../storage/storage.ts';
import type { CertificateRow } from './promises.ts';
import { certificateView, requireSubject, rows, tableOf } from './rows.ts';

interface Page {
  items: CertificateView[];
  next: string | null;
}

/** So many certificates are looked at for one page: some milliseconds, whatever a filter lets through. */
const certificatesPerPageMax = 5_000;

/**
 * In the order of fingerprints, or with `endsBefore` of ends. A page may hold few and not be the last.
 * @throws {PortcullisError} `subject_unknown`, `request_malformed`
 */
export async function listCertificates(db: Reader, query: CertificatesQuery, now: number): Promise<Page> {
  if (query.subject !== undefined) await requireSubject(db, query.subject);
  if (query.endsBefore === undefined) return byFingerprint(db, query);
  if (query.archived) throw new PortcullisError('request_malformed', 'what is archived has ended');
  return byEnd(db, query, now);
}

async function byFingerprint(
  db: Reader,
  { after = '', limit, subject, kind, standing, form, archived }: CertificatesQuery,
): Promise<Page> {
  const isArchived = archived !== undefined;
  let looked = tableOf(db, isArchived).select('fingerprint').where('fingerprint', '>', after);
  if (subject !== undefined) looked = looked.where('subject', '=', subject);
  const end = await looked
    .orderBy('fingerprint')
    .offset(certificatesPerPageMax - 1)
    .limit(1)
    .executeTakeFirst();
  let select = rows(db, isArchived).where('certificates.fingerprint', '>', after);
  if (end) select = select.where('certificates.fingerprint', '<=', end.fingerprint);
  if (subject !== undefined) select = select.where('certificates.subject', '=', subject);
  if (kind !== undefined) select = select.where('subjects.kind', '=', kind);
  if (standing !== undefined) select = select.where('certificates.standing', '=', standing);
  if (form !== undefined) select = select.where('certificates.form', '=', form);
  const found = (await select.orderBy('certificates.fingerprint').limit(limit).execute()) as CertificateRow[];
  const last = found.length === limit ? found.at(-1) : end;
  return { items: found.map(certificateView), next: last?.fingerprint ?? null };
}

/** A place in the order of ends. */
interface Place {
  notAfter: number;
  fingerprint: string;
}

async function byEnd(db: Reader, query: CertificatesQuery, now: number): Promise<Page> {
  const { limit, subject, kind, form, standing = 'valid', endsBefore = '' } = query;
  if (standing !== 'valid') {
    throw new PortcullisError('request_malformed', `"${standing}" ones do not end; only those that are valid do`);
  }
  const from = placeIn(query.after) ?? { notAfter: now, fingerprint: '' };
  const ending = db
    .selectFrom('certificates')
    .select(['notAfter', 'fingerprint'])
    .where('standing', '=', sql.lit('valid'))
    .where('purpose', '=', sql.lit('client'))
    .where(({ eb, refTuple, tuple }) =>
      eb(refTuple('notAfter', 'fingerprint'), '>', tuple(from.notAfter, from.fingerprint)),
    )
    .where('notAfter', '<', Date.parse(endsBefore))
    .orderBy('notAfter')
    .orderBy('fingerprint')
    .limit(certificatesPerPageMax);
  const end = await db
    .selectFrom(ending.as('ending'))
    .select(['notAfter', 'fingerprint'])
    .offset(certificatesPerPageMax - 1)
    .limit(1)
    .executeTakeFirst();
  let select = rows(db).innerJoin(ending.as('ending'), 'ending.fingerprint', 'certificates.fingerprint');
  if (subject !== undefined) select = select.where('certificates.subject', '=', subject);
  if (kind !== undefined) select = select.where('subjects.kind', '=', kind);
  if (form !== undefined) select = select.where('certificates.form', '=', form);
  const ordered = select.orderBy('certificates.notAfter').orderBy('certificates.fingerprint');
  const found = (await ordered.limit(limit).execute()) as CertificateRow[];
  const last = found.length === limit ? found.at(-1) : end;
  return { items: found.map(certificateView), next: last ? `${last.notAfter}.${last.fingerprint}` : null };
}

function placeIn(after: string | undefined): Place | undefined {
  if (after === undefined) return undefined;
  const [, notAfter, fingerprint] = /^(\d{1,15})\.([0-9a-f]{64})$/.exec(after) ?? [];
  if (notAfter && fingerprint) return { notAfter: Number(notAfter), fingerprint };
  throw new PortcullisError('request_malformed', `"${after}" is no place in this list`);
}
