import type { Selectable } from 'kysely';
import type { Reader, Schema, Store } from '../storage/storage.ts';
import { wrongWithParts } from './drafts.ts';
import { entryHash, originHash } from './entry-hash.ts';
import type { JournalHead } from './head-file.ts';
import { readPage } from './page.ts';
import type { DraftTold } from './promises.ts';

export interface Verification {
  entries: number;
  /** The first position that does not hold, and why. */
  broken?: { position: number; why: string };
}

/** A head that somebody else holds: the head file by its position, a gate by the revision that it has applied. */
export type HeldHead = ({ position: number } | { revision: number }) & { hash: string; by?: string | undefined };

/** Many heads, by what they are of: a gate keeps one an hour. */
class HeadIndex {
  readonly #heads: Map<string, HeldHead[]>;

  constructor(heads: HeldHead[]) {
    const placeOf = (head: HeldHead) => ('position' in head ? `at ${head.position}` : `revision ${head.revision}`);
    this.#heads = Map.groupBy(heads, placeOf);
  }

  of({ position, revision }: Row): HeldHead[] {
    return [...(this.#heads.get(`at ${position}`) ?? []), ...(this.#heads.get(`revision ${revision}`) ?? [])];
  }
}

/**
 * Walks the chain from its beginning. Any edit, reordering or gap breaks it; a cut of its end, or a chain made anew, is found
 * by the heads that somebody else holds. Each page is a read of its own: what is long to walk pins nothing that the store could let go, and
 * entries that are appended meanwhile are walked too.
 */
export async function verifyJournal(store: Pick<Store, 'snapshot'>, heads: HeldHead[]): Promise<Verification> {
  const index = new HeadIndex(heads);
  let reached: JournalHead = { position: 0, revision: 0, hash: originHash, revisionHash: originHash };
  const broken = (why: string) => ({ entries: reached.position, broken: { position: reached.position + 1, why } });
  // From before any possible position: an entry in front of the first would be served by its revision.
  for (let after = Number.MIN_SAFE_INTEGER; ; ) {
    const from = after;
    const read = async (db: Reader) => ({
      rows: await readPage(db, 'position', from, pageSize),
      stored: await storedHead(db),
    });
    const { rows, stored } = await store.snapshot(read);
    for (const row of rows) {
      const why = wrongWith(row, reached) ?? heldOtherwise(row, index.of(row)) ?? (await wrongWithBulk(store, row));
      if (why !== undefined) return broken(why);
      reached = headAfter(row, reached);
    }
    const last = rows.at(-1);
    if (last) {
      after = last.position;
      continue;
    }
    const why = cutAfter(reached, heads) ?? otherHead(stored, reached);
    return why === undefined ? { entries: reached.position } : broken(why);
  }
}

type Row = Selectable<Schema['journal']>;

const pageSize = 1_000;

export function wrongWith(row: Row, before: JournalHead): string | undefined {
  if (row.position > before.position + 1) return 'the entry is missing';
  if (row.position !== before.position + 1) return 'there is an entry in front of the first';
  if (row.previousHash !== before.hash) return 'it does not follow the entry before it';
  if (entryHash(row) !== row.hash) return 'its bytes are not those that were hashed';
  if (row.revision !== null && row.revision !== before.revision + 1) return 'a revision is missing before it';
  return undefined;
}

/** The entry of a bulk change names its parts: they are held against it. */
async function wrongWithBulk(store: Pick<Store, 'snapshot'>, { body }: Row): Promise<string | undefined> {
  if (!body.includes('"draft":')) return undefined;
  const { draft } = JSON.parse(body) as { draft?: DraftTold };
  return draft && store.snapshot((db) => wrongWithParts(db, draft));
}

export function heldOtherwise(row: Row, heads: HeldHead[]): string | undefined {
  const other = heads.find(
    (head) =>
      ('position' in head ? head.position === row.position : head.revision === row.revision) && head.hash !== row.hash,
  );
  return other && `${other.by ?? 'somebody'} holds another hash of this entry`;
}

export function headAfter(row: Row, before: JournalHead): JournalHead {
  const made = row.revision === null ? {} : { revision: row.revision, revisionHash: row.hash };
  return { ...before, position: row.position, hash: row.hash, ...made };
}

export function cutAfter(reached: JournalHead, heads: HeldHead[]): string | undefined {
  const ahead = heads.find((head) =>
    'position' in head ? head.position > reached.position : head.revision > reached.revision,
  );
  return ahead && `entries that ${ahead.by ?? 'somebody'} saw are missing`;
}

export const storedHead = (db: Reader) => db.selectFrom('head').selectAll().executeTakeFirstOrThrow();

/** Where the journal of a store that nobody need hold ends. */
export async function storedHeadOf(store: Pick<Store, 'snapshot'>): Promise<JournalHead> {
  const { position, revision, hash, revisionHash } = await store.snapshot(storedHead);
  return { position, revision, hash, revisionHash };
}

export function otherHead(stored: JournalHead, reached: JournalHead): string | undefined {
  const same =
    stored.position === reached.position &&
    stored.hash === reached.hash &&
    stored.revision === reached.revision &&
    stored.revisionHash === reached.revisionHash;
  return same ? undefined : 'the stored head is another one';
}
