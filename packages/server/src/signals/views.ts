import type { HoldsQuery, HoldView, Kind, SubjectId } from '@portcullis/contract';
import type { Reader } from '../storage/storage.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import type { Covering } from './covering.ts';
import {
  type EpisodeRow,
  type HoldRow,
  heldValueOf,
  inPieces,
  live,
  type Over,
  oversOf,
  perTurn,
} from './hold-rows.ts';

interface Shown {
  covering: Covering;
  /** Why one could not be ended by now, where it might. */
  lacks(db: Reader, row: HoldRow, episode: EpisodeRow): Promise<string | undefined>;
}

/** In the order in which they began. */
export async function listHolds(
  db: Reader,
  { subject, source, after, limit }: HoldsQuery,
  shown: Shown,
): Promise<{ items: HoldView[]; next: string | null }> {
  const [since = '-1', id = ''] = after?.split(' ') ?? [];
  const rows = await live(db)
    .$if(subject !== undefined, (select) => select.where('subject', '=', subject as string))
    .$if(source !== undefined, (select) => select.where('source', '=', source as string))
    .where(({ or, and, eb }) =>
      or([eb('since', '>', Number(since)), and([eb('since', '=', Number(since)), eb('id', '>', id)])]),
    )
    .orderBy('since')
    .orderBy('id')
    .limit(limit)
    .execute();
  const last = rows.length === limit ? rows.at(-1) : undefined;
  return { items: await viewsOf(db, rows, shown), next: last ? `${last.since} ${last.id}` : null };
}

/** The first of those that are on any of these names of these subjects; on whatever, where none is given. */
export async function holdsOn(
  db: Reader,
  { subjects, names, most }: { subjects: readonly string[]; names?: readonly string[] | undefined; most: number },
  shown: Shown,
): Promise<HoldView[]> {
  const found: HoldRow[] = [];
  await inPieces(subjects, async (some) => {
    if (found.length >= most) return;
    const rows = await live(db)
      .where('subject', 'in', some)
      .$if(names !== undefined, (select) => select.where('attribute', 'in', names as string[]))
      .where('waiting', '=', 0)
      .orderBy('since')
      .limit(most - found.length)
      .execute();
    found.push(...rows);
  });
  return viewsOf(db, found, shown);
}

export async function viewsOf(db: Reader, rows: readonly HoldRow[], shown: Shown): Promise<HoldView[]> {
  const tops = await topsOf(db, rows, shown.covering);
  const views: HoldView[] = [];
  await inPieces(
    rows,
    async (some) => {
      const kinds = await kindsOf(db, some);
      for (const row of some) {
        const episode = await db
          .selectFrom('signals')
          .selectAll()
          .where('source', '=', row.source)
          .where('key', '=', row.key)
          .executeTakeFirstOrThrow();
        const state = row.waiting ? 'waiting' : tops.has(row.id) || row.attribute === '' ? 'in_force' : 'beside';
        const lacks = await shown.lacks(db, row, episode);
        views.push({
          ...viewOf(row, episode, kinds.get(row.subject) as Kind),
          state,
          ...(lacks !== undefined && { lacks }),
        });
      }
    },
    perTurn,
  );
  return views;
}

function viewOf(row: HoldRow, { state, since, seen, seenSince }: EpisodeRow, kind: Kind): Omit<HoldView, 'state'> {
  const told = seen === null ? { state, since } : { state: seen, since: seenSince ?? since };
  return {
    ...{ hold: row.id, subject: row.subject as SubjectId, kind, value: heldValueOf(row) },
    attribute: (row.attribute || null) as HoldView['attribute'],
    ...{ source: row.source, key: row.key, reason: row.reason, since: timestamp(row.since) },
    until: row.endsAt === null ? (row.lifts as 'person' | 'resolved') : timestamp(row.endsAt),
    alert: { state: told.state as HoldView['alert']['state'], since: timestamp(told.since) },
    revision: row.revision,
  };
}

/** The ids of those that count, of all that lie over the same. */
async function topsOf(db: Reader, rows: readonly HoldRow[], covering: Covering): Promise<Set<string>> {
  const tops = new Set<string>();
  const keyOf = ({ subject, attribute }: Over) => `${subject} ${attribute}`;
  const wanted = new Map(oversOf(rows).map((over) => [keyOf(over), over]));
  await inPieces([...new Set(rows.map(({ subject }) => subject))], async (subjects) => {
    const all = await live(db).where('subject', 'in', subjects).where('waiting', '=', 0).execute();
    for (const [key, some] of Map.groupBy(all, keyOf)) {
      const top = wanted.has(key) ? covering.top(some) : undefined;
      if (top) tops.add(top.id);
    }
  });
  return tops;
}

async function kindsOf(db: Reader, rows: readonly HoldRow[]): Promise<Map<string, string>> {
  const subjects = [...new Set(rows.map(({ subject }) => subject))];
  const found = await db.selectFrom('subjects').select(['id', 'kind']).where('id', 'in', subjects).execute();
  return new Map(found.map(({ id, kind }) => [id, kind]));
}
