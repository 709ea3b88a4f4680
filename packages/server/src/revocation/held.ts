/**
 * A standing that something holds: all certificates of the subject are suspended, whatever an operator says of them meanwhile. What they were,
 * or were said to be since, lies underneath, and comes back when nothing holds them. What is final is final at once.
 */
import type { ChangeTransaction } from '../journal/journal.ts';
import type { Reader } from '../storage/storage.ts';
import type { CertificateRow } from './promises.ts';
import { setStandings, touch } from './set-standings.ts';
import type { Target } from './standing.ts';
import { ofSubjects } from './targets.ts';

export async function isHeld(db: Reader, subject: string): Promise<boolean> {
  const row = await db.selectFrom('heldStandings').select('subject').where('subject', '=', subject).executeTakeFirst();
  return row !== undefined;
}

/** Those of these that are held. */
export async function heldOf(db: Reader, subjects: readonly string[]): Promise<ReadonlySet<string>> {
  if (subjects.length === 0) return new Set();
  const rows = await db.selectFrom('heldStandings').select('subject').where('subject', 'in', subjects).execute();
  return new Set(rows.map(({ subject }) => subject));
}

/** Resolves to the certificates that it suspended. @throws {PortcullisError} `subject_unknown` */
export async function hold(change: ChangeTransaction, subject: string): Promise<CertificateRow[]> {
  const { db, at } = change;
  const [target] = await ofSubjects(db, [subject]);
  if (!target || (await isHeld(db, subject))) return [];
  await db.insertInto('heldStandings').values({ subject, since: at }).execute();
  const open = target.rows.filter(({ standing }) => standing === 'valid' || standing === 'suspended');
  const beneath = open.map(({ fingerprint, standing }) => ({ fingerprint, subject, standing }));
  if (beneath.length > 0) await db.insertInto('standingsBeneath').values(beneath).execute();
  const valid = open.filter(({ standing }) => standing === 'valid');
  await setStandings(change, valid, 'suspended');
  await touch(change, [target]);
  return valid;
}

/** Resolves to how many certificates are valid again. */
export async function letGo(change: ChangeTransaction, subject: string): Promise<number> {
  const { db } = change;
  if (!(await isHeld(db, subject))) return 0;
  const beneath = await db.selectFrom('standingsBeneath').selectAll().where('subject', '=', subject).execute();
  const valid = new Set(beneath.flatMap(({ fingerprint, standing }) => (standing === 'valid' ? fingerprint : [])));
  const targets = await ofSubjects(db, [subject]);
  await db.deleteFrom('standingsBeneath').where('subject', '=', subject).execute();
  await db.deleteFrom('heldStandings').where('subject', '=', subject).execute();
  const back = targets
    .flatMap(({ rows }) => rows)
    .filter(({ fingerprint, standing }) => standing === 'suspended' && valid.has(fingerprint));
  await setStandings(change, back, 'valid');
  await touch(change, targets);
  return back.length;
}

/** What an operator says of certificates that are held, for when they are not. Resolves to how many it says something else of than before. */
export async function changeBeneath(
  change: ChangeTransaction,
  targets: readonly Target[],
  { from, to }: { from: readonly string[]; to: string },
): Promise<number> {
  const { db } = change;
  const held = await heldOf(
    db,
    targets.map(({ subject }) => subject),
  );
  let changed = 0;
  for (const target of targets.filter(({ subject }) => held.has(subject))) {
    const { numUpdatedRows } = await db
      .updateTable('standingsBeneath')
      .set({ standing: to })
      .where(
        'fingerprint',
        'in',
        target.rows.map(({ fingerprint }) => fingerprint),
      )
      .where('standing', 'in', from)
      .executeTakeFirst();
    if (numUpdatedRows > 0n) await touch(change, [target]);
    changed += Number(numUpdatedRows);
  }
  return changed;
}
