import { createHash } from 'node:crypto';
import type { ArrivalAnswer, JourneyStep } from '@portcullis/contract';
import type { Attributes } from '../attributes/attributes.ts';
import type { ChangeTransaction } from '../journal/journal.ts';
import type { Schema, Writer } from '../storage/storage.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import { type FactParts, factsOf, meets } from './facts.ts';
import { type Attempt, aim, decide, type Refusal, timeOf, type Verdict } from './judge.ts';
import type { Asks, Recorded, Rings } from './promises.ts';
import { nextAfter } from './sequence.ts';
import { type ArrivalRow, findArrival, findShipment, positionOf, type Shipment, type Versions } from './shipment.ts';
import { advance, countsFrom, leave } from './standing.ts';

/** What a bulk change put in force of these is in the rows that are looked at. */
type Merged = Pick<Attributes, 'requirePreconditions'>;

export interface ArrivalParts extends FactParts {
  versions: Versions;
  alerts: Rings;
  attributes: FactParts['attributes'] & Merged & Parameters<typeof leave>[0]['attributes'];
}

/** What an attempt came to: the step that it was taken for, and the time by which it was judged. */
export interface Judged {
  step: JourneyStep | undefined;
  at: number;
  isClaimed: boolean;
  verdict: Verdict;
}

/** Who says so: a checkpoint, or an operator in the place of one. */
export interface Says {
  subject: string;
  isDeclared: boolean;
}

/** Undefined: there is no such shipment. Whatever comes of an arrival is kept, in the journal too. */
export async function enter(
  parts: ArrivalParts,
  change: ChangeTransaction,
  asks: Asks,
  says: Says,
): Promise<Recorded | undefined> {
  const { db, at: now } = change;
  const { shipment: id, arrival } = asks;
  const shipment = await findShipment(db, parts.versions, id);
  if (!shipment) {
    change.noted({ shipment: id, arrival, refused: 'subject_unknown' });
    return undefined;
  }
  const digest = digestOf(asks, says);
  const known = await findArrival(db, id, arrival);
  if (known?.digest === digest) {
    change.unchanged(known.revision ?? 0, [id]);
    return answerOf(shipment, known);
  }
  if (known) return reused(change, asks);
  const attempt = { step: asks.step, at: timeIn(asks.at), receivedAt: now, isDeclared: says.isDeclared };
  const judged = await judge(parts, change, shipment, { attempt, checkpoint: checkpointOf(says) });
  const { verdict } = judged;
  const counts = verdict.outcome === 'recorded' && countsFrom(change, shipment, verdict);
  const row = { ...rowOf(asks, says, { judged, digest, now }), ...counts };
  const stored: ArrivalRow = { ...row, number: await insert(db, row) };
  await settle(parts, change, shipment, { stored, judged });
  return answerOf(shipment, stored);
}

const checkpointOf = ({ subject, isDeclared }: Says) => (isDeclared ? undefined : subject);
export const timeIn = (text: string | undefined) => (text === undefined ? undefined : Date.parse(text));

function reused(change: ChangeTransaction, { shipment, arrival }: Asks): Recorded {
  const reason = 'arrival_id_reused' as const;
  change.noted({ shipment, arrival, refused: reason });
  const why = `"${arrival}" is an arrival of this shipment already, and says something else`;
  return { outcome: 'refused', refusal: { reason, why } };
}

interface Under {
  attempt: Attempt;
  checkpoint: string | undefined;
  /** The row that waits and is judged again. */
  number?: number;
}

/** By the one rule, and by what is so within this transaction. */
export async function judge(
  parts: ArrivalParts,
  { db, at: now }: ChangeTransaction,
  shipment: Shipment,
  { attempt, checkpoint, number }: Under,
): Promise<Judged> {
  const position = positionOf(shipment, number);
  const { receivedAt } = attempt;
  const nowhere = { step: undefined, at: receivedAt, isClaimed: false };
  const values = checkpoint === undefined ? undefined : await parts.attributes.valuesOf(db, checkpoint);
  const aimed = aim(position, attempt, ({ by }) => values === undefined || meets(values, by));
  if ('refusal' in aimed) return { ...nowhere, verdict: { outcome: 'refused', ...aimed } };
  const { step } = aimed;
  const time = timeOf(position, step, attempt);
  if ('refusal' in time) return { ...nowhere, step, verdict: { outcome: 'refused', ...time } };
  const asked = { shipment: shipment.row.id, checkpoint, values, step, at: time.at, receivedAt, now };
  const verdict = decide(position, step, time.at, await factsOf(db, parts, asked));
  return { step, ...time, verdict };
}

interface Stored {
  stored: ArrivalRow;
  judged: Judged;
}

/** What follows from the verdict: the shipment moves on, the arrival waits, or it stays an attempt. */
async function settle(
  parts: ArrivalParts,
  change: ChangeTransaction,
  shipment: Shipment,
  { stored, judged }: Stored,
): Promise<void> {
  const { verdict, at } = judged;
  const said = { shipment: shipment.row.id, arrival: stored.arrival, step: stored.step, at: timestamp(at) };
  if (verdict.outcome === 'refused') {
    await ringRefused(parts, change, stored, verdict.refusal);
    change.noted({ ...said, refused: verdict.refusal.reason, why: verdict.refusal.why });
    return;
  }
  if (verdict.outcome === 'pending') {
    await wait(parts, change, shipment, { stored, waitsFor: verdict.waitsFor });
    change.noted({ ...said, waitsFor: verdict.waitsFor });
    return;
  }
  await advance(parts, change, shipment, { arrival: stored, at, late: verdict.late });
  const followed = await judgeWaiting(parts, change, shipment);
  change.about({ arrival: { ...said, ...(stored.declared === 1 && { declared: true }) }, ...followed });
  await leave(parts, change, shipment);
}

/** Those that waited are judged again by the same rule, until none of them moves on any more; of a shipment that is stopped, once it goes on. */
export async function judgeWaiting(
  parts: ArrivalParts,
  change: ChangeTransaction,
  shipment: Shipment,
): Promise<Record<string, unknown>> {
  if (positionOf(shipment).isStopped) return {};
  const [accepted, refused]: [unknown[], unknown[]] = [[], []];
  for (let moved = true; moved; ) {
    moved = false;
    for (const waiting of [...shipment.waiting]) {
      await parts.attributes.requirePreconditions(change.db, [waiting.checkpoint], {});
      const { verdict, at } = await again(parts, change, shipment, waiting);
      if (verdict.outcome === 'pending') {
        await waitOn(change, waiting, verdict.waitsFor);
        continue;
      }
      const { arrival, step } = waiting;
      await stopWaiting(parts, change, shipment, waiting);
      if (verdict.outcome === 'refused') {
        await refuse(parts, change, waiting, verdict.refusal);
        refused.push({ arrival, step, reason: verdict.refusal.reason });
        continue;
      }
      await advance(parts, change, shipment, { arrival: waiting, at, late: verdict.late });
      accepted.push({ arrival, step, at: timestamp(at) });
      moved = true;
    }
  }
  return { ...(accepted.length > 0 && { accepted }), ...(refused.length > 0 && { refused }) };
}

function again(parts: ArrivalParts, change: ChangeTransaction, shipment: Shipment, waiting: ArrivalRow) {
  const { number, step, at, claimed, receivedAt, checkpoint, declared } = waiting;
  const attempt: Attempt = {
    step: step as string,
    at: claimed === 1 ? at : undefined,
    receivedAt,
    isDeclared: declared === 1,
  };
  return judge(parts, change, shipment, {
    attempt,
    checkpoint: declared === 1 ? undefined : checkpoint,
    number,
  });
}

async function wait(
  { alerts }: ArrivalParts,
  { db, at: now }: ChangeTransaction,
  shipment: Shipment,
  { stored, waitsFor }: { stored: ArrivalRow; waitsFor: string[] },
): Promise<void> {
  const { row, journey } = shipment;
  const waiting = {
    waitsFor: JSON.stringify(waitsFor),
    waitsUntil: stored.receivedAt + journey.offlineMaxMs,
  };
  await db.updateTable('arrivals').set(waiting).where('number', '=', stored.number).execute();
  Object.assign(stored, waiting);
  row.pending++;
  await db.updateTable('shipments').set({ pending: row.pending }).where('id', '=', row.id).execute();
  await alerts.raise(db, {
    ...{ kind: 'arrival_pending', subject: row.id, key: ringKey(stored), at: now },
    says: `the arrival of "${row.id}" at "${stored.step}" waits for [${waitsFor.join(', ')}]`,
    detail: { arrival: stored.arrival, step: stored.step, checkpoint: stored.checkpoint, waitsFor },
  });
}

/** What it waits for may be other than it was. */
async function waitOn({ db }: ChangeTransaction, waiting: ArrivalRow, names: string[]): Promise<void> {
  const waitsFor = JSON.stringify(names);
  if (waitsFor === waiting.waitsFor) return;
  waiting.waitsFor = waitsFor;
  await db.updateTable('arrivals').set({ waitsFor }).where('number', '=', waiting.number).execute();
}

/** It does not wait any more, whatever comes of it; the shipment's row is stored by who goes on. */
export async function stopWaiting(
  { alerts }: Pick<ArrivalParts, 'alerts'>,
  { db, at: now }: { db: Writer; at: number },
  shipment: Shipment,
  waiting: ArrivalRow,
): Promise<void> {
  shipment.waiting = shipment.waiting.filter(({ number }) => number !== waiting.number);
  shipment.row.pending--;
  const over = { waitsFor: null, waitsUntil: null };
  await db.updateTable('arrivals').set(over).where('number', '=', waiting.number).execute();
  await alerts.settle(db, 'arrival_pending', ringKey(waiting), now);
}

/** One that waited, and is an attempt from now on. */
export async function refuse(
  parts: Pick<ArrivalParts, 'alerts'>,
  change: { db: Writer; at: number },
  arrival: ArrivalRow,
  refusal: Refusal,
): Promise<void> {
  const refused = { outcome: 'refused', refusal: JSON.stringify(refusal) };
  await change.db.updateTable('arrivals').set(refused).where('number', '=', arrival.number).execute();
  await ringRefused(parts, change, arrival, refusal);
}

async function ringRefused(
  { alerts }: Pick<ArrivalParts, 'alerts'>,
  { db, at }: { db: Writer; at: number },
  { shipment, arrival, checkpoint, ...row }: ArrivalRow,
  refusal: Refusal,
): Promise<void> {
  if (refusal.reason !== 'out_of_sequence') return;
  await alerts.raise(db, {
    ...{ kind: 'out_of_sequence', subject: shipment, key: ringKey({ shipment, arrival }), at },
    says: `"${checkpoint}" recorded "${shipment}" out of sequence: ${refusal.why}`,
    detail: { arrival, checkpoint, step: row.step, expected: refusal.expected, found: refusal.found },
  });
}

const ringKey = ({ shipment, arrival }: Pick<ArrivalRow, 'shipment' | 'arrival'>) => `${shipment}/${arrival}`;

export type NewArrival = Omit<ArrivalRow, 'number'>;

export function rowOf(
  asks: Asks,
  { subject, isDeclared }: Says,
  { judged, digest, now }: { judged: Judged; digest: string; now: number },
): NewArrival {
  const { verdict, step, at, isClaimed } = judged;
  return {
    ...{ shipment: asks.shipment, arrival: asks.arrival, digest, outcome: verdict.outcome },
    ...{ step: step?.name ?? asks.step ?? null, at, claimed: Number(isClaimed), receivedAt: now },
    ...{ checkpoint: subject, declared: Number(isDeclared), place: asks.place ?? null, note: asks.note ?? null },
    ...{ readings: asks.readings ? JSON.stringify(asks.readings) : null, late: 0 },
    refusal: verdict.outcome === 'refused' ? JSON.stringify(verdict.refusal) : null,
    ...{ waitsFor: null, waitsUntil: null, counts: null, voidedAt: null, voidedBy: null, voidedReason: null },
    ...{ replaces: null, revision: null, signature: asks.signature ?? null },
  };
}

export async function insert(db: Writer, row: NewArrival): Promise<number> {
  const { number } = await db
    .insertInto('arrivals')
    .values(row satisfies Omit<Schema['arrivals'], 'number'>)
    .returning('number')
    .executeTakeFirstOrThrow();
  return number;
}

/** Of what is asked, and by whom; a signature may be made anew over the same. */
export function digestOf({ shipment, at, step, place, note, readings }: Asks, { subject, isDeclared }: Says): string {
  const whole = JSON.stringify([shipment, subject, isDeclared, timeIn(at), step, place, note, readings]);
  return createHash('sha256').update(whole).digest('hex');
}

export function answerOf({ journey }: Shipment, row: ArrivalRow): Recorded {
  if (row.outcome === 'refused') return { outcome: 'refused', refusal: JSON.parse(row.refusal ?? '{}') as Refusal };
  const outcome = row.outcome === 'pending' ? 'pending' : 'recorded';
  const waitsFor = row.waitsFor === null ? [] : (JSON.parse(row.waitsFor) as string[]);
  const next = outcome === 'pending' ? [] : nextAfter(journey, row.step as string);
  const { shipment, arrival, step, revision, late } = row;
  const said = { shipment, arrival, outcome, step, at: timestamp(row.at), revision, late: late === 1, waitsFor, next };
  return said as ArrivalAnswer;
}
