import { z } from 'zod';
import { AttributeName, AttributeValue } from './attributes.ts';
import { ReasonText } from './changes.ts';
import { type Kind, Revision, SubjectId, Timestamp } from './identity.ts';
import { oneOf } from './one-of.ts';
import { pageQuery } from './pages.ts';

/** Journeys of shipments: their steps, and what checkpoints and operators say of them. */

const name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must match [a-z0-9][a-z0-9-]{0,62}');
export const JourneyName = name;
export const StepName = name;

export const journeyStepsMax = 64;

/** A step: who may record it, what must hold of the shipment, how soon after the one before. */
export const JourneyStep = z.object({
  name: StepName,
  by: z.record(AttributeName, AttributeValue),
  require: z.record(AttributeName, AttributeValue).default({}),
  withinMs: z.int().positive().optional(),
  final: z.boolean().default(false),
});
export type JourneyStep = z.infer<typeof JourneyStep>;

/** One version of a journey, as it is stored and judged by. */
export const Journey = z.object({
  journey: JourneyName,
  steps: z.array(JourneyStep).min(1).max(journeyStepsMax),
  /** A return that is allowed: from one step back to an earlier one. */
  detours: z.array(z.object({ from: StepName, back: StepName })),
  /** Steps whose checkpoints may upload later, and how much later. */
  offline: z.array(StepName),
  offlineMaxMs: z.int().positive(),
});
export type Journey = z.infer<typeof Journey>;

/** `GET /v1/journeys`: each by its newest version. */
export const JourneyView = Journey.extend({ version: z.int().positive(), since: Timestamp });
export type JourneyView = z.infer<typeof JourneyView>;

export const ShipmentState = oneOf(['created', 'moving', 'returned', 'delivered', 'stopped']);
export type ShipmentState = z.infer<typeof ShipmentState>;

/** `POST /v1/shipments`. */
export const ShipmentRequest = z.strictObject({
  shipment: SubjectId,
  journey: JourneyName,
  /** First attributes of a new subject; one that is there keeps what it has. */
  attributes: z.record(AttributeName, AttributeValue).optional(),
  /** A device whose attribute `shipment` names it from then on. */
  tracker: SubjectId.optional(),
  reason: ReasonText.optional(),
});
export type ShipmentRequest = z.infer<typeof ShipmentRequest>;

export const arrivalTextMax = 500;
export const arrivalReadingsMax = 100;
export const ArrivalId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/, 'must match [A-Za-z0-9][A-Za-z0-9._:-]{0,63}');

/** A time to the millisecond, with its offset from UTC as RFC 3339 has it. */
export const ArrivalTime = z.iso
  .datetime({ offset: true, message: 'must be a time as in RFC 3339: 2026-11-27T21:00:00Z' })
  .max(40);

const said = {
  place: z.string().min(1).max(arrivalTextMax).optional(),
  note: z.string().min(1).max(arrivalTextMax).optional(),
};

/** `POST /v1/shipments/{id}/arrivals` (kind checkpoint). */
export const ArrivalRequest = z.strictObject({
  /** Chosen by who records: the same again is answered the same. */
  arrival: ArrivalId,
  /** When it was, for steps that may be uploaded later. Not given: now. */
  at: ArrivalTime.optional(),
  /** Not given: the next step that this checkpoint may record. */
  step: StepName.optional(),
  ...said,
  /** Ids of readings that were taken there. */
  readings: z.array(z.string().min(1).max(128)).max(arrivalReadingsMax).optional(),
});
export type ArrivalRequest = z.infer<typeof ArrivalRequest>;

/** What an arrival that was signed when it was scanned says (JWS, ES256). */
export const SignedArrival = ArrivalRequest.omit({ readings: true }).extend({ shipment: SubjectId, at: ArrivalTime });
export type SignedArrival = z.infer<typeof SignedArrival>;
/** What asks for what is expected next, in the same form. */
export const SignedLook = z.strictObject({ shipment: SubjectId, at: ArrivalTime });
export const arrivalTokenType = 'portcullis-arrival+jwt';
export const lookTokenType = 'portcullis-look+jwt';

const Compact = z
  .string()
  .regex(/^[\w-]+\.[\w-]+\.[\w-]+$/, 'must be a JWS in compact form')
  .max(16_384);
/** `POST /v1/arrivals` and `POST /v1/looks` at a desk. */
export const DeskArrivalRequest = z.strictObject({ arrival: Compact });
export const DeskLookRequest = z.strictObject({ look: Compact });

/** Why an arrival was not recorded. Each is a code of `failures`. */
export const ArrivalRefusal = oneOf([
  'out_of_sequence',
  'checkpoint_not_expected',
  'condition_not_met',
  'evidence_missing',
  'journey_finished',
  'shipment_stopped',
  'too_early',
  'too_late',
  'time_contradicts',
  'arrivals_pending',
  'arrival_withdrawn',
  'arrival_id_reused',
]);
export type ArrivalRefusal = z.infer<typeof ArrivalRefusal>;

/** `201`: recorded; `202`: kept until what is missing before it was uploaded. */
export const ArrivalAnswer = z.object({
  shipment: SubjectId,
  arrival: ArrivalId,
  outcome: oneOf(['recorded', 'pending']),
  step: StepName,
  /** By which it is judged: of a step that is recorded when it is, when it was received. */
  at: Timestamp,
  /** The revision that recorded it; null: it is pending. */
  revision: Revision.nullable(),
  /** It came later than its step says. */
  late: z.boolean(),
  /** What it waits for. */
  waitsFor: z.array(StepName),
  /** What may come next. */
  next: z.array(StepName),
});
export type ArrivalAnswer = z.infer<typeof ArrivalAnswer>;

/** What a checkpoint may know before it records. */
export const ExpectedNext = z.object({
  shipment: SubjectId,
  journey: JourneyName,
  state: ShipmentState,
  step: StepName.nullable(),
  expected: z.array(z.object({ step: StepName, yours: z.boolean() })),
});
export type ExpectedNext = z.infer<typeof ExpectedNext>;

/** An arrival, an attempt, or what an operator declared in the place of one. */
export const ArrivalView = z.object({
  arrival: ArrivalId,
  outcome: oneOf(['recorded', 'pending', 'refused', 'voided']),
  step: StepName.nullable(),
  at: Timestamp,
  /** The time is what the checkpoint says, not when it was received. */
  claimed: z.boolean(),
  receivedAt: Timestamp,
  checkpoint: z.string(),
  /** An operator declared it. */
  declared: z.boolean(),
  place: z.string().nullable(),
  note: z.string().nullable(),
  readings: z.array(z.string()),
  late: z.boolean(),
  refusal: z.object({ reason: ArrivalRefusal, why: z.string() }).nullable(),
  /** Who took it back, when and why. */
  voided: z.object({ by: z.string(), at: Timestamp, reason: z.string().nullable() }).nullable(),
  /** The arrival that this declaration stands for. */
  replaces: ArrivalId.nullable(),
  revision: Revision.nullable(),
  /** The JWS that it was signed with. */
  signature: z.string().nullable(),
});
export type ArrivalView = z.infer<typeof ArrivalView>;

export const ShipmentItem = z.object({
  shipment: SubjectId,
  journey: JourneyName,
  version: z.int().positive(),
  state: ShipmentState,
  step: StepName.nullable(),
  stepAt: Timestamp.nullable(),
  tracker: SubjectId.nullable(),
  createdAt: Timestamp,
  /** When the next step is late. */
  dueAt: Timestamp.nullable(),
  pending: z.int().nonnegative(),
});
export type ShipmentItem = z.infer<typeof ShipmentItem>;

export const shipmentArrivalsShownMax = 1_000;
/** `GET /v1/shipments/{id}`: with all that was recorded, tried and corrected, the oldest first. */
export const ShipmentView = ShipmentItem.extend({
  next: z.array(StepName),
  steps: z.array(JourneyStep),
  arrivals: z.array(ArrivalView),
});
export type ShipmentView = z.infer<typeof ShipmentView>;

export const ShipmentsQuery = z.strictObject({
  ...pageQuery,
  state: ShipmentState.optional(),
  journey: JourneyName.optional(),
});
export type ShipmentsQuery = z.infer<typeof ShipmentsQuery>;

/** `POST /v1/shipments/{id}/voidings`: an arrival does not count, or is not waited with any more. */
export const VoidRequest = z.strictObject({ arrival: ArrivalId, reason: ReasonText.min(1) });
export type VoidRequest = z.infer<typeof VoidRequest>;
/** `POST /v1/shipments/{id}/declarations`: an operator says that a step was taken. */
export const DeclarationRequest = z.strictObject({
  arrival: ArrivalId,
  step: StepName,
  at: ArrivalTime.optional(),
  ...said,
  /** The arrival that it stands for, which counts no more. */
  replaces: ArrivalId.optional(),
  reason: ReasonText.min(1),
});
export type DeclarationRequest = z.infer<typeof DeclarationRequest>;

/** `POST /v1/shipments/{id}/course`: it is stopped, goes on, or is put on the newest version of a journey. */
export const CourseRequest = z.strictObject({
  action: oneOf(['stop', 'resume', 'reroute']),
  /** Of `reroute`: another journey than its own. */
  journey: JourneyName.optional(),
  reason: ReasonText.optional(),
});
export type CourseRequest = z.infer<typeof CourseRequest>;

/** What anybody who holds the code may know of a journey. */
export const PublicJourney = z.object({
  journey: JourneyName,
  state: ShipmentState,
  createdAt: Timestamp,
  steps: z.array(
    z.object({
      name: StepName,
      state: oneOf(['done', 'expected', 'open']),
      at: Timestamp.optional(),
      /** The time is what the checkpoint said later. */
      claimed: z.boolean().optional(),
      /** It stands for an arrival that was taken back, or an operator declared it. */
      corrected: z.boolean().optional(),
      place: z.string().optional(),
      by: z.object({ role: z.string(), publicName: z.string().optional() }).nullable(),
    }),
  ),
  /** What was taken back and declared, in order. */
  corrections: z.array(
    z.object({ what: oneOf(['voided', 'declared']), step: StepName, at: Timestamp, correctedAt: Timestamp }),
  ),
});
export type PublicJourney = z.infer<typeof PublicJourney>;

/** Kinds that may carry a shipment's attribute `shipment`. */
export const trackerKinds: readonly Kind[] = ['device', 'gateway'];
