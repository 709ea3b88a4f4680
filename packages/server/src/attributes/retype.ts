import { type AttributeName, type AttributeType, type AttributeTypeView, PortcullisError } from '@portcullis/contract';
import type { By, Journal } from '../journal/journal.ts';
import type { Reader, Writer } from '../storage/storage.ts';
import { aTurn } from '../telemetry/telemetry.ts';
import { fix } from './types.ts';

type Declared = Record<string, AttributeType>;
type NamedType = Omit<AttributeTypeView, 'subjects'>;

/** The event loop gets a turn after each so many subjects. */
const subjectsPerTurn = 5_000;
const namedMax = 3;

/** Every name that has a type, by use or by declaration, with how many subjects have a value. */
export async function listTypes(db: Reader, declared: Declared): Promise<AttributeTypeView[]> {
  const counts = new Map<string, number>();
  for await (const [from, to] of ranges(db)) {
    const rows = await valuesBetween(db, from, to)
      .select((select) => ['attributes.name', select.fn.countAll<number>().as('subjects')] as const)
      .groupBy('attributes.name')
      .execute();
    for (const { name, subjects } of rows) counts.set(name, (counts.get(name) ?? 0) + Number(subjects));
  }
  const used = await db.selectFrom('attributeTypes').selectAll().execute();
  const names = [...new Set([...used.map(({ name }) => name), ...Object.keys(declared)])].sort();
  const types = new Map(used.map(({ name, type }) => [name, type as AttributeType]));
  return names.map((name) => ({ ...named(name, types.get(name), declared), subjects: counts.get(name) ?? 0 }));
}

/** @throws {PortcullisError} `attribute_unknown` */
export async function readType(db: Reader, name: string, declared: Declared): Promise<NamedType> {
  const row = await db.selectFrom('attributeTypes').select('type').where('name', '=', name).executeTakeFirst();
  if (row || Object.hasOwn(declared, name)) return named(name, row?.type as AttributeType | undefined, declared);
  throw new PortcullisError('attribute_unknown', `"${name}" has no type in this fleet; its first use gives it one`);
}

function named(name: string, type: AttributeType | undefined, declared: Declared): NamedType {
  const own = Object.hasOwn(declared, name) ? declared[name] : undefined;
  return { name: name as AttributeName, type: (own ?? type) as AttributeType, declared: own !== undefined };
}

/**
 * Gives a name another type. Decides nothing at any gate, since no subject has a value of it: it is in the journal, and no revision.
 * Values of retired subjects stay as they are: their record is closed.
 * @throws {PortcullisError} `attribute_unknown`, `attribute_type_conflict`
 */
export async function retype(
  parts: { journal: Journal; declared: Declared; requireWhole(db: Reader): Promise<void> },
  by: By,
  { name, type }: { name: string; type: AttributeType },
): Promise<{ changed: 0 | 1 }> {
  const body = (from: AttributeType) => (from === type ? undefined : { name, from, to: type });
  const from = await parts.journal.note({ ...by, action: 'attributes.retype', body }, async (db) => {
    await parts.requireWhole(db);
    const before = await readType(db, name, parts.declared);
    if (before.type === type) return before.type;
    if (before.declared) {
      const where = `"${name}" is declared a ${before.type} in fleet.yaml; change it there, and restart the authority`;
      throw new PortcullisError('attribute_type_conflict', where);
    }
    await requireNoValue(db, name, type);
    await fix(db, name, type);
    return before.type;
  });
  return { changed: from === type ? 0 : 1 };
}

async function requireNoValue(db: Writer, name: string, type: AttributeType): Promise<void> {
  const held = await db
    .selectFrom('attributesBeneath')
    .select(['subject', 'value'])
    .where('name', '=', name)
    .where('value', 'is not', null)
    .limit(namedMax)
    .execute();
  requireNone(held, name, type);
  for await (const [from, to] of ranges(db)) {
    const rows = await valuesBetween(db, from, to)
      .select(['attributes.subject', 'attributes.value'])
      .where('attributes.name', '=', name)
      .where('subjects.retired', '=', 0)
      .limit(namedMax)
      .execute();
    requireNone(rows, name, type);
  }
}

function requireNone(rows: { subject: string; value: string | null }[], name: string, type: AttributeType): void {
  if (rows.length === 0) return;
  const some = rows.map(({ subject, value }) => `"${subject}" (${value})`).join(', ');
  const verb = rows.length === 1 ? 'stands' : 'stand';
  const why = `${some}${rows.length === namedMax ? ' and others' : ''} ${verb} in the way of "${name}" being a ${type}`;
  throw new PortcullisError('attribute_type_conflict', `${why}; unset it there first`);
}

/** The ids of all subjects, as bounds: after the first, up to the second. */
async function* ranges(db: Reader): AsyncGenerator<readonly [string, string]> {
  for (let from = ''; ; ) {
    const ids = await db
      .selectFrom('subjects')
      .select('id')
      .where('id', '>', from)
      .orderBy('id')
      .limit(subjectsPerTurn)
      .execute();
    const to = ids.at(-1)?.id;
    if (to === undefined) return;
    yield [from, to];
    from = to;
    await aTurn();
  }
}

function valuesBetween(db: Reader, from: string, to: string) {
  return db
    .selectFrom('attributes')
    .innerJoin('subjects', 'subjects.id', 'attributes.subject')
    .where('attributes.subject', '>', from)
    .where('attributes.subject', '<=', to);
}
