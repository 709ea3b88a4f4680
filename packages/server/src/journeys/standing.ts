import type { Attributes } from '../attributes/attributes.ts';
import type { ChangeTransaction } from '../journal/journal.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import type { Rings } from './promises.ts';
import { courseOf, nextAfter, placeOf, stepOf } from './sequence.ts';
import { type ArrivalRow, lastOf, type Shipment, type ShipmentRow, storeShipment } from './shipment.ts';

interface Parts {
  attributes: Pick<Attributes, 'put'>;
  alerts: Rings;
}

interface Taken {
  arrival: ArrivalRow;
  /** By which it is judged. */
  at: number;
  late: boolean;
}

/** An arrival counts: the shipment is at its step. The row of the shipment is stored by `leave`. */
export async function advance(
  { alerts }: Pick<Parts, 'alerts'>,
  { db, at: now, revision }: ChangeTransaction,
  shipment: Shipment,
  { arrival, at, late }: Taken,
): Promise<void> {
  const { row, journey } = shipment;
  const step = arrival.step as string;
  await settleLate(alerts, db, { shipment, now, late });
  const counts = countsFrom({ revision }, shipment, { late });
  row.course = courseOf(journey, row.step ?? undefined, step);
  row.place++;
  Object.assign(row, { step, stepAt: at, ...dueAfter(shipment, { step, at }) });
  if (arrival.counts !== null) return;
  const waited = { ...counts, at };
  await db.updateTable('arrivals').set(waited).where('number', '=', arrival.number).execute();
}

/** What the row of an arrival says that counts from this revision on. */
export function countsFrom(
  { revision }: Pick<ChangeTransaction, 'revision'>,
  { row }: Pick<Shipment, 'row'>,
  { late }: { late: boolean },
): Pick<ArrivalRow, 'outcome' | 'late' | 'counts' | 'revision'> {
  return { outcome: 'recorded', late: Number(late), counts: row.place + 1, revision };
}

/** What gates and everybody else see of it: in the transaction that moved it. */
export async function leave(
  { attributes }: Pick<Parts, 'attributes'>,
  change: ChangeTransaction,
  shipment: Shipment,
): Promise<void> {
  const { row } = shipment;
  await storeShipment(change.db, shipment);
  const values = { step: row.step, state: stateOf(row) };
  const changed = await attributes.put(change, { subject: row.id, values });
  if (changed === 0) change.touched(row.id, 'shipment');
}

export const stateOf = ({ stopped, course }: Pick<ShipmentRow, 'stopped' | 'course'>) =>
  stopped === 1 ? 'stopped' : course;

/** When the step that follows is late, counted from this one or from when the shipment was made. */
export function dueAfter(
  { journey }: Pick<Shipment, 'journey'>,
  { step, at }: { step: string | undefined; at: number },
): { dueAt: number | null; ringAt: number | null } {
  const [following] = nextAfter(journey, step);
  const isForward =
    following !== undefined && (step === undefined || placeOf(journey, following) > placeOf(journey, step));
  const withinMs = isForward ? stepOf(journey, following)?.withinMs : undefined;
  const dueAt = withinMs === undefined ? null : at + withinMs;
  return { dueAt, ringAt: dueAt };
}

/** What waited for this arrival waits no more; one that came late rings although the clock had not yet looked. */
async function settleLate(
  alerts: Rings,
  db: ChangeTransaction['db'],
  { shipment, now, late }: { shipment: Shipment; now: number; late: boolean },
): Promise<void> {
  const { row } = shipment;
  if (row.dueAt === null) return;
  if (late && row.ringAt !== null) await ringLate(alerts, db, shipment, now);
  await endLate(alerts, db, row, now);
}

/** What was late is not waited for any more. */
export async function endLate(
  alerts: Rings,
  db: ChangeTransaction['db'],
  row: ShipmentRow,
  now: number,
): Promise<void> {
  await alerts.settle(db, 'late', lateKey(row), now);
}

export async function ringLate(
  alerts: Rings,
  db: ChangeTransaction['db'],
  { row, journey }: Pick<Shipment, 'row' | 'journey'>,
  now: number,
): Promise<void> {
  const [following] = nextAfter(journey, row.step ?? undefined);
  const due = timestamp(row.dueAt ?? now);
  await alerts.raise(db, {
    ...{ kind: 'late', subject: row.id, key: lateKey(row), at: now },
    says: `"${row.id}" is late: "${following}" was due by ${due}`,
    detail: { step: following, dueAt: due, last: row.step },
  });
}

const lateKey = (row: ShipmentRow) => `${row.id}/${row.place}/${lastOf(row)?.at ?? row.createdAt}`;
