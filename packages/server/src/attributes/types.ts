import { type AttributeType, type AttributeValue, PortcullisError } from '@portcullis/contract';
import type { Reader, Writer } from '../storage/storage.ts';
import { chunks } from './write-values.ts';

/** Holds every value to the type that its name has in the fleet: the declared one, or else that of its first use. */
export async function requireTypes(db: Writer, values: Values, declared: Declared): Promise<void> {
  for (const { name, type } of await typesToFix(db, values, declared)) await fix(db, name, type);
}

type Values = [string, AttributeValue][];
type Declared = Record<string, AttributeType>;

/** The names that get a type with these values. @throws {PortcullisError} `attribute_type_conflict` */
export async function typesToFix(
  db: Reader,
  values: Values,
  declared: Declared,
): Promise<{ name: string; type: AttributeType }[]> {
  const found: { name: string; type: AttributeType }[] = [];
  const inStore = await typesInStore(
    db,
    values.map(([name]) => name),
  );
  for (const [name, value] of values) {
    const stored = inStore.get(name);
    const fixed = requireType(name, value, declaredOr(stored, name, declared));
    if (stored !== fixed) found.push({ name, type: fixed });
  }
  return found;
}

/** The type that the name has, or gets by this value. @throws {PortcullisError} `attribute_type_conflict` */
export function requireType(name: string, value: AttributeValue, known: AttributeType | undefined): AttributeType {
  const type = typeof value as AttributeType;
  const fixed = known ?? type;
  if (fixed === type) return fixed;
  throw new PortcullisError(
    'attribute_type_conflict',
    `attribute "${name}" is a ${fixed} in this fleet, not a ${type}; ${name}:=JSON forces the type of a value, "attribute retype" gives the name another`,
    { detail: { name, expected: fixed, found: type } },
  );
}

export const declaredOr = (stored: AttributeType | undefined, name: string, declared: Declared) =>
  (Object.hasOwn(declared, name) ? declared[name] : undefined) ?? stored;

/** What values of this name are to be now; undefined: nobody ever said. */
export async function typeOf(db: Reader, name: string, declared: Declared): Promise<AttributeType | undefined> {
  return declaredOr(undefined, name, declared) ?? typeInStore(db, name);
}

export async function typesInStore(db: Reader, names: readonly string[]): Promise<Map<string, AttributeType>> {
  const found = new Map<string, AttributeType>();
  for (const some of chunks([...new Set(names)])) {
    const rows = await db.selectFrom('attributeTypes').selectAll().where('name', 'in', some).execute();
    for (const { name, type } of rows) found.set(name, type as AttributeType);
  }
  return found;
}

async function typeInStore(db: Reader, name: string): Promise<AttributeType | undefined> {
  const row = await db.selectFrom('attributeTypes').select('type').where('name', '=', name).executeTakeFirst();
  return row?.type as AttributeType | undefined;
}

/** A declared type is stored by its use too, so that it still holds when the declaration is gone. */
export async function fix(db: Writer, name: string, type: AttributeType): Promise<void> {
  await db
    .insertInto('attributeTypes')
    .values({ name, type })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ type }))
    .execute();
}
