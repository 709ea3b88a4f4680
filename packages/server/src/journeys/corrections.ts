import { PortcullisError, type VoidRequest } from '@portcullis/contract';
import type { ChangeTransaction } from '../journal/journal.ts';
import type { Writer } from '../storage/storage.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import { type ArrivalParts, digestOf, insert, judgeWaiting, refuse, rowOf, stopWaiting, timeIn } from './arrivals.ts';
import { type Asked, factsOf } from './facts.ts';
import { clockAllowanceMs, namesOf } from './judge.ts';
import type { Asks } from './promises.ts';
import { courseOf, isAllowed, stepOf } from './sequence.ts';
import { type ArrivalRow, countingOf, findArrival, type Shipment, storeShipment } from './shipment.ts';
import { dueAfter, endLate, leave } from './standing.ts';

/** An arrival does not count any more, or is not waited with; the original stays, and says so. */
export async function takeBack(
  parts: ArrivalParts,
  change: ChangeTransaction,
  shipment: Shipment,
  { arrival, reason }: VoidRequest,
): Promise<void> {
  const { db, actor } = change;
  const { id } = shipment.row;
  const row = await requireArrival(db, id, arrival);
  if (row.waitsUntil !== null) {
    await stopWaiting(parts, change, shipment, row);
    await refuse(parts, change, row, { reason: 'arrival_withdrawn', why: `"${actor}" took it back` });
    const said = { shipment: id, arrival, step: row.step, refused: 'arrival_withdrawn' };
    const followed = await judgeWaiting(parts, change, shipment);
    if ('accepted' in followed) {
      change.about({ ...said, ...followed });
      return leave(parts, change, shipment);
    }
    await storeShipment(db, shipment);
    return change.noted({ ...said, ...followed });
  }
  requireCounting(row);
  const left = (await countingOf(db, id)).filter(({ number }) => number !== row.number);
  requireAllowed(shipment, left);
  await markVoided(change, row, reason);
  await restand(parts, change, shipment, left);
  const followed = await judgeWaiting(parts, change, shipment);
  change.about({ voided: { shipment: id, arrival, step: row.step }, ...followed });
  await leave(parts, change, shipment);
}

/** A declaration takes the place of an arrival that counts: the steps before and after it stay what they are. */
export async function replace(
  parts: ArrivalParts,
  change: ChangeTransaction,
  shipment: Shipment,
  { asks, replaces, reason }: { asks: Asks; replaces: string; reason: string },
): Promise<void> {
  const { db, at: now, revision } = change;
  const { row, journey } = shipment;
  const old = await requireArrival(db, row.id, replaces);
  requireCounting(old);
  const step = stepOf(journey, asks.step ?? '');
  if (!step) throw notAllowed(`"${asks.step}" is no step of "${row.journey}"`);
  const before = await countingOf(db, row.id);
  const at = timeBetween(timeIn(asks.at) ?? old.at, bounds(shipment, before, { old, now }));
  await requireFacts(parts, db, { shipment: row.id, checkpoint: undefined, step, at, receivedAt: now, now });
  const says = { subject: change.actor, isDeclared: true };
  const judged = { step, at, isClaimed: true, verdict: { outcome: 'recorded', late: false } } as const;
  const made = {
    ...rowOf(asks, says, { judged, digest: digestOf(asks, says), now }),
    counts: old.counts,
    revision,
    replaces,
  };
  const after = before.map((one) => (one.number === old.number ? { ...made, number: old.number } : one));
  requireAllowed(shipment, after);
  await markVoided(change, old, reason);
  await insert(db, made);
  await restand(parts, change, shipment, after);
  const followed = await judgeWaiting(parts, change, shipment);
  change.about({ declared: { shipment: row.id, arrival: asks.arrival, step: step.name, replaces }, ...followed });
  await leave(parts, change, shipment);
}

/** Between which times it must be: those of its neighbours, and of what waits. */
function bounds(
  { row, waiting }: Shipment,
  counting: readonly ArrivalRow[],
  { old, now }: { old: ArrivalRow; now: number },
): [number, number] {
  const index = counting.findIndex(({ number }) => number === old.number);
  const after = counting[index + 1]?.at ?? Math.min(now, ...waiting.map(({ at }) => at));
  return [counting[index - 1]?.at ?? row.createdAt, after];
}

/** @throws {PortcullisError} `condition_not_met`, `evidence_missing` */
async function requireFacts(parts: ArrivalParts, db: Writer, asked: Asked): Promise<void> {
  const { unmet, unproven } = await factsOf(db, parts, asked);
  if (unmet) throw new PortcullisError('condition_not_met', unmet.why);
  if (unproven) throw new PortcullisError('evidence_missing', unproven.why);
}

/** @throws {PortcullisError} `time_contradicts` */
function timeBetween(at: number, [earliest, latest]: [number, number]): number {
  if (at >= earliest - clockAllowanceMs && at <= latest + clockAllowanceMs)
    return Math.min(Math.max(at, earliest), latest);
  const words = `it must be between ${timestamp(earliest)} and ${timestamp(latest)}; it says ${timestamp(at)}`;
  throw new PortcullisError('time_contradicts', words);
}

async function markVoided({ db, at, actor }: ChangeTransaction, row: ArrivalRow, reason: string): Promise<void> {
  const voided = { outcome: 'voided', counts: null, voidedAt: at, voidedBy: actor, voidedReason: reason };
  await db.updateTable('arrivals').set(voided).where('number', '=', row.number).execute();
}

/** Where the shipment stands by what counts now. */
async function restand(
  { alerts }: ArrivalParts,
  { db, at: now }: ChangeTransaction,
  shipment: Shipment,
  counting: readonly ArrivalRow[],
): Promise<void> {
  const { row, journey } = shipment;
  const [before, last] = [counting.at(-2), counting.at(-1)];
  row.course = courseOf(journey, before?.step ?? undefined, last?.step ?? undefined);
  const due = dueAfter(shipment, { step: last?.step ?? undefined, at: last?.at ?? row.createdAt });
  await endLate(alerts, db, row, now);
  Object.assign(row, { step: last?.step ?? null, stepAt: last?.at ?? null, ...due });
}

/** @throws {PortcullisError} `arrival_unknown` */
async function requireArrival(db: Writer, shipment: string, arrival: string): Promise<ArrivalRow> {
  const row = await findArrival(db, shipment, arrival);
  if (row) return row;
  throw new PortcullisError('arrival_unknown', `"${shipment}" has no arrival "${arrival}"`);
}

function requireCounting({ arrival, counts, outcome }: ArrivalRow): void {
  if (counts === null) throw notAllowed(`"${arrival}" does not count: it is ${outcome}`);
}

function requireAllowed({ journey, row }: Shipment, counting: readonly ArrivalRow[]): void {
  const steps = counting.map(({ step }) => step as string);
  if (!isAllowed(journey, steps))
    throw notAllowed(`"${row.journey}" does not allow ${namesOf(steps)}, which would be left`);
}

export const notAllowed = (why: string) => new PortcullisError('correction_not_allowed', why);
