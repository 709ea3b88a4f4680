import type { AttributeValue } from '@portcullis/contract';
import type { Selectable } from 'kysely';
import type { Reader, Schema, Writer } from '../storage/storage.ts';
import { aTurn } from '../telemetry/telemetry.ts';
import type { Episode } from './episode.ts';

export type HoldRow = Selectable<Schema['holds']>;
export type EpisodeRow = Selectable<Schema['signals']>;

/** What it lies over. `attribute` is empty where it is the standing. */
export type Over = Pick<HoldRow, 'subject' | 'attribute'>;

/** So many are named in one statement. */
const perStatement = 200;
/** Of what takes several statements for each. */
export const perTurn = 20;

/** The event loop gets a turn after each piece. */
export async function inPieces<Item>(
  items: readonly Item[],
  work: (some: Item[]) => Promise<void>,
  size = perStatement,
): Promise<void> {
  for (let from = 0; from < items.length; from += size) {
    await work(items.slice(from, from + size));
    await aTurn();
  }
}

export const heldValueOf = ({ attribute, value }: HoldRow): AttributeValue | null =>
  attribute === '' ? null : (JSON.parse(value) as AttributeValue);

/** What makes two the same hold, of one alert. */
export const causeOf = ({ key, reaction, subject, attribute, value }: Omit<HoldRow, 'id'>) =>
  JSON.stringify([key, reaction, subject, attribute, value]);

export function episodeOf(row: EpisodeRow): Episode {
  const time = (text: string | null) => (text === null ? null : BigInt(text));
  return {
    ...{ state: row.state as Episode['state'], since: row.since, doubtful: row.doubtful === 1 },
    ...{ startsAt: time(row.startsAt), endsAt: time(row.endsAt), refuted: time(row.refuted) },
  };
}

export async function storeEpisode(
  db: Writer,
  named: { source: string; key: string },
  episode: Episode,
): Promise<void> {
  const text = (time: bigint | null) => (time === null ? null : String(time));
  const row = {
    ...{ state: episode.state, since: episode.since, doubtful: episode.doubtful ? 1 : 0 },
    ...{ startsAt: text(episode.startsAt), endsAt: text(episode.endsAt), refuted: text(episode.refuted) },
    ...{ seen: null, seenSince: null },
  };
  await db
    .insertInto('signals')
    .values({ ...named, ...row })
    .onConflict((conflict) => conflict.columns(['source', 'key']).doUpdateSet(row))
    .execute();
}

export const live = (db: Pick<Reader, 'selectFrom'>) => db.selectFrom('holds').selectAll().where('endedAt', 'is', null);

/** In force, or beside one that is. */
export function liveOver(db: Reader, { subject, attribute }: Over): Promise<HoldRow[]> {
  return live(db)
    .where('subject', '=', subject)
    .where('attribute', '=', attribute)
    .where('waiting', '=', 0)
    .orderBy('since')
    .orderBy('id')
    .execute();
}

export async function insertHolds(db: Writer, rows: readonly HoldRow[]): Promise<void> {
  await inPieces(rows, async (some) => {
    await db.insertInto('holds').values(some).execute();
  });
}

/** How they end, of those that were there already. */
export async function renewHolds(db: Writer, rows: readonly HoldRow[]): Promise<void> {
  await inPieces(
    rows,
    async (some) => {
      for (const { id, since, endsAt, lifts } of some)
        await db.updateTable('holds').set({ since, endsAt, lifts }).where('id', '=', id).execute();
    },
    perTurn,
  );
}

export async function endHolds(db: Writer, rows: readonly HoldRow[], ended: { at: number; by: string }): Promise<void> {
  await inPieces(rows, async (some) => {
    const ids = some.map(({ id }) => id);
    await db.updateTable('holds').set({ endedAt: ended.at, endedBy: ended.by }).where('id', 'in', ids).execute();
  });
}

/** Each once, in their order. */
export function oversOf(rows: readonly Over[]): Over[] {
  return [
    ...new Map(rows.map(({ subject, attribute }) => [`${subject} ${attribute}`, { subject, attribute }])).values(),
  ];
}
