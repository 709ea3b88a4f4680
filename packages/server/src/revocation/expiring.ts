import { sql } from 'kysely';
import type { Reader } from '../storage/storage.ts';

/** A certificate that ends soon while its subject has none that lasts longer. */
export interface Expiring {
  fingerprint: string;
  form: string;
  subject: string;
  kind: string;
  /** Milliseconds since 1970. */
  notAfter: number;
}

/** Certificates that are valid now and end before `until`, and that no other of their subject outlasts: the first to end first, so many behind `after`. */
export function expiringCertificates(
  db: Reader,
  { now, until, after, limit }: { now: number; until: number; after?: Expiring | undefined; limit: number },
): Promise<Expiring[]> {
  return db
    .selectFrom('certificates')
    .innerJoin('subjects', 'subjects.id', 'certificates.subject')
    .select([
      'certificates.fingerprint',
      'certificates.form',
      'certificates.subject',
      'subjects.kind',
      'certificates.notAfter',
    ])
    .where('standing', '=', sql.lit('valid'))
    .where('purpose', '=', sql.lit('client'))
    .where(({ eb, refTuple, tuple }) =>
      eb(
        refTuple('certificates.notAfter', 'certificates.fingerprint'),
        '>',
        tuple(after?.notAfter ?? now, after?.fingerprint ?? ''),
      ),
    )
    .where('notAfter', '>', now)
    .where('notAfter', '<', until)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('certificates as later')
            .select('later.subject')
            .whereRef('later.subject', '=', 'certificates.subject')
            .whereRef('later.form', '=', 'certificates.form')
            .where('later.purpose', '=', 'client')
            .where('later.standing', '=', 'valid')
            .where('later.confirmed', '=', 1)
            .whereRef('later.notAfter', '>', 'certificates.notAfter'),
        ),
      ),
    )
    .orderBy('notAfter')
    .orderBy('fingerprint')
    .limit(limit)
    .execute();
}
