import { type Kind, PortcullisError } from '@portcullis/contract';
import type { Reader } from '../storage/storage.ts';
import { aTurn } from '../telemetry/telemetry.ts';
import type { CertificateRow } from './promises.ts';
import { rows } from './rows.ts';
import type { Target } from './standing.ts';

const subjectsPerTurn = 200;

/** In the order in which they were asked for. The event loop gets a turn after each so many. */
export async function ofSubjects(db: Reader, subjects: string[]): Promise<Target[]> {
  const targets: Target[] = [];
  for (let from = 0; from < subjects.length; from += subjectsPerTurn) {
    const some = subjects.slice(from, from + subjectsPerTurn);
    const found = await db.selectFrom('subjects').selectAll().where('id', 'in', some).execute();
    const certificates = (await rows(db).where('certificates.subject', 'in', some).execute()) as CertificateRow[];
    const known = new Map(found.map((row) => [row.id, row]));
    const of = Map.groupBy(certificates, (row) => row.subject);
    for (const subject of some) {
      const row = known.get(subject);
      if (!row) throw new PortcullisError('subject_unknown', `the fleet has no subject "${subject}"`);
      const { kind, revision, retired } = row;
      targets.push({ subject, kind: kind as Kind, revision, retired: retired === 1, rows: of.get(subject) ?? [] });
    }
    await aTurn();
  }
  return targets;
}
