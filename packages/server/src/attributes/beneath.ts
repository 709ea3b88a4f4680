/**
 * What lies under a value that something holds. The live row has what is in force, so that nobody who reads it must know of holds; here is what
 * it was before, or what an operator said since, until it is in force again.
 */
import type { AttributeType, AttributeValue, Kind, Visibility } from '@portcullis/contract';
import { PortcullisError } from '@portcullis/contract';
import type { ChangeTransaction } from '../journal/journal.ts';
import type { Reader, Writer } from '../storage/storage.ts';
import { type Provenance, provenance, type Written, writeValues } from './write-values.ts';

export interface Beneath {
  value: AttributeValue | null;
  visibility: Visibility;
  revision: number;
}

interface Named {
  subject: string;
  name: string;
}

/** By subject and name, of those over which something lies. */
export async function beneathOf(
  db: Reader,
  subjects: readonly string[],
  names?: readonly string[],
): Promise<(of: Named) => Beneath | undefined> {
  const rows = await db
    .selectFrom('attributesBeneath')
    .selectAll()
    .where('subject', 'in', subjects)
    .$if(names !== undefined, (select) => select.where('name', 'in', names as string[]))
    .execute();
  const found = new Map(
    rows.map(({ subject, name, value, visibility, revision }) => [
      keyOf({ subject, name }),
      { value: parsed(value), visibility: visibility as Visibility, revision },
    ]),
  );
  return (of) => found.get(keyOf(of));
}

/** Neither an id nor a name has a blank. */
const keyOf = ({ subject, name }: Named) => `${subject} ${name}`;

const parsed = (value: string | null) => (value === null ? null : (JSON.parse(value) as AttributeValue));

/** What is underneath, of each attribute of a subject over which something lies. */
export async function readBeneath(db: Reader, subject: string): Promise<Map<string, AttributeValue | null>> {
  const rows = await db.selectFrom('attributesBeneath').selectAll().where('subject', '=', subject).execute();
  return new Map(rows.map(({ name, value }) => [name, parsed(value)]));
}

export async function isLaid(db: Reader, subject: string, name: string): Promise<boolean> {
  return (await beneathOf(db, [subject], [name]))({ subject, name }) !== undefined;
}

/** The value is in force, whatever is underneath. */
export async function lay(
  change: ChangeTransaction,
  { subject, name, value }: Named & { value: AttributeValue },
): Promise<void> {
  const { db } = change;
  const kind = await kindOf(db, subject);
  const present = await presentOf(db, subject, name);
  if (!(await isLaid(db, subject, name))) {
    const under = present ?? { value: null, visibility: 'private' };
    await storeBeneath(db, change, [{ subject, kind, name, ...under, type: typeof value as AttributeType }]);
  }
  if (present?.value === value) return change.touched(subject, kind);
  const visibility = present?.visibility ?? 'private';
  await write(change, { subject, kind, name, value, type: typeof value as AttributeType, visibility });
}

/** What is underneath is in force again. */
export async function lift(change: ChangeTransaction, { subject, name }: Named): Promise<void> {
  const { db } = change;
  const under = (await beneathOf(db, [subject], [name]))({ subject, name });
  if (!under) return;
  await db.deleteFrom('attributesBeneath').where('subject', '=', subject).where('name', '=', name).execute();
  const kind = await kindOf(db, subject);
  const present = await presentOf(db, subject, name);
  const { value, visibility } = under;
  if ((present?.value ?? null) === value && present?.visibility === visibility) return change.touched(subject, kind);
  const type = typeof (value ?? present?.value) as AttributeType;
  await write(change, { subject, kind, name, value, type, visibility });
}

async function write(change: ChangeTransaction, written: Written): Promise<void> {
  const { subject } = written;
  await change.db.updateTable('subjects').set({ revision: change.revision }).where('id', '=', subject).execute();
  await writeValues(change, [written]);
}

/** @throws {PortcullisError} `subject_unknown`, `subject_retired` */
export async function kindOf(db: Reader, subject: string): Promise<Kind> {
  const row = await db.selectFrom('subjects').select(['kind', 'retired']).where('id', '=', subject).executeTakeFirst();
  if (!row) throw new PortcullisError('subject_unknown', `the fleet has no subject "${subject}"`);
  if (row.retired) throw new PortcullisError('subject_retired', `"${subject}" is retired; its record is closed`);
  return row.kind as Kind;
}

export type Present = { value: AttributeValue; visibility: Visibility };

export async function presentOf(db: Reader, subject: string, name: string): Promise<Present | undefined> {
  const row = await db
    .selectFrom('attributes')
    .select(['value', 'visibility'])
    .where('subject', '=', subject)
    .where('name', '=', name)
    .executeTakeFirst();
  return row && { value: JSON.parse(row.value) as AttributeValue, visibility: row.visibility as Visibility };
}

/** Few at a time: what is held is little of a fleet. */
export async function storeBeneath(db: Writer, by: Provenance, written: readonly Written[]): Promise<void> {
  for (const { subject, name, value, visibility } of written) {
    const row = { value: value === null ? null : JSON.stringify(value), visibility, ...provenance(by) };
    await db
      .insertInto('attributesBeneath')
      .values({ subject, name, ...row })
      .onConflict((conflict) => conflict.columns(['subject', 'name']).doUpdateSet(row))
      .execute();
  }
}
