import type { AttributeType, AttributeValue, Kind, Visibility } from '@portcullis/contract';
import type { ChangeTransaction } from '../journal/journal.ts';
import type { Writer } from '../storage/storage.ts';
import { storeBeneath } from './beneath.ts';

/** One value of one subject; `null` is "unset", and says of what type it was. */
export interface Written {
  subject: string;
  kind: Kind;
  name: string;
  value: AttributeValue | null;
  type: AttributeType;
  visibility: Visibility;
  /** It goes under a value that something holds: no gate is told of it. */
  beneath?: true;
}

/** Bounds the parameters of one statement: SQLite takes 32 766, PostgreSQL 65 535. */
const rowsPerStatement = 200;

export function* chunks<Item>(items: Item[], size: number = rowsPerStatement): Generator<Item[]> {
  for (let from = 0; from < items.length; from += size) yield items.slice(from, from + size);
}

/** Since when a value is what it is, by whom and why. */
export type Provenance = Pick<ChangeTransaction, 'revision' | 'at' | 'actor' | 'reason'>;

/** The live rows, the history and what gates are told of these values. A value that is unset must be there. */
export async function writeValues(change: ChangeTransaction, all: Written[]): Promise<void> {
  const { beneath = [], above: written = [] } = Object.groupBy(all, (one) => (one.beneath ? 'beneath' : 'above'));
  await storeValues(change.db, change, written);
  for (const { subject, kind, name, value, visibility } of written) {
    change.attribute(subject, kind, name, value, visibility === 'public');
  }
  if (beneath.length === 0) return;
  await storeBeneath(change.db, change, beneath);
  for (const some of chunks(beneath)) await remember(change.db, change, some);
  for (const { subject, kind } of beneath) change.touched(subject, kind);
}

export async function storeValues(db: Writer, by: Provenance, written: Written[]): Promise<void> {
  const set = written.filter((one) => one.value !== null);
  for (const some of chunks(set)) await upsert(db, by, some);
  for (const [name, some] of Map.groupBy(written, (one) => one.name)) {
    for (const unset of chunks(some.filter((one) => one.value === null))) await remove(db, name, unset);
  }
  for (const some of chunks(written)) await remember(db, by, some);
}

export function provenance({ revision, at, actor, reason }: Provenance) {
  return { revision, changedAt: at, changedBy: actor, reason };
}

async function upsert(db: Writer, told: Provenance, some: Written[]): Promise<void> {
  const by = provenance(told);
  await db
    .insertInto('attributes')
    .values(
      some.map(({ subject, name, value, visibility }) => ({
        ...{ subject, name, value: JSON.stringify(value), visibility },
        ...by,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(['subject', 'name']).doUpdateSet(({ ref }) => ({
        value: ref('excluded.value'),
        visibility: ref('excluded.visibility'),
        ...by,
      })),
    )
    .execute();
}

async function remove(db: Writer, name: string, some: Written[]): Promise<void> {
  const subjects = some.map((one) => one.subject);
  await db.deleteFrom('attributes').where('subject', 'in', subjects).where('name', '=', name).execute();
}

async function remember(db: Writer, told: Provenance, some: Written[]): Promise<void> {
  const by = provenance(told);
  await db
    .insertInto('attributeHistory')
    .values(
      some.map(({ subject, name, value, type, visibility, beneath = false }) => ({
        ...{ subject, name, value: value === null ? null : JSON.stringify(value), type, visibility },
        beneath: Number(beneath),
        ...by,
      })),
    )
    .execute();
}
