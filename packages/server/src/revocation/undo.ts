import type { Fingerprint, LeftByUndo, SubjectId } from '@portcullis/contract';
import type { ChangeRecord, ChangeTransaction } from '../journal/journal.ts';
import { heldOf } from './held.ts';
import type { CertificateRow } from './promises.ts';
import { changeStandings, requireOperatorLeft, type Target } from './standing.ts';
import { ofSubjects } from './targets.ts';

/** Whose certificates that are valid were suspended before. Of any other record they were issued. */
const resumes: readonly string[] = ['certificates.resume', 'change.undo'];

export async function undoStandings(
  change: ChangeTransaction,
  record: ChangeRecord,
  now: number,
): Promise<{ changed: number; newest: number; left: LeftByUndo[] }> {
  const { subjects } = record;
  const told = new Set(
    subjects.flatMap(({ certificates = [] }) => certificates.map((one) => one.fingerprint as string)),
  );
  const targets = await ofSubjects(
    change.db,
    subjects.map(({ subject }) => subject),
  );
  const held = await heldOf(
    change.db,
    targets.map(({ subject }) => subject),
  );
  const found = { resume: [] as Target[], suspend: [] as Target[], left: [] as LeftByUndo[], newest: 0 };
  for (const target of targets) {
    const rows = target.rows.filter((row) => row.revision === record.revision || told.has(row.fingerprint));
    const to = Map.groupBy(rows, (row) => (held.has(row.subject) ? 'held' : whatBecomes(row, target, record)));
    for (const action of ['resume', 'suspend'] as const) {
      const some = to.get(action);
      if (some) found[action].push({ ...target, rows: some });
      to.delete(action);
    }
    for (const [why, some] of to) found.left.push(...some.map((row) => leftOf(row, why as LeftByUndo['why'])));
    found.newest = Math.max(found.newest, ...rows.map(({ revision }) => revision));
  }
  const { certificates } = await changeStandings(change, 'resume', found.resume, { final: true });
  const suspended = await changeStandings(change, 'suspend', found.suspend, { final: true });
  await requireOperatorLeft(change, suspended.certificates, now);
  const changed = certificates.length + suspended.certificates.length + suspended.tokens;
  return { changed, newest: found.newest, left: found.left };
}

function whatBecomes(row: CertificateRow, { retired }: Target, { revision, action }: ChangeRecord) {
  if (row.standing === 'revoked' || row.standing === 'superseded') return 'final';
  if (retired) return 'retired';
  if (row.revision !== revision) return 'changed_since';
  if (row.standing === 'suspended') return 'resume';
  return resumes.includes(action) ? 'suspend' : 'issued';
}

function leftOf({ subject, fingerprint }: CertificateRow, why: LeftByUndo['why']): LeftByUndo {
  return { subject: subject as SubjectId, fingerprint: fingerprint as Fingerprint, why };
}
