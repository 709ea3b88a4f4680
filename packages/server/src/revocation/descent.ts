import type { ChangeTransaction } from '../journal/journal.ts';
import { isPostgres, type Reader } from '../storage/storage.ts';
import type { CertificateRow } from './promises.ts';
import { rows } from './rows.ts';
import { setStanding } from './standing.ts';

type Db = Pick<Reader, 'selectFrom' | 'withRecursive'>;

/**
 * Both tables as one. PostgreSQL takes one recursive term and looks through this by its indexes
 * (https://www.postgresql.org/docs/15/queries-with.html); SQLite would read all of it, and takes several terms.
 */
const renewals = (db: Db) =>
  db
    .selectFrom('certificates')
    .select(['fingerprint', 'renews'])
    .unionAll(db.selectFrom('archivedCertificates').select(['fingerprint', 'renews']));

/** Those that could still be used, of all, archived ones among them, that were renewed from this one, from those, and so on. It is not among them. */
export async function livingDescendants(db: Db, fingerprint: string): Promise<CertificateRow[]> {
  const found = await db
    .withRecursive('line', (from) =>
      from
        .selectFrom('certificates')
        .select('fingerprint')
        .where('renews', '=', fingerprint)
        .union((archived) =>
          archived.selectFrom('archivedCertificates').select('fingerprint').where('renews', '=', fingerprint),
        )
        .$if(isPostgres(db), (line) =>
          line.union((next) =>
            next
              .selectFrom('line')
              .innerJoin(renewals(db).as('renewed'), 'renewed.renews', 'line.fingerprint')
              .select('renewed.fingerprint'),
          ),
        )
        .$if(!isPostgres(db), (line) =>
          line
            .union((next) =>
              next
                .selectFrom('certificates')
                .innerJoin('line', 'line.fingerprint', 'certificates.renews')
                .select('certificates.fingerprint'),
            )
            .union((next) =>
              next
                .selectFrom('archivedCertificates as archived')
                .innerJoin('line', 'line.fingerprint', 'archived.renews')
                .select('archived.fingerprint'),
            ),
        ),
    )
    .selectFrom('line')
    // From the line, which is short, to its rows: SQLite reorders no cross join (https://sqlite.org/optoverview.html).
    .crossJoin('certificates')
    .whereRef('certificates.fingerprint', '=', 'line.fingerprint')
    .select('certificates.fingerprint')
    .where('standing', 'in', ['valid', 'suspended'])
    .execute();
  return ofFingerprints(db, found);
}

/** What this one was renewed from, what that was renewed from, and so on: the nearest first. */
async function ancestors(db: Db, fingerprint: string): Promise<string[]> {
  const found = await db
    .withRecursive('line', (from) =>
      from
        .selectFrom('certificates')
        .select(['fingerprint', 'renews'])
        .where('fingerprint', '=', fingerprint)
        .$if(isPostgres(db), (line) =>
          line.union((next) =>
            next
              .selectFrom('line')
              .innerJoin(renewals(db).as('renewed'), 'renewed.fingerprint', 'line.renews')
              .select(['renewed.fingerprint', 'renewed.renews']),
          ),
        )
        .$if(!isPostgres(db), (line) =>
          line
            .union((next) =>
              next
                .selectFrom('certificates')
                .innerJoin('line', 'line.renews', 'certificates.fingerprint')
                .select(['certificates.fingerprint', 'certificates.renews']),
            )
            .union((next) =>
              next
                .selectFrom('archivedCertificates as archived')
                .innerJoin('line', 'line.renews', 'archived.fingerprint')
                .select(['archived.fingerprint', 'archived.renews']),
            ),
        ),
    )
    .selectFrom('line')
    .select('fingerprint')
    .execute();
  return found.slice(1).map((row) => row.fingerprint);
}

/**
 * Of everything that came of the same first certificate this one alone stays valid, with what was renewed from it. Resolves to the
 * other lines of descent that were in use: two hold what one should.
 */
export async function supersedeLine(change: ChangeTransaction, fingerprint: string): Promise<CertificateRow[]> {
  const { db } = change;
  const before = await ancestors(db, fingerprint);
  const first = before.at(-1);
  if (first === undefined) return [];
  const own = new Set([fingerprint, ...(await livingDescendants(db, fingerprint)).map((row) => row.fingerprint)]);
  const line = [...(await ofFingerprints(db, [{ fingerprint: first }])), ...(await livingDescendants(db, first))];
  const others = line.filter((row) => row.standing === 'valid' && !own.has(row.fingerprint));
  for (const row of others) await setStanding(change, row, 'superseded');
  return others.filter((row) => row.confirmed === 1 && !before.includes(row.fingerprint));
}

async function ofFingerprints(db: Db, found: { fingerprint: string }[]): Promise<CertificateRow[]> {
  if (found.length === 0) return [];
  const names = found.map((row) => row.fingerprint);
  return (await rows(db).where('certificates.fingerprint', 'in', names).execute()) as CertificateRow[];
}
