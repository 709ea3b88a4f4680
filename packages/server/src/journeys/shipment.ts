import { Journey, PortcullisError } from '@portcullis/contract';
import type { ExpressionBuilder, Selectable } from 'kysely';
import type { Reader, Schema, Writer } from '../storage/storage.ts';
import type { Position } from './judge.ts';
import type { Passed } from './sequence.ts';

export type ShipmentRow = Selectable<Schema['shipments']> & { retired: number };
export type ArrivalRow = Selectable<Schema['arrivals']>;

/** A shipment as it is in the transaction that looks at it. */
export interface Shipment {
  row: ShipmentRow;
  journey: Journey;
  /** Arrivals that wait, in the order in which they came. */
  waiting: ArrivalRow[];
  /** Its standing is held, or its certificate is suspended or revoked: it goes no further, whatever its journey says. */
  isCut: boolean;
}

type Looks = Pick<Reader, 'selectFrom'>;

const cachedMax = 256;

/** A version never changes: each is parsed once. */
export class Versions {
  readonly #known = new Map<string, Journey>();

  async get(db: Looks, name: string, version: number): Promise<Journey> {
    const key = `${name} ${version}`;
    const known = this.#known.get(key);
    if (known) return known;
    const { body } = await db
      .selectFrom('journeys')
      .select('body')
      .where('name', '=', name)
      .where('version', '=', version)
      .executeTakeFirstOrThrow();
    const journey = Journey.parse(JSON.parse(body));
    if (this.#known.size >= cachedMax) this.#known.clear();
    this.#known.set(key, journey);
    return journey;
  }
}

/** Undefined: the fleet has no shipment of this name. */
export async function findShipment(db: Looks, versions: Versions, id: string): Promise<Shipment | undefined> {
  const found = await db
    .selectFrom('shipments')
    .innerJoin('subjects', 'subjects.id', 'shipments.id')
    .selectAll('shipments')
    .select(['subjects.retired', heldSince, certificateStanding])
    .where('shipments.id', '=', id)
    .executeTakeFirst();
  if (!found) return undefined;
  const { since, standing, ...row } = found;
  const isCut = since !== null || standing === 'suspended' || standing === 'revoked';
  const journey = await versions.get(db, row.journey, row.version);
  return { row, journey, waiting: row.pending === 0 ? [] : await waitingOf(db, id), isCut };
}

type OfShipment = ExpressionBuilder<Schema, 'shipments' | 'subjects'>;

const heldSince = (of: OfShipment) =>
  of
    .selectFrom('heldStandings')
    .select('heldStandings.since')
    .whereRef('heldStandings.subject', '=', 'shipments.id')
    .as('since');

/** Of the newest that no other took the place of: the one that the public is shown. */
const certificateStanding = (of: OfShipment) =>
  of
    .selectFrom('certificates')
    .select('certificates.standing')
    .whereRef('certificates.subject', '=', 'shipments.id')
    .where('certificates.confirmed', '=', 1)
    .where('certificates.standing', '!=', 'superseded')
    .orderBy('certificates.issuedAt', 'desc')
    .limit(1)
    .as('standing');

/** @throws {PortcullisError} `subject_unknown` */
export async function requireShipment(db: Looks, versions: Versions, id: string): Promise<Shipment> {
  const found = await findShipment(db, versions, id);
  if (found) return found;
  throw new PortcullisError(
    'subject_unknown',
    `the fleet has no shipment "${id}"; "portcullis shipment create" makes one`,
  );
}

async function waitingOf(db: Looks, id: string): Promise<ArrivalRow[]> {
  return db
    .selectFrom('arrivals')
    .selectAll()
    .where('shipment', '=', id)
    .where('waitsUntil', 'is not', null)
    .orderBy('number')
    .execute();
}

export async function findArrival(db: Looks, shipment: string, arrival: string): Promise<ArrivalRow | undefined> {
  return db
    .selectFrom('arrivals')
    .selectAll()
    .where('shipment', '=', shipment)
    .where('arrival', '=', arrival)
    .executeTakeFirst();
}

/** The arrivals that count, in the order in which they do. */
export async function countingOf(db: Looks, shipment: string): Promise<ArrivalRow[]> {
  return db
    .selectFrom('arrivals')
    .selectAll()
    .where('shipment', '=', shipment)
    .where('counts', 'is not', null)
    .orderBy('counts')
    .execute();
}

/** The steps that count, in order, for who asks what a shipment went through. */
export async function stepsOf(db: Reader, shipment: string): Promise<Passed[]> {
  return (await countingOf(db, shipment)).map(passedOf);
}

export async function isDelivered(db: Reader, shipment: string): Promise<boolean> {
  const row = await db.selectFrom('shipments').select('course').where('id', '=', shipment).executeTakeFirst();
  return row?.course === 'delivered';
}

export const passedOf = ({ step, at }: Pick<ArrivalRow, 'step' | 'at'>): Passed => ({ step: step as string, at });

export const lastOf = ({ step, stepAt }: ShipmentRow): Passed | undefined =>
  step === null || stepAt === null ? undefined : { step, at: stepAt };

export function positionOf({ row, journey, waiting, isCut }: Shipment, without?: number): Position {
  return {
    journey,
    createdAt: row.createdAt,
    isStopped: row.stopped === 1 || row.retired === 1 || isCut,
    last: lastOf(row),
    pending: waiting.filter(({ number }) => number !== without).map(passedOf),
  };
}

/** Where it stands: what it is stays as it is, and no key of another table is looked at. */
export async function storeShipment(db: Writer, { row }: Shipment): Promise<void> {
  const { id, stopped, course, step, stepAt, place, pending, dueAt, ringAt } = row;
  const standing = { stopped, course, step, stepAt, place, pending, dueAt, ringAt };
  await db.updateTable('shipments').set(standing).where('id', '=', id).execute();
}
