import type {
  ArrivalView,
  ExpectedNext,
  PublicJourney,
  ShipmentItem,
  ShipmentState,
  ShipmentsQuery,
  ShipmentView,
} from '@portcullis/contract';
import { shipmentArrivalsShownMax } from '@portcullis/contract';
import { sql } from 'kysely';
import type { Reader } from '../storage/storage.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import type { Page } from './promises.ts';
import { nextAfter } from './sequence.ts';
import type { ArrivalRow, Shipment, ShipmentRow } from './shipment.ts';
import { stateOf } from './standing.ts';

type Looks = Pick<Reader, 'selectFrom'>;

export async function listShipments(db: Looks, query: ShipmentsQuery): Promise<Page<ShipmentItem>> {
  const { after = '', limit, state, journey } = query;
  const rows = await db
    .selectFrom('shipments')
    .innerJoin('subjects', 'subjects.id', 'shipments.id')
    .selectAll('shipments')
    .select('subjects.retired')
    .where('shipments.id', '>', after)
    .$if(journey !== undefined, (select) => select.where('journey', '=', journey as string))
    .$if(state === 'stopped', (select) => select.where('stopped', '=', sql.lit(1)))
    .$if(state !== undefined && state !== 'stopped', (select) =>
      select.where('stopped', '=', sql.lit(0)).where('course', '=', state as string),
    )
    .orderBy('shipments.id')
    .limit(limit)
    .execute();
  return { items: rows.map(itemOf), next: rows.length === limit ? (rows.at(-1)?.id ?? null) : null };
}

const time = (at: number | null) => (at === null ? null : timestamp(at));

function itemOf(row: ShipmentRow): ShipmentItem {
  const { id: shipment, journey, version, step, tracker, pending } = row;
  const times = { stepAt: time(row.stepAt), createdAt: timestamp(row.createdAt), dueAt: time(row.dueAt) };
  return { shipment, journey, version, state: stateOf(row), step, tracker, pending, ...times } as ShipmentItem;
}

/** Of very many arrivals the newest are shown. */
export async function shipmentView(db: Looks, shipment: Shipment): Promise<ShipmentView> {
  const { row, journey } = shipment;
  const rows = await db
    .selectFrom('arrivals')
    .selectAll()
    .where('shipment', '=', row.id)
    .orderBy('number', 'desc')
    .limit(shipmentArrivalsShownMax)
    .execute();
  const next = nextAfter(journey, row.step ?? undefined);
  return {
    ...itemOf(row),
    state: shownState(shipment),
    next,
    steps: journey.steps,
    arrivals: rows.reverse().map(arrivalView),
  };
}

function arrivalView(row: ArrivalRow): ArrivalView {
  const { arrival, outcome, step, checkpoint, place, note, revision, replaces, signature } = row;
  const refusal = row.refusal === null ? null : (JSON.parse(row.refusal) as ArrivalView['refusal']);
  const by = row.voidedBy ?? '';
  return {
    ...{
      arrival,
      outcome,
      step,
      at: timestamp(row.at),
      claimed: row.claimed === 1,
      receivedAt: timestamp(row.receivedAt),
    },
    ...{
      checkpoint,
      declared: row.declared === 1,
      place,
      note,
      late: row.late === 1,
      refusal,
      replaces,
      revision,
      signature,
    },
    readings: row.readings === null ? [] : (JSON.parse(row.readings) as string[]),
    voided: row.voidedAt === null ? null : { by, at: timestamp(row.voidedAt), reason: row.voidedReason },
  } as ArrivalView;
}

/** Who is cut is stopped, wherever its journey has come to. */
const shownState = ({ row, isCut }: Shipment): ShipmentState => (isCut ? 'stopped' : stateOf(row)) as ShipmentState;

/** `isOwn`: whether who asks may record a step. */
export function expectedNext(shipment: Shipment, isOwn: (step: string) => boolean): ExpectedNext {
  const { row, journey } = shipment;
  const state = shownState(shipment);
  const steps = state === 'stopped' ? [] : nextAfter(journey, row.step ?? undefined);
  const expected = steps.map((step) => ({ step, yours: isOwn(step) }));
  return { shipment: row.id, journey: row.journey, state, step: row.step, expected } as ExpectedNext;
}

/** A value of a checkpoint that anybody may know. */
export type PublicName = (checkpoint: string) => string | undefined;

/** What anybody may know: the steps and when, roles and public names, never who was refused what. */
export function publicJourney(shipment: Shipment, arrivals: readonly ArrivalRow[], nameOf: PublicName): PublicJourney {
  const { row, journey } = shipment;
  const state = shownState(shipment);
  const counting = arrivals.filter(({ counts }) => counts !== null).sort((a, b) => Number(a.counts) - Number(b.counts));
  const expected = state === 'stopped' ? [] : nextAfter(journey, row.step ?? undefined);
  const steps = journey.steps.map(({ name, by }) => {
    const arrival = counting.findLast(({ step }) => step === name);
    const isPassed = arrival !== undefined && isStill(journey, { step: row.step, name });
    if (!isPassed) return { name, state: expected.includes(name) ? 'expected' : 'open', by: null } as const;
    return { name, state: 'done', ...publicArrival(arrival, roleIn(by), nameOf) } as const;
  });
  const corrections = arrivals.flatMap(correctionsOf);
  return { journey: row.journey, state, createdAt: timestamp(row.createdAt), steps, corrections };
}

/** What comes after the step where the shipment is was undone by a return. */
function isStill({ steps }: Shipment['journey'], { step, name }: { step: string | null; name: string }): boolean {
  const place = (wanted: string | null) => steps.findIndex((one) => one.name === wanted);
  return place(name) <= place(step);
}

const roleIn = ({ role }: Record<string, unknown>) => (typeof role === 'string' ? role : 'checkpoint');

function publicArrival(row: ArrivalRow, role: string, nameOf: PublicName) {
  const isDeclared = row.declared === 1;
  const publicName = isDeclared ? undefined : nameOf(row.checkpoint);
  return {
    at: timestamp(row.at),
    ...(row.claimed === 1 && { claimed: true }),
    ...(isDeclared && { corrected: true }),
    ...(row.place !== null && { place: row.place }),
    by: { role, ...(publicName !== undefined && { publicName }) },
  };
}

function correctionsOf(row: ArrivalRow): PublicJourney['corrections'] {
  const step = row.step as string;
  const at = timestamp(row.at);
  return [
    ...(row.declared === 1 && row.outcome !== 'refused'
      ? [{ what: 'declared' as const, step, at, correctedAt: timestamp(row.receivedAt) }]
      : []),
    ...(row.voidedAt === null ? [] : [{ what: 'voided' as const, step, at, correctedAt: timestamp(row.voidedAt) }]),
  ];
}
