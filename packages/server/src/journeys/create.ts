import { type Kind, PortcullisError, type PublicCode, type ShipmentRequest, trackerKinds } from '@portcullis/contract';
import type { Attributes } from '../attributes/attributes.ts';
import type { ChangeTransaction } from '../journal/journal.ts';
import type { Writer } from '../storage/storage.ts';
import type { Catalogue } from './catalogue.ts';
import type { JourneyParts } from './promises.ts';
import { dueAfter } from './standing.ts';

interface Parts {
  catalogue: Catalogue;
  attributes: Pick<Attributes, 'ensure' | 'put'>;
  codes: JourneyParts['codes'];
}

/** A subject becomes a shipment that stands before the first step of its journey. */
export async function createShipment(
  { catalogue, attributes, codes }: Parts,
  change: ChangeTransaction,
  { shipment: id, journey: name, attributes: first = {}, tracker }: ShipmentRequest,
): Promise<PublicCode> {
  const { db, at } = change;
  const { journey, version } = await catalogue.require(db, name);
  await requireNew(db, id);
  if (tracker !== undefined) await requireTracker(db, tracker);
  await attributes.ensure(change, { subject: id, kind: 'shipment', attributes: first });
  const standing = { stopped: 0, course: 'created', step: null, stepAt: null, place: 0, pending: 0 };
  const row = { id, journey: name, version, tracker: tracker ?? null, createdAt: at, ...standing };
  await db
    .insertInto('shipments')
    .values({ ...row, ...dueAfter({ journey }, { step: undefined, at }) })
    .execute();
  await attributes.put(change, { subject: id, values: { journey: name, state: 'created' } });
  if (tracker !== undefined) await attributes.put(change, { subject: tracker, values: { shipment: id } });
  change.about({ shipment: id, journey: name, version, ...(tracker !== undefined && { tracker }) });
  return codes.make(db, id);
}

async function requireNew(db: Writer, id: string): Promise<void> {
  const known = await db.selectFrom('shipments').select('journey').where('id', '=', id).executeTakeFirst();
  if (!known) return;
  throw new PortcullisError('shipment_exists', `"${id}" is a shipment on the journey "${known.journey}" already`);
}

/** A tracker tells of one shipment at a time. */
async function requireTracker(db: Writer, tracker: string): Promise<void> {
  const known = await db
    .selectFrom('subjects')
    .select(['kind', 'retired'])
    .where('id', '=', tracker)
    .executeTakeFirst();
  if (!known) throw new PortcullisError('subject_unknown', `the fleet has no subject "${tracker}"`);
  if (known.retired) throw new PortcullisError('subject_retired', `"${tracker}" is retired; its record is closed`);
  if (!trackerKinds.includes(known.kind as Kind)) {
    const words = `"${tracker}" is a ${known.kind}; a tracker is one of [${trackerKinds.join(', ')}]`;
    throw new PortcullisError('kind_conflict', words);
  }
  const other = await db
    .selectFrom('shipments')
    .select('id')
    .where('tracker', '=', tracker)
    .where('course', '!=', 'delivered')
    .executeTakeFirst();
  if (!other) return;
  const words = `"${tracker}" is the tracker of "${other.id}", which is not delivered; choose another`;
  throw new PortcullisError('tracker_bound', words);
}
