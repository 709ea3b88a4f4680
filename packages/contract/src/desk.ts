import { z } from 'zod';
import { AttributeName } from './attributes.ts';
import { Challenge, ConfirmationRequest, ProvenEnrolmentRequest, RenewalRequest, TimeRequest } from './enrolment.ts';
import { JournalHash, Kind, Revision, SubjectId, Timestamp } from './identity.ts';
import { PublicJourney } from './journeys.ts';
import { PublicAttribute, PublicCertificate } from './public.ts';

const signed = { challenge: Challenge };

/** What a desk takes from strangers: what is answered with a signature, since nobody has to trust a desk. */
export const DeskEnrolmentRequest = ProvenEnrolmentRequest;
export const DeskNonceRequest = z.strictObject({});
export const DeskRenewalRequest = RenewalRequest.extend(signed);
export const DeskConfirmationRequest = ConfirmationRequest.extend(signed);
export const DeskGatesRequest = DeskConfirmationRequest;
export const DeskTimeRequest = TimeRequest;

/** What a desk hands on. `from`: where it came from, as the desk says it: what failed tries are counted by. */
export const relayed = <Asked extends z.ZodType>(asked: Asked) =>
  z.strictObject({ from: z.union([z.ipv4(), z.ipv6()]), asked });

const Count = z.int().nonnegative();
const figures = {
  url: z.url({ protocol: /^https$/ }),
  /** Where phones reach it: what codes contain. Not given: nowhere, or the desk is of an earlier version. */
  publicUrl: z.url({ protocol: /^https$/ }).optional(),
  version: z.string().max(64),
  startedAt: Timestamp,
  /** Open now. */
  connections: Count,
  /** Since its start: what the authority answered. */
  relayed: Count,
  /** What the desk answered by itself: it was busy, or what came was nothing to relay. */
  turnedAway: Count,
};
/** What it knows for look-ups, and how long ago the authority last said that this is all; null: nothing yet, or it answers none. */
const lookUps = { revision: Revision, ageMs: Count, subjects: Count };

/** What was said of certificates by OCSP: of each that was asked about, and why nothing was. */
export const statusAnswers = [
  ...['good', 'revoked', 'neverIssued'],
  ...['malformedRequest', 'internalError', 'tryLater', 'unauthorized'],
] as const;
/** When the first of the lists that it gives ends, and how long ago the authority last said that they are the newest. */
const heldLists = { nextUpdate: Timestamp.nullable(), ageMs: Count };
/** What it knows of certificates. */
const heldStandings = { revision: Revision, ageMs: Count, certificates: Count };
/** What it said by OCSP since its start. */
const answers = z.record(z.enum(statusAnswers), Count);

/** `POST /v1/desk/report`, each few seconds, and when what it answers by is of a newer revision. `verifiers` is left out where it answers none. */
export const DeskReportRequest = z.strictObject({
  ...figures,
  lookUps: z.strictObject(lookUps).nullable(),
  /** Null: it has no list, or knows nothing yet. */
  verifiers: z
    .strictObject({
      lists: z.strictObject(heldLists).nullable(),
      standings: z.strictObject(heldStandings).nullable(),
      answers,
    })
    .optional(),
  /** The version of the trust bundle that it goes by. */
  bundle: z.int().positive().optional(),
});
export type DeskReportRequest = z.infer<typeof DeskReportRequest>;

/** `bundle`: the version of the trust bundle that there is. An authority of an earlier version does not say. */
export const DeskReportAnswer = z.object({ done: z.literal(true), bundle: z.int().positive().optional() });

/** A desk as the authority knows it; null: not heard of since the authority started. */
export const DeskView = z.object({
  desk: SubjectId,
  lastHeardMs: Count.nullable(),
  report: z
    .object({
      ...figures,
      lookUps: z.object(lookUps).nullable(),
      verifiers: z
        .object({ lists: z.object(heldLists).nullable(), standings: z.object(heldStandings).nullable(), answers })
        .optional(),
    })
    .nullable(),
});
export type DeskView = z.infer<typeof DeskView>;

/** The newest revision that a desk was told of, with its hash: an authority on another history refuses with `revision_regressed`. */
export const seenByDesk = {
  after: z.coerce.number().int().nonnegative().optional(),
  hash: JournalHash.optional(),
};
/** `GET /v1/desk/feed` and `GET /v1/desk/standings` */
export const DeskFeedQuery = z.strictObject(seenByDesk);
export type DeskFeedQuery = z.infer<typeof DeskFeedQuery>;

/** What anybody may know of a subject that has a public attribute, or a code. */
export const PublicSubject = z.object({
  subject: SubjectId,
  kind: Kind,
  /** When its last valid certificate ends; null: it has none. */
  validUntil: Timestamp.nullable(),
  attributes: z.record(AttributeName, PublicAttribute),
  /** SHA-256 of the code that leads to it; only who knows that code is told what follows. */
  code: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits')
    .optional(),
  certificate: PublicCertificate.optional(),
  journey: PublicJourney.optional(),
});
export type PublicSubject = z.infer<typeof PublicSubject>;

/** `GET /v1/desk/feed`: NDJSON, one of these a line. */
export const PublicFeedMessage = z.discriminatedUnion('type', [
  /** Forget everything, once the next beat says that what follows is all. */
  z.object({ type: z.literal('snapshot') }),
  /** As they are now; of those that are gone nothing is public any more. */
  z.object({
    type: z.literal('subjects'),
    subjects: z.array(PublicSubject).max(1_000),
    gone: z.array(SubjectId).max(1_000),
  }),
  /** All that is public up to this revision was said. `hash`: of that; an authority of an earlier version does not say. */
  z.object({ type: z.literal('beat'), revision: Revision, hash: JournalHash.optional(), time: Timestamp }),
]);
export type PublicFeedMessage = z.infer<typeof PublicFeedMessage>;

/** `GET /v1/subjects/{id}` at a desk's public listener. */
export const LookUpAnswer = z.object({
  subject: SubjectId,
  kind: Kind,
  /** It has a certificate that is valid now. */
  hasValidCertificate: z.boolean(),
  /** The public ones. */
  attributes: z.record(AttributeName, PublicAttribute),
  /** The state of the fleet that this is of, and when the authority last said that it is the newest. */
  revision: Revision,
  asOf: Timestamp,
});
export type LookUpAnswer = z.infer<typeof LookUpAnswer>;
