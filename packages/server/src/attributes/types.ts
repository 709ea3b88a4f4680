import { type AttributeType, type AttributeValue, PortcullisError } from '@portcullis/contract';
import type { Writer } from '../storage/storage.ts';

/** Holds every value to the type that its name has in the fleet: the declared one, or else that of its first use. */
export async function requireTypes(
  db: Writer,
  values: [string, AttributeValue][],
  declared: Record<string, AttributeType>,
): Promise<void> {
  for (const [name, value] of values) {
    const type = typeof value as AttributeType;
    const stored = await typeInStore(db, name);
    const fixed = (Object.hasOwn(declared, name) ? declared[name] : stored) ?? type;
    if (fixed !== type) {
      throw new PortcullisError(
        'attribute_type_conflict',
        `attribute "${name}" is a ${fixed} in this fleet, not a ${type}; ${name}:=JSON forces the type of a value, "attribute retype" gives the name another`,
        { detail: { name, expected: fixed, found: type } },
      );
    }
    if (stored !== fixed) await fix(db, name, fixed);
  }
}

async function typeInStore(db: Writer, name: string): Promise<AttributeType | undefined> {
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
