import type { Reader } from '../storage/storage.ts';
import type { HeldHead } from './verify.ts';
import { cutAfter, headAfter, heldOtherwise, otherHead, storedHead, wrongWith } from './verify.ts';

/** So much is hashed in a few milliseconds, whatever the journal has grown to. */
const entriesMax = 200;
const bytesMax = 4 * 1024 * 1024;

export interface EndVerification {
  position: number;
  /** The first entry that was looked at; 0: there is none. */
  lookedFrom: number;
  broken: { position: number; why: string } | null;
}

/** The last entries: that each follows the one before it, is what was hashed, and ends in the heads that are held. */
export async function verifyEnd(db: Reader, heads: HeldHead[]): Promise<EndVerification> {
  const stored = await storedHead(db);
  const lookedFrom = await firstToLookAt(db);
  const rows = await db
    .selectFrom('journal')
    .selectAll()
    .where('position', '>=', lookedFrom)
    .orderBy('position')
    .limit(entriesMax)
    .execute();
  const told = { position: stored.position, lookedFrom };
  const broken = (position: number, why: string) => ({ ...told, broken: { position, why } });
  const [first] = rows;
  let reached = {
    ...{ position: (first?.position ?? 1) - 1, hash: first?.previousHash ?? stored.hash },
    ...{ revision: await revisionBefore(db, lookedFrom), revisionHash: stored.revisionHash },
  };
  for (const row of rows) {
    const why = wrongWith(row, reached) ?? heldOtherwise(row, heads);
    if (why !== undefined) return broken(row.position, why);
    reached = headAfter(row, reached);
  }
  const why = cutAfter(reached, heads) ?? otherHead(stored, reached);
  return why === undefined ? { ...told, broken: null } : broken(reached.position + 1, why);
}

/** As many as fit into the bound, one at least: one entry may name a hundred thousand subjects. */
async function firstToLookAt(db: Reader): Promise<number> {
  const rows = await db
    .selectFrom('journal')
    .select(({ fn }) => ['position', fn<number>('length', ['body']).as('bytes')])
    .orderBy('position', 'desc')
    .limit(entriesMax)
    .execute();
  let first = rows[0]?.position ?? 0;
  let bytes = 0;
  for (const row of rows) {
    bytes += row.bytes;
    if (bytes > bytesMax) break;
    first = row.position;
  }
  return first;
}

async function revisionBefore(db: Reader, position: number): Promise<number> {
  const row = await db
    .selectFrom('journal')
    .select('revision')
    .where('position', '<', position)
    .where('revision', 'is not', null)
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.revision ?? 0;
}
