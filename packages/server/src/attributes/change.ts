import {
  type AttributesRequest,
  type AttributeType,
  type AttributeValue,
  type Kind,
  PortcullisError,
  type Visibility,
} from '@portcullis/contract';
import type { ChangeTransaction } from '../journal/journal.ts';
import type { Reader, Writer } from '../storage/storage.ts';
import { aTurn } from '../telemetry/telemetry.ts';
import { type Beneath, beneathOf } from './beneath.ts';
import type { Reserved } from './reserved.ts';
import { requireTypes, typesToFix } from './types.ts';
import { chunks, type Written, writeValues } from './write-values.ts';

/** The event loop gets a turn after each so many subjects: a bulk change must not hold up a lease. */
export const subjectsPerTurn = 200;

/** What is to become of many subjects, and how that is found out for some of them. */
export interface Plan {
  action: string;
  /** The revision that it undoes. */
  undoes?: number;
  named: string[];
  /** How many values it may write. */
  values: number;
  /** Looked at before anything is prepared. @throws {PortcullisError} `attribute_type_conflict` */
  requireTypes(db: Reader): Promise<void>;
  /** The same within the transaction that commits it: a name without a type has one from then on. */
  fixTypes(db: Writer): Promise<void>;
  /**
   * What would make these subjects what is asked for. `again`: whose values are written also where they are so already.
   * @throws {PortcullisError} `subject_retired`, `attribute_unknown`
   */
  difference(db: Reader, subjects: string[], again?: Again): Promise<Difference>;
}

/** Subjects of which something was told that may be older than what they are: it is all told anew. */
export type Again = Pick<ReadonlySet<string> | ReadonlyMap<string, unknown>, 'has'>;

/** What is asked for, of each subject alike. */
interface Asked {
  set: [string, AttributeValue][];
  unset: string[];
  visibility: Visibility | undefined;
  reserved: Reserved;
}

/** @throws {PortcullisError} `request_malformed` where it contradicts itself */
export function planOf(
  { subjects, set: values = {}, unset, visibility }: AttributesRequest,
  { declared, reserved }: Ruled,
): Plan {
  const set = Object.entries(values as Record<string, AttributeValue>);
  const named = [...new Set<string>(subjects)];
  const asked = { set, unset: [...new Set<string>(unset)], visibility, reserved };
  requireSense(asked);
  return {
    action: 'attributes.change',
    named,
    values: named.length * (set.length + asked.unset.length),
    async requireTypes(db) {
      await typesToFix(db, set, declared);
    },
    fixTypes: (db) => requireTypes(db, set, declared),
    difference: (db, some, again) => difference(db, asked, { subjects: some, again }),
  };
}

/** What attributes are to be, by `fleet.yaml`, and who alone may write them. */
export interface Ruled {
  declared: Record<string, AttributeType>;
  reserved: Reserved;
}

/** Resolves to how many subjects are other than before; where none is, and nothing else was changed before it, there is no revision. */
export async function changeAttributes(change: ChangeTransaction, plan: Plan, also = 0): Promise<number> {
  await plan.fixTypes(change.db);
  await requireKnown(change.db, plan.named);
  const { changed, newest } = await changeAll(change, plan);
  if (changed + also === 0) change.unchanged(newest, plan.named);
  return changed;
}

export async function changeAll(change: ChangeTransaction, plan: Plan): Promise<{ changed: number; newest: number }> {
  const done = { changed: 0, newest: 0 };
  for (const subjects of chunks(plan.named, subjectsPerTurn)) {
    const some = await changeSome(change, plan, subjects);
    done.changed += some.changed.length;
    done.newest = Math.max(done.newest, some.newest);
    await aTurn();
  }
  return done;
}

const namedMax = 50;

/** All that the fleet does not know are named at once: who mistyped several corrects them in one go. */
async function requireKnown(db: Reader, named: string[]): Promise<void> {
  const unknown: string[] = [];
  for (const subjects of chunks(named, subjectsPerTurn)) {
    unknown.push(...(await unknownOf(db, subjects)));
    await aTurn();
  }
  refuseUnknown(unknown);
}

export async function unknownOf(db: Reader, subjects: string[]): Promise<string[]> {
  const rows = await db.selectFrom('subjects').select('id').where('id', 'in', subjects).execute();
  const known = new Set(rows.map(({ id }) => id));
  return subjects.filter((subject) => !known.has(subject));
}

/** @throws {PortcullisError} `subject_unknown` where there are any */
export function refuseUnknown(unknown: readonly string[]): void {
  if (unknown.length === 0) return;
  const some = unknown.slice(0, namedMax).map((subject) => `"${subject}"`);
  const more = unknown.length > namedMax ? ` and ${unknown.length - namedMax} more` : '';
  throw new PortcullisError(
    'subject_unknown',
    `the fleet has no subject ${some.join(', ')}${more}; nothing was changed`,
  );
}

function requireSense({ set, unset }: Pick<Asked, 'set' | 'unset'>): void {
  if (set.length + unset.length === 0) {
    throw new PortcullisError('request_malformed', 'the change names no attribute; give "set" or "unset"');
  }
  const both = set.find(([name]) => unset.includes(name));
  if (both)
    throw new PortcullisError('request_malformed', `the change both sets and unsets "${both[0]}"; do one of them`);
}

/** Stores what is other than before, and nothing else. `newest`: since when what was named is as it is. */
export async function changeSome(
  change: ChangeTransaction,
  plan: Plan,
  subjects: string[],
  again?: Again,
): Promise<{ changed: string[]; newest: number }> {
  const { written, changed, newest } = await plan.difference(change.db, subjects, again);
  await markTouched(change, changed);
  await writeValues(change, written);
  return { changed, newest };
}

export interface Difference {
  written: Written[];
  /** The subjects that will be other than they are. */
  changed: string[];
  newest: number;
  /** Those of which something is held: they are for the transaction that commits it. */
  held: string[];
}

async function difference(
  db: Reader,
  asked: Asked,
  { subjects, again }: { subjects: string[]; again: Again | undefined },
): Promise<Difference> {
  const kinds = await requireSubjects(db, subjects);
  const present = await presentOf(db, asked, subjects);
  const beneath = await beneathOf(db, subjects, namesOf(asked));
  const written: Written[] = [];
  const held = new Set<string>();
  for (const [subject, kind] of kinds) {
    const facts = present.get(subject) ?? [];
    for (const name of namesOf(asked)) {
      asked.reserved.require(subject, kind, name);
      const fact = facts.find((one) => one.name === name);
      const under = beneath({ subject, name });
      const told = again?.has(subject) ?? false;
      if (under && fact) {
        // What was told of it is taken back: what is held stays in force. By whom it may be seen is nothing that is held.
        const visibility = asked.visibility ?? fact.visibility;
        if (told || visibility !== fact.visibility) written.push({ subject, kind, ...fact, visibility });
      }
      const before = under ? under : fact;
      const one = becomes({ subject, kind, name, before, told: told && !under }, asked);
      if (one) written.push(under ? { ...one, beneath: true } : one);
      if (under) held.add(subject);
    }
  }
  const newest = Math.max(0, ...[...present.values()].flat().map(({ revision }) => revision));
  const of = (some: Written[]) => [...new Set(some.map(({ subject }) => subject))];
  return { written, changed: of(written), newest, held: [...held] };
}

const namesOf = ({ set, unset }: Asked) => [...set.map(([name]) => name), ...unset];

interface Becoming extends Pick<Written, 'subject' | 'kind' | 'name'> {
  before: Pick<Beneath, 'value' | 'visibility'> | undefined;
  /** Something else may have been told of it. */
  told: boolean;
}

/** @throws {PortcullisError} `attribute_unknown` */
function becomes({ subject, kind, name, before, told }: Becoming, asked: Asked): Written | undefined {
  const value = asked.set.find(([one]) => one === name)?.[1];
  if (value !== undefined) {
    const visibility = asked.visibility ?? before?.visibility ?? 'private';
    if (before?.value === value && before.visibility === visibility && !told) return undefined;
    return { subject, kind, name, value, type: typeof value as AttributeType, visibility };
  }
  if (!before || before.value === null) {
    throw new PortcullisError('attribute_unknown', `"${subject}" has no attribute "${name}"`);
  }
  const { visibility } = before;
  return { subject, kind, name, value: null, type: typeof before.value as AttributeType, visibility };
}

async function markTouched({ db, revision }: ChangeTransaction, subjects: string[]): Promise<void> {
  if (subjects.length > 0) await db.updateTable('subjects').set({ revision }).where('id', 'in', subjects).execute();
}

/** The kinds of these subjects, in the order in which they were asked for. */
async function requireSubjects(db: Reader, subjects: string[]): Promise<Map<string, Kind>> {
  const rows = await db.selectFrom('subjects').select(['id', 'kind', 'retired']).where('id', 'in', subjects).execute();
  const found = new Map(rows.map((row) => [row.id, row]));
  const kinds = new Map<string, Kind>();
  for (const subject of subjects) {
    const row = found.get(subject);
    if (!row) throw new PortcullisError('subject_unknown', `the fleet has no subject "${subject}"`);
    if (row.retired) throw new PortcullisError('subject_retired', `"${subject}" is retired; its record is closed`);
    kinds.set(subject, row.kind as Kind);
  }
  return kinds;
}

interface Present {
  name: string;
  value: AttributeValue;
  type: AttributeType;
  visibility: Visibility;
  revision: number;
}

/** What these subjects have now of the attributes that are asked for. */
async function presentOf(db: Reader, asked: Asked, subjects: string[]): Promise<Map<string, Present[]>> {
  const names = namesOf(asked);
  const rows = await db
    .selectFrom('attributes')
    .select(['subject', 'name', 'value', 'visibility', 'revision'])
    .where('subject', 'in', subjects)
    .where('name', 'in', names)
    .execute();
  const facts = rows.map(({ value: text, visibility, ...row }) => {
    const value = JSON.parse(text) as AttributeValue;
    return { ...row, value, type: typeof value as AttributeType, visibility: visibility as Visibility };
  });
  return Map.groupBy(facts, (fact) => fact.subject);
}
