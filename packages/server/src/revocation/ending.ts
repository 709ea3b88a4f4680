import type { AuthorityStatus, Kind, SubjectId } from '@portcullis/contract';
import { sql } from 'kysely';
import type { Reader } from '../storage/storage.ts';
import { timestamp } from '../telemetry/telemetry.ts';

/** So many that end next are looked at, and so many named. */
const lookedAtMax = 1_000;
const namedMax = 20;
const devices: readonly string[] = ['device', 'gateway', 'shipment'] satisfies Kind[];

/** Subjects whose last valid certificate has not ended and ends before `until`. */
export async function endingSubjects(
  db: Reader,
  now: number,
  until: number,
): Promise<Omit<AuthorityStatus['ending'], 'within'>> {
  const rows = await db
    .selectFrom('certificates')
    .innerJoin('subjects', 'subjects.id', 'certificates.subject')
    .select(['certificates.subject', 'subjects.kind', 'certificates.notAfter'])
    .where('standing', '=', sql.lit('valid'))
    .where('purpose', '=', sql.lit('client'))
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
            .where('later.notAfter', '>=', until),
        ),
      ),
    )
    .orderBy('notAfter')
    .limit(lookedAtMax + 1)
    .execute();
  const bySubject = new Map(rows.slice(0, lookedAtMax).map((row) => [row.subject, row]));
  const subjects = [...bySubject.values()];
  const others = subjects.filter(({ kind }) => !devices.includes(kind));
  return {
    devices: subjects.length - others.length,
    others: others.slice(0, namedMax).map(({ subject, kind, notAfter }) => ({
      ...{ subject: subject as SubjectId, kind: kind as Kind },
      notAfter: timestamp(notAfter),
    })),
    more: rows.length > lookedAtMax,
  };
}
