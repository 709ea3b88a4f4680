import type { Store } from '../storage/storage.ts';
import { entryHash, originHash } from './entry-hash.ts';

export interface Verification {
  entries: number;
  /** The first position that does not hold, and why. */
  broken?: { position: number; why: string };
}

const pageSize = 1_000;

/**
 * Walks the chain from its beginning. Any edit, reordering or gap breaks it; a cut of its end, or a chain made anew, is found
 * by the heads that somebody else holds.
 */
export async function verifyJournal(store: Store, heads: { position: number; hash: string }[]): Promise<Verification> {
  return store.snapshot(async (db) => {
    const expected = new Map(heads.map((head) => [head.position, head.hash]));
    let previousHash = originHash;
    let position = 0;
    let revision = 0;
    for (;;) {
      const rows = await db
        .selectFrom('journal')
        .selectAll()
        .where('position', '>', position)
        .orderBy('position')
        .limit(pageSize)
        .execute();
      for (const row of rows) {
        const at = position + 1;
        const broken = (why: string): Verification => ({ entries: position, broken: { position: at, why } });
        if (row.position !== at) return broken('the entry is missing');
        if (row.previousHash !== previousHash) return broken('it does not follow the entry before it');
        if (entryHash(row) !== row.hash) return broken('its bytes are not those that were hashed');
        if (row.revision !== null && row.revision !== ++revision) return broken('a revision is missing before it');
        const held = expected.get(at);
        if (held !== undefined && held !== row.hash) return broken('somebody holds another hash of this entry');
        previousHash = row.hash;
        position = at;
      }
      if (rows.length < pageSize) break;
    }
    const ahead = heads.find((head) => head.position > position);
    if (ahead)
      return { entries: position, broken: { position: position + 1, why: 'entries that somebody saw are missing' } };
    const head = await db.selectFrom('head').selectAll().executeTakeFirstOrThrow();
    if (head.position === position && head.hash === previousHash) return { entries: position };
    return { entries: position, broken: { position: position + 1, why: 'the stored head is another one' } };
  });
}
