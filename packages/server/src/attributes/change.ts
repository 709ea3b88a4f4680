import {
  type AttributesRequest,
  type AttributeType,
  type AttributeValue,
  type Kind,
  PortcullisError,
  type Visibility,
} from '@portcullis/contract';
import type { ChangeTransaction } from '../journal/journal.ts';
import { requireTypes } from './types.ts';

/** So many subjects are done before the event loop gets a turn: a bulk change must not hold up a lease. */
const subjectsPerTurn = 500;

export async function changeAttributes(
  change: ChangeTransaction,
  request: AttributesRequest,
  declared: Record<string, AttributeType>,
): Promise<void> {
  const set = Object.entries((request.set ?? {}) as Record<string, AttributeValue>);
  const unset = request.unset ?? [];
  if (set.length + unset.length === 0) {
    throw new PortcullisError('request_malformed', 'the change names no attribute; give "set" or "unset"');
  }
  await requireTypes(change.db, request.set ?? {}, declared);
  for (const [index, subject] of [...new Set(request.subjects)].entries()) {
    if (index % subjectsPerTurn === subjectsPerTurn - 1) await new Promise((resolve) => setImmediate(resolve));
    const kind = await requireSubject(change, subject);
    for (const [name, value] of set) {
      const visibility = request.visibility ?? (await visibilityOf(change, subject, name)) ?? 'private';
      await writeValue(change, { subject, kind, name, value, visibility });
    }
    for (const name of unset) await unsetValue(change, subject, kind, name);
  }
}

async function requireSubject({ db, revision }: ChangeTransaction, subject: string): Promise<Kind> {
  const row = await db.selectFrom('subjects').select(['kind', 'retired']).where('id', '=', subject).executeTakeFirst();
  if (!row) throw new PortcullisError('subject_unknown', `the fleet has no subject "${subject}"`);
  if (row.retired) throw new PortcullisError('subject_retired', `"${subject}" is retired; its record is closed`);
  await db.updateTable('subjects').set({ revision }).where('id', '=', subject).execute();
  return row.kind as Kind;
}

async function visibilityOf({ db }: ChangeTransaction, subject: string, name: string): Promise<Visibility | undefined> {
  const row = await db
    .selectFrom('attributes')
    .select('visibility')
    .where('subject', '=', subject)
    .where('name', '=', name)
    .executeTakeFirst();
  return row?.visibility as Visibility | undefined;
}

interface Written {
  subject: string;
  kind: Kind;
  name: string;
  value: AttributeValue;
  visibility: Visibility;
}

export async function writeValue(
  change: ChangeTransaction,
  { subject, kind, name, value, visibility }: Written,
): Promise<void> {
  const { db, revision, at, actor, reason } = change;
  const row = { value: JSON.stringify(value), visibility, revision, changedAt: at, changedBy: actor, reason };
  await db
    .insertInto('attributes')
    .values({ subject, name, ...row })
    .onConflict((conflict) => conflict.columns(['subject', 'name']).doUpdateSet(row))
    .execute();
  await db
    .insertInto('attributeHistory')
    .values({ subject, name, type: typeof value, ...row })
    .execute();
  change.attribute(subject, kind, name, value, visibility === 'public');
}

async function unsetValue(change: ChangeTransaction, subject: string, kind: Kind, name: string): Promise<void> {
  const { db, revision, at, actor, reason } = change;
  const removed = await db
    .deleteFrom('attributes')
    .where('subject', '=', subject)
    .where('name', '=', name)
    .returning(['value', 'visibility'])
    .executeTakeFirst();
  if (!removed) throw new PortcullisError('attribute_unknown', `"${subject}" has no attribute "${name}"`);
  const { visibility } = removed;
  const type = typeof JSON.parse(removed.value);
  await db
    .insertInto('attributeHistory')
    .values({ subject, name, value: null, type, visibility, revision, changedAt: at, changedBy: actor, reason })
    .execute();
  change.attribute(subject, kind, name, null, visibility === 'public');
}
