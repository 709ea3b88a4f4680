import { type CourseRequest, PortcullisError } from '@portcullis/contract';
import type { ChangeTransaction } from '../journal/journal.ts';
import { type ArrivalParts, judgeWaiting } from './arrivals.ts';
import type { Catalogue } from './catalogue.ts';
import { notAllowed } from './corrections.ts';
import { namesOf } from './judge.ts';
import { isAllowed, stepOf } from './sequence.ts';
import { countingOf, type Shipment } from './shipment.ts';
import { dueAfter, endLate, leave } from './standing.ts';

interface Parts extends ArrivalParts {
  catalogue: Catalogue;
}

/** It is stopped, goes on, or is put on the newest version of a journey. Resolves to whether it is other than before. */
export async function steer(
  parts: Parts,
  change: ChangeTransaction,
  shipment: Shipment,
  { action, journey }: CourseRequest,
): Promise<0 | 1> {
  const { row } = shipment;
  if (journey !== undefined && action !== 'reroute') {
    throw new PortcullisError('request_malformed', `"${action}" takes no journey; "reroute" does`);
  }
  const isChanged =
    action === 'reroute' ? await reroute(parts, change, shipment, journey ?? row.journey) : halt(row, action);
  if (!isChanged) {
    const { revision } = await change.db
      .selectFrom('subjects')
      .select('revision')
      .where('id', '=', row.id)
      .executeTakeFirstOrThrow();
    change.unchanged(revision, [row.id]);
    return 0;
  }
  const followed = await judgeWaiting(parts, change, shipment);
  change.about({ shipment: row.id, [action]: true, journey: row.journey, version: row.version, ...followed });
  await leave(parts, change, shipment);
  return 1;
}

/** What it had to ring for while it was stopped it rings for once it goes on. */
function halt(row: Shipment['row'], action: 'stop' | 'resume'): boolean {
  const stopped = Number(action === 'stop');
  if (row.stopped === stopped) return false;
  Object.assign(row, { stopped, ringAt: row.dueAt });
  return true;
}

/** The steps that it took must be ones that the other journey, or version, allows. */
async function reroute(
  { catalogue, attributes, alerts }: Parts,
  change: ChangeTransaction,
  shipment: Shipment,
  name: string,
): Promise<boolean> {
  const { row, waiting } = shipment;
  const { db, at: now } = change;
  const { journey, version } = await catalogue.require(db, name);
  if (name === row.journey && version === row.version) return false;
  const steps = (await countingOf(db, row.id)).map(({ step }) => step as string);
  if (!isAllowed(journey, steps)) throw notAllowed(`"${name}" does not allow what it took: ${namesOf(steps)}`);
  const lost = waiting.find(({ step }) => !stepOf(journey, step as string));
  if (lost) throw notAllowed(`"${lost.arrival}" waits, and "${lost.step}" is no step of "${name}"; take it back first`);
  await endLate(alerts, db, row, now);
  const due = dueAfter({ journey }, { step: row.step ?? undefined, at: row.stepAt ?? row.createdAt });
  Object.assign(row, { journey: name, version, ...due });
  shipment.journey = journey;
  await db.updateTable('shipments').set({ journey: name, version }).where('id', '=', row.id).execute();
  await attributes.put(change, { subject: row.id, values: { journey: name } });
  return true;
}
