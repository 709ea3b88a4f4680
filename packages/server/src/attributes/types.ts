import { type AttributeType, type AttributeValue, PortcullisError } from '@portcullis/contract';
import type { Writer } from '../storage/storage.ts';

/** Holds every value to the type that its name has in the fleet; the first use of a name fixes it. */
export async function requireTypes(
  db: Writer,
  values: Record<string, AttributeValue>,
  declared: Record<string, AttributeType>,
): Promise<void> {
  for (const [name, value] of Object.entries(values)) {
    const type = typeof value as AttributeType;
    const fixed = declared[name] ?? (await typeInStore(db, name));
    if (fixed === undefined) await db.insertInto('attributeTypes').values({ name, type }).execute();
    else if (fixed !== type) {
      throw new PortcullisError(
        'attribute_type_conflict',
        `attribute "${name}" is a ${fixed} in this fleet, not a ${type}; use ${name}:=JSON to force a type`,
        { detail: { name, expected: fixed, found: type } },
      );
    }
  }
}

async function typeInStore(db: Writer, name: string): Promise<AttributeType | undefined> {
  const row = await db.selectFrom('attributeTypes').select('type').where('name', '=', name).executeTakeFirst();
  return row?.type as AttributeType | undefined;
}
