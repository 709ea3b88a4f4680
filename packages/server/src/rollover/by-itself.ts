/** Which rollovers the authority began by itself: that of the next issuer for devices. */
import type { Reader, Writer } from '../storage/storage.ts';

const prefix = 'rolloverByItself ';

export async function markByItself(db: Writer, id: number): Promise<void> {
  await db
    .insertInto('settings')
    .values({ name: prefix + id, value: '1' })
    .execute();
}

export async function isByItself(db: Reader, id: number): Promise<boolean> {
  const row = await db
    .selectFrom('settings')
    .select('name')
    .where('name', '=', prefix + id)
    .executeTakeFirst();
  return row !== undefined;
}
