import type { PublicJourney } from '@portcullis/contract';
import type { Reader } from '../storage/storage.ts';
import { type ArrivalRow, findShipment, type Versions } from './shipment.ts';
import { publicJourney } from './views.ts';

/** The attribute of a checkpoint that is its name in public, where it is public. */
export const publicName = 'name';

/** The arrivals that are public are those that count, and those that counted. */
export async function publicOf(
  db: Reader,
  versions: Versions,
  ids: readonly string[],
): Promise<Map<string, PublicJourney>> {
  const arrivals = await db
    .selectFrom('arrivals')
    .selectAll()
    .where('shipment', 'in', ids)
    .where('outcome', 'in', ['recorded', 'voided'])
    .orderBy('number')
    .execute();
  const names = await namesOf(db, arrivals);
  const byShipment = Map.groupBy(arrivals, ({ shipment }) => shipment);
  const found = new Map<string, PublicJourney>();
  for (const id of ids) {
    const shipment = await findShipment(db, versions, id);
    if (shipment)
      found.set(
        id,
        publicJourney(shipment, byShipment.get(id) ?? [], (one) => names.get(one)),
      );
  }
  return found;
}

/** The shipments that say this checkpoint's name, in the order of their ids. */
export async function namedIn(db: Reader, checkpoint: string, after: string, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('arrivals')
    .select('shipment')
    .distinct()
    .where('checkpoint', '=', checkpoint)
    .where('shipment', '>', after)
    .where('counts', 'is not', null)
    .orderBy('shipment')
    .limit(limit)
    .execute();
  return rows.map(({ shipment }) => shipment);
}

/** By a query that finds public values alone (P15). */
async function namesOf(db: Reader, arrivals: readonly ArrivalRow[]): Promise<Map<string, string>> {
  const checkpoints = [...new Set(arrivals.map(({ checkpoint }) => checkpoint))];
  const rows = await db
    .selectFrom('attributes')
    .select(['subject', 'value'])
    .where('subject', 'in', checkpoints)
    .where('name', '=', publicName)
    .where('visibility', '=', 'public')
    .execute();
  return new Map(rows.map(({ subject, value }) => [subject, String(JSON.parse(value))]));
}
