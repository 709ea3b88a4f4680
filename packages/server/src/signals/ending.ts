import { sql } from 'kysely';
import type { Reader } from '../storage/storage.ts';
import { type EpisodeRow, episodeOf, type HoldRow, live } from './hold-rows.ts';
import type { Proven } from './promises.ts';

/** So many that are to end are looked at at once. */
const perLook = 500;

/** Those whose time is over, the first to end first. */
export function overdue(db: Reader, now: number): Promise<HoldRow[]> {
  return live(db)
    .where('endsAt', 'is not', null)
    .where('endsAt', '<=', now)
    .orderBy('endsAt')
    .orderBy('id')
    .limit(perLook)
    .execute();
}

interface Claimed {
  row: HoldRow;
  episode: EpisodeRow;
}

/** Holds until their alert is resolved, of alerts that somebody said are: those behind a place in their order, and the next place. */
export async function claimedAfter(db: Reader, after: string): Promise<{ claimed: Claimed[]; next: string }> {
  const [source = '', key = ''] = after === '' ? [] : (JSON.parse(after) as string[]);
  const episodes = await db
    .selectFrom('signals')
    .selectAll()
    .where('state', '=', sql.lit('claimed_resolved'))
    .where(({ or, and, eb }) => or([eb('source', '>', source), and([eb('source', '=', source), eb('key', '>', key)])]))
    .orderBy('source')
    .orderBy('key')
    .limit(perLook)
    .execute();
  const claimed: Claimed[] = [];
  for (const episode of episodes) {
    const rows = await live(db)
      .where('source', '=', episode.source)
      .where('key', '=', episode.key)
      .where('lifts', '=', 'resolved')
      .execute();
    claimed.push(...rows.map((row) => ({ row, episode })));
  }
  const last = episodes.length === perLook ? episodes.at(-1) : undefined;
  return { claimed, next: last ? JSON.stringify([last.source, last.key]) : '' };
}

interface Known {
  now: number;
  /** Since when this process would have heard of a firing. */
  startedAt: number;
  proven: Proven;
}

/** Why a hold that ends with its alert does not end now; undefined: it does, or nothing is claimed. */
export async function whyKept(
  db: Reader,
  { row, episode }: Claimed,
  { now, startedAt, proven }: Known,
): Promise<string | undefined> {
  if (row.lifts !== 'resolved') return undefined;
  const { state, since, doubtful } = episodeOf(episode);
  if (state === 'firing') return 'its alert fires';
  // What was sent while nobody listened may have been a firing, and is not sent again.
  const settledAt = Math.max(since, startedAt) + row.settleMs;
  if (now < settledAt) return `it settles for ${Math.ceil((settledAt - now) / 1_000)} s more`;
  if (row.proof === null)
    return doubtful ? 'that it is over was said before, and it fired again: a person decides' : undefined;
  const told = await proven(db, { rule: row.proof, subject: row.subject });
  if (!told || told.at < since) return 'no reading since shows that all is well';
  return told.side === 'inside' ? undefined : 'the newest reading shows that it is not well';
}
