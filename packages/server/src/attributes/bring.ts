import {
  type AttributeType,
  type AttributeValue,
  type Kind,
  PortcullisError,
  type Visibility,
} from '@portcullis/contract';
import type { ChangeTransaction } from '../journal/journal.ts';
import type { Reader } from '../storage/storage.ts';
import { type Beneath, beneathOf } from './beneath.ts';
import type { Ruled } from './change.ts';
import { declaredOr, fix, requireType, typesInStore } from './types.ts';
import { chunks, type Written, writeValues } from './write-values.ts';

/** What an import says of one subject; what it does not say stays. `null`: it has no such attribute. */
export interface Brought {
  subject: string;
  kind?: Kind | undefined;
  attributes?: Record<string, AttributeValue | null> | undefined;
  /** Left out: as they are. */
  public?: readonly string[] | undefined;
}

/** What becomes of a row: of which kind the subject is, or why it is not taken. */
export type Becomes = { kind: Kind; made: 'created' | 'changed' | 'same' } | { refused: PortcullisError };

export interface Bringing {
  /** Of each row, in order. */
  becomes: readonly Becomes[];
  /** Makes and changes those that `take` says. */
  write(change: ChangeTransaction, take: (row: number) => boolean): Promise<void>;
}

/** Whom an import may make: what there is many of. Others are made by a token, `init` or a command of their own. */
const made: readonly Kind[] = ['device', 'gateway'];
/** Of whom it may say anything: not of those that the fleet stands on. */
const named: readonly Kind[] = [...made, 'shipment'];

interface Known {
  kinds: ReadonlyMap<string, { kind: Kind; retired: boolean }>;
  present: ReadonlyMap<string, ReadonlyMap<string, { value: AttributeValue; visibility: Visibility }>>;
  beneath(of: { subject: string; name: string }): Beneath | undefined;
  types: ReadonlyMap<string, AttributeType>;
}

/** Rows of different subjects, in a few reads, however many they are. What one of them fixes the type of is so for those after it. */
export async function lookAt(db: Reader, rows: readonly Brought[], ruled: Ruled): Promise<Bringing> {
  const known = await knownOf(db, rows, ruled);
  const fixed = new Map(known.types);
  const looked = rows.map((row) => lookAtOne(row, known, { ruled, fixed }));
  return {
    becomes: looked.map((one) => ('refused' in one ? one : { kind: one.kind, made: madeOf(one) })),
    async write(change, take) {
      const taken = looked.filter((one, row): one is Looked => !('refused' in one) && take(row));
      for (const [name, type] of fixed) {
        if (known.types.get(name) !== type && taken.some(({ written }) => written.some((one) => one.name === name)))
          await fix(change.db, name, type);
      }
      await writeSubjects(change, taken);
      await writeValues(
        change,
        taken.flatMap(({ written }) => written),
      );
    },
  };
}

interface Looked {
  subject: string;
  kind: Kind;
  isNew: boolean;
  written: Written[];
}

const madeOf = ({ isNew, written }: Looked) => (isNew ? 'created' : written.length > 0 ? 'changed' : 'same');

async function knownOf(db: Reader, rows: readonly Brought[], { declared }: Ruled): Promise<Known> {
  const ids = rows.map(({ subject }) => subject);
  const names = [...new Set(rows.flatMap(({ attributes = {} }) => Object.keys(attributes)))];
  const subjects = await db.selectFrom('subjects').select(['id', 'kind', 'retired']).where('id', 'in', ids).execute();
  const values = await db
    .selectFrom('attributes')
    .select(['subject', 'name', 'value', 'visibility'])
    .where('subject', 'in', ids)
    .execute();
  const present = new Map<string, Map<string, { value: AttributeValue; visibility: Visibility }>>();
  for (const { subject, name, value, visibility } of values) {
    const own = present.get(subject) ?? new Map();
    own.set(name, { value: JSON.parse(value) as AttributeValue, visibility });
    present.set(subject, own);
  }
  const stored = await typesInStore(db, names);
  const types = names.flatMap((name) => {
    const type = declaredOr(stored.get(name), name, declared);
    return type ? [[name, type] as const] : [];
  });
  return {
    kinds: new Map(subjects.map(({ id, kind, retired }) => [id, { kind: kind as Kind, retired: retired === 1 }])),
    present,
    beneath: await beneathOf(db, ids),
    types: new Map(types),
  };
}

interface Rules {
  ruled: Ruled;
  fixed: Map<string, AttributeType>;
}

function lookAtOne(row: Brought, known: Known, rules: Rules): Looked | { refused: PortcullisError } {
  const before = new Map(rules.fixed);
  try {
    const { kind, isNew } = kindOf(row, known);
    return { subject: row.subject, kind, isNew, written: writtenOf(row, kind, known, rules) };
  } catch (error) {
    if (!(error instanceof PortcullisError)) throw error;
    for (const name of rules.fixed.keys()) if (!before.has(name)) rules.fixed.delete(name);
    return { refused: error };
  }
}

function kindOf({ subject, kind }: Brought, { kinds }: Known): { kind: Kind; isNew: boolean } {
  const is = kinds.get(subject);
  if (!is) {
    const wanted = kind ?? 'device';
    if (made.includes(wanted)) return { kind: wanted, isNew: true };
    throw new PortcullisError(
      'request_malformed',
      `"${subject}" is not there, and an import makes no ${wanted}; it makes [${made.join(', ')}]`,
    );
  }
  if (kind !== undefined && kind !== is.kind) {
    throw new PortcullisError('kind_conflict', `"${subject}" is a ${is.kind}, not a ${kind}; it stays so for life`);
  }
  if (!named.includes(is.kind)) {
    const why = `"${subject}" is a ${is.kind}, of which an import says nothing; it is about [${named.join(', ')}]`;
    throw new PortcullisError('request_malformed', why);
  }
  if (is.retired) throw new PortcullisError('subject_retired', `"${subject}" is retired; nothing of it changes`);
  return { kind: is.kind, isNew: false };
}

function writtenOf(row: Brought, kind: Kind, known: Known, { ruled, fixed }: Rules): Written[] {
  const { subject, attributes = {} } = row;
  const written: Written[] = [];
  for (const [name, value] of Object.entries(attributes)) {
    const under = known.beneath({ subject, name });
    const present = known.present.get(subject)?.get(name);
    const before = under ?? present;
    const visibility = visibilityOf(row, name) ?? before?.visibility ?? 'private';
    if (value !== null) fixed.set(name, requireType(name, value, fixed.get(name)));
    if ((before?.value ?? null) === value && (value === null || before?.visibility === visibility)) continue;
    ruled.reserved.require(subject, kind, name);
    const type = fixed.get(name) ?? 'string';
    if (under && present && present.visibility !== visibility) {
      // What is held stays in force, and may be seen by whom it is said.
      written.push({ subject, kind, name, value: present.value, type, visibility });
    }
    written.push({ subject, kind, name, value, type, visibility, ...(under && { beneath: true }) });
  }
  return written;
}

const visibilityOf = (row: Brought, name: string): Visibility | undefined =>
  row.public && (row.public.includes(name) ? 'public' : 'private');

async function writeSubjects(change: ChangeTransaction, taken: readonly Looked[]): Promise<void> {
  const { db, revision, at } = change;
  const fresh = taken.filter(({ isNew }) => isNew);
  const unsaid = { hosts: null, url: null };
  for (const some of chunks(fresh)) {
    const rows = some.map(({ subject, kind }) => ({ id: subject, kind, createdAt: at, revision, ...unsaid }));
    await db.insertInto('subjects').values(rows).execute();
    for (const { subject, kind } of some) change.touched(subject, kind);
  }
  const others = taken.filter(({ isNew, written }) => !isNew && written.length > 0).map(({ subject }) => subject);
  for (const some of chunks(others))
    await db.updateTable('subjects').set({ revision }).where('id', 'in', some).execute();
}
