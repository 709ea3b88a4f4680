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
import { chunks, type Written, writeValues } from './write-values.ts';

/** The event loop gets a turn after each so many subjects: a bulk change must not hold up a lease. */
const subjectsPerTurn = 200;

interface Asked {
  set: [string, AttributeValue][];
  unset: string[];
  visibility: Visibility | undefined;
}

export async function changeAttributes(
  change: ChangeTransaction,
  request: AttributesRequest,
  declared: Record<string, AttributeType>,
): Promise<void> {
  const set = Object.entries((request.set ?? {}) as Record<string, AttributeValue>);
  const asked: Asked = { set, unset: [...new Set<string>(request.unset)], visibility: request.visibility };
  requireSense(asked);
  await requireTypes(change.db, set, declared);
  for (const subjects of chunks([...new Set<string>(request.subjects)], subjectsPerTurn)) {
    await changeSome(change, asked, subjects);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function requireSense({ set, unset }: Asked): void {
  if (set.length + unset.length === 0) {
    throw new PortcullisError('request_malformed', 'the change names no attribute; give "set" or "unset"');
  }
  const both = set.find(([name]) => unset.includes(name));
  if (both)
    throw new PortcullisError('request_malformed', `the change both sets and unsets "${both[0]}"; do one of them`);
}

async function changeSome(change: ChangeTransaction, asked: Asked, subjects: string[]): Promise<void> {
  const kinds = await requireSubjects(change, subjects);
  const present = await presentOf(change, asked, subjects);
  const written: Written[] = [];
  for (const [subject, kind] of kinds) {
    const facts = present.get(subject) ?? [];
    for (const [name, value] of asked.set) {
      const visibility = asked.visibility ?? facts.find((fact) => fact.name === name)?.visibility ?? 'private';
      written.push({ subject, kind, name, value, type: typeof value as AttributeType, visibility });
    }
    for (const name of asked.unset) {
      const fact = facts.find((one) => one.name === name);
      if (!fact) throw new PortcullisError('attribute_unknown', `"${subject}" has no attribute "${name}"`);
      written.push({ subject, kind, name, value: null, type: fact.type, visibility: fact.visibility });
    }
  }
  await writeValues(change, written);
}

/** The kinds of these subjects, in the order in which they were asked for. All of them are marked as touched. */
async function requireSubjects({ db, revision }: ChangeTransaction, subjects: string[]): Promise<Map<string, Kind>> {
  const rows = await db.selectFrom('subjects').select(['id', 'kind', 'retired']).where('id', 'in', subjects).execute();
  const found = new Map(rows.map((row) => [row.id, row]));
  const kinds = new Map<string, Kind>();
  for (const subject of subjects) {
    const row = found.get(subject);
    if (!row) throw new PortcullisError('subject_unknown', `the fleet has no subject "${subject}"`);
    if (row.retired) throw new PortcullisError('subject_retired', `"${subject}" is retired; its record is closed`);
    kinds.set(subject, row.kind as Kind);
  }
  await db.updateTable('subjects').set({ revision }).where('id', 'in', subjects).execute();
  return kinds;
}

interface Present {
  name: string;
  type: AttributeType;
  visibility: Visibility;
}

/** What these subjects have now of the attributes that are asked for. */
async function presentOf({ db }: ChangeTransaction, asked: Asked, subjects: string[]): Promise<Map<string, Present[]>> {
  const names = [...asked.set.map(([name]) => name), ...asked.unset];
  const rows = await db
    .selectFrom('attributes')
    .select(['subject', 'name', 'value', 'visibility'])
    .where('subject', 'in', subjects)
    .where('name', 'in', names)
    .execute();
  const facts = rows.map(({ subject, name, value, visibility }) => ({
    ...{ subject, name, visibility: visibility as Visibility },
    type: typeof JSON.parse(value) as AttributeType,
  }));
  return Map.groupBy(facts, (fact) => fact.subject);
}
