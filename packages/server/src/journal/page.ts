import { type Selectable, sql } from 'kysely';
import type { Reader, Schema } from '../storage/storage.ts';

type Row = Selectable<Schema['journal']>;

/** What one read brings into memory, whatever its entries say: one that is larger comes alone. */
export const pageBytesMax = 4 * 1024 * 1024;

/** The entries behind a place, in order: at most so many, and no more bytes than a page has, but one at least where there is one. */
export async function readPage(
  db: Reader,
  by: 'position' | 'revision',
  after: number,
  limit: number,
  bytesMax = pageBytesMax,
): Promise<Row[]> {
  const sizes = await db
    .selectFrom('journal')
    .select([by, sql<number>`octet_length(body)`.as('bytes')])
    .where(by, '>', after)
    .orderBy(by)
    .limit(limit)
    .execute();
  const last = lastWithin(sizes, bytesMax);
  if (last === undefined) return [];
  const rows = db
    .selectFrom('journal')
    .selectAll()
    .where(by, '>', after)
    .where(by, '<=', last[by] as number);
  return rows.orderBy(by).execute();
}

function lastWithin<Size extends { bytes: number }>(sizes: readonly Size[], bytesMax: number): Size | undefined {
  let bytes = 0;
  let last = sizes[0];
  for (const size of sizes) {
    bytes += size.bytes;
    if (bytes > bytesMax) break;
    last = size;
  }
  return last;
}

/** How many bytes the changes after a revision take, told of at most so many of them: what a follower has before it. */
export async function bytesAfter(db: Reader, revision: number, changesMax: number): Promise<number> {
  const found = await db
    .selectFrom((inner) =>
      inner
        .selectFrom('journal')
        .select(sql<number>`octet_length(body) + ${sql.ref('partBytes')}`.as('bytes'))
        .where('revision', '>', revision)
        .orderBy('revision')
        .limit(changesMax)
        .as('ahead'),
    )
    .select(({ fn }) => fn.sum<number | null>('ahead.bytes').as('bytes'))
    .executeTakeFirst();
  return Number(found?.bytes ?? 0);
}
