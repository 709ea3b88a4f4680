import type { AttributeType, AttributeValue, Visibility } from '@portcullis/contract';
import type { ChangeTransaction } from '../journal/journal.ts';
import type { Reader } from '../storage/storage.ts';
import { beneathOf, kindOf, type Present, presentOf } from './beneath.ts';
import { requireTypes } from './types.ts';
import { type Written, writeValues } from './write-values.ts';

/** What a part of the authority writes of one subject, reserved names too. `null`: none; of what is so already nothing is written. */
export interface Put {
  subject: string;
  values: Record<string, AttributeValue | null>;
  /** Left out: as it is, and private where there is none. */
  visibility?: Visibility | undefined;
}

/** Resolves to how many values are other than before. @throws {PortcullisError} `subject_unknown`, `subject_retired`, `attribute_type_conflict` */
export async function put(
  change: ChangeTransaction,
  { subject, values, visibility }: Put,
  declared: Record<string, AttributeType>,
): Promise<number> {
  const { db, revision } = change;
  const kind = await kindOf(db, subject);
  const names = Object.keys(values);
  const set = Object.entries(values).filter((entry): entry is [string, AttributeValue] => entry[1] !== null);
  await requireTypes(db, set, declared);
  const beneath = await beneathOf(db, [subject], names);
  const written: Written[] = [];
  for (const [name, value] of Object.entries(values)) {
    const under = beneath({ subject, name });
    const present = await presentOf(db, subject, name);
    const before = under ?? present;
    const seen = visibility ?? before?.visibility ?? 'private';
    if (under && present && present.visibility !== seen) written.push(seenBy({ subject, kind, name }, present, seen));
    if ((before?.value ?? null) === value && (value === null || before?.visibility === seen)) continue;
    const type = typeof (value ?? before?.value) as AttributeType;
    written.push({ subject, kind, name, value, type, visibility: seen, ...(under && { beneath: true }) });
  }
  if (written.length === 0) return 0;
  await db.updateTable('subjects').set({ revision }).where('id', '=', subject).execute();
  await writeValues(change, written);
  return written.length;
}

/** What is held stays in force, and may be seen by whom it is said. */
function seenBy(of: Pick<Written, 'subject' | 'kind' | 'name'>, present: Present, visibility: Visibility): Written {
  return { ...of, value: present.value, type: typeof present.value as AttributeType, visibility };
}

/** What was in force then, by the authority's time of the change. */
export async function valueAt(db: Reader, subject: string, name: string, at: number): Promise<AttributeValue | null> {
  const row = await db
    .selectFrom('attributeHistory')
    .select('value')
    .where('subject', '=', subject)
    .where('name', '=', name)
    .where('changedAt', '<=', at)
    .where('beneath', '=', 0)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.value == null ? null : (JSON.parse(row.value) as AttributeValue);
}

export async function valuesOf(db: Reader, subject: string): Promise<Record<string, AttributeValue>> {
  const rows = await db.selectFrom('attributes').select(['name', 'value']).where('subject', '=', subject).execute();
  return Object.fromEntries(rows.map(({ name, value }) => [name, JSON.parse(value) as AttributeValue]));
}
