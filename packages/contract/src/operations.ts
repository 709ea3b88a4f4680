import { z } from 'zod';
import { AttributeName, AttributeType, AttributeValue, attributeTextLengthMax, Visibility } from './attributes.ts';
import { Actor, ReasonText } from './changes.ts';
import { Addresses } from './enrolment.ts';
import { HoldView } from './holds.ts';
import { Fingerprint, FleetName, JournalHash, Kind, Revision, Standing, SubjectId, Timestamp } from './identity.ts';
import { oneOf } from './one-of.ts';
import { DiskSpace } from './own-account.ts';
import { archived, pageQuery } from './pages.ts';
import { IssuerList, ListFacts, RevocationReason } from './revocation-lists.ts';

/** What operators ask of the authority's API and what they are answered. One shape per resource, the same as the commands print. */

export const AttributeAssignments = z.record(AttributeName, AttributeValue, {
  error: (issue) => (issue.code === 'invalid_key' ? 'the name must match [a-zA-Z][a-zA-Z0-9_.-]{0,62}' : undefined),
});

/** Of attributes. */
export const GateReadNames = z.array(AttributeName).max(256);
/** `GET` and `POST /v1/gates/:id/reads`: the attributes that a gate may ask of the feed. Null: any. */
export const GateReads = z.object({ reads: GateReadNames.nullable() });
export type GateReads = z.infer<typeof GateReads>;
export const GateReadsRequest = z.strictObject({ reads: GateReadNames.nullable(), reason: ReasonText.optional() });

export const AttributeView = z.object({
  name: AttributeName,
  type: AttributeType,
  value: AttributeValue,
  visibility: Visibility,
  revision: Revision,
  changedAt: Timestamp,
  changedBy: Actor,
  reason: z.string().nullable(),
});
export type AttributeView = z.infer<typeof AttributeView>;
/** One change of one attribute. `value: null` is "unset". */
export const AttributeHistoryView = z.object({
  ...AttributeView.shape,
  value: AttributeValue.nullable(),
  /** It went under a value that something held at the time: no gate saw it. */
  beneath: z.literal(true).optional(),
});
export type AttributeHistoryView = z.infer<typeof AttributeHistoryView>;

export const subjectsPerChangeMax = 100_000;
/** `GET /v1/attribute-types`: a name and what its values are. */
export const AttributeTypeView = z.object({
  name: AttributeName,
  type: AttributeType,
  /** `fleet.yaml` says so; else its first use did, or an operator since. */
  declared: z.boolean(),
  /** How many have a value; not given of a name that is asked for by itself. */
  subjects: z.int().nonnegative().optional(),
});
export type AttributeTypeView = z.infer<typeof AttributeTypeView>;

/** `POST /v1/attribute-types/{name}`. */
export const RetypeRequest = z.strictObject({ type: AttributeType, reason: ReasonText.optional() });

/** What a change is on condition of. Where it does not hold nothing is changed: `precondition_failed`. */
const preconditions = {
  /** No subject that is named was touched after this revision. */
  ifRevision: Revision.optional(),
  /** Each subject that is named has these values, `null` being none. */
  ifValues: z.record(AttributeName, AttributeValue.nullable()).optional(),
};
export type Preconditions = {
  ifRevision?: number | undefined;
  ifValues?: Record<string, AttributeValue | null> | undefined;
};

/** Says what would be changed, and changes nothing. */
const dryRun = z.boolean().optional();

/** `POST /v1/attributes`: one revision, however many subjects it names. */
export const AttributesRequest = z.strictObject({
  subjects: z.array(SubjectId).min(1).max(subjectsPerChangeMax),
  set: AttributeAssignments.optional(),
  unset: z.array(AttributeName).max(64).optional(),
  /** Given: what is set becomes public or private. Not given: a new one is private, an existing one stays as it is. */
  visibility: Visibility.optional(),
  /** The holds on these names end with it: what is set is in force. */
  release: z.boolean().optional(),
  ...preconditions,
  reason: ReasonText.optional(),
  dryRun,
});
export type AttributesRequest = z.infer<typeof AttributesRequest>;

/** A change of standings is one transaction, which no other change may wait for long. */
export const standingsPerChangeMax = 1_000;
/**
 * `POST /v1/standings`: suspend, resume or revoke, by subject (all its certificates and pending renewals that are not final), by many of
 * them (those that are final are left) or by fingerprint.
 */
export const StandingsRequest = z.strictObject({
  action: oneOf(['suspend', 'resume', 'revoke']),
  subject: SubjectId.optional(),
  subjects: z.array(SubjectId).min(1).max(standingsPerChangeMax).optional(),
  fingerprint: Fingerprint.optional(),
  reasonCode: RevocationReason.optional(),
  ...preconditions,
  reason: ReasonText.optional(),
  dryRun,
});
export type StandingsRequest = z.infer<typeof StandingsRequest>;

/** `POST /v1/subjects/{id}/retire`. */
export const RetireRequest = z.strictObject({ ...preconditions, reason: ReasonText.optional() });

/** The certificate that a subject connects with: of the best standing that it has the one that ends last. */
export const CurrentCertificate = z.object({ standing: Standing.exclude(['superseded']), notAfter: Timestamp });
export type CurrentCertificate = z.infer<typeof CurrentCertificate>;

export const SubjectView = z.object({
  subject: SubjectId,
  kind: Kind,
  /** Of an operator: it looks at everything and changes nothing. Not told by earlier versions, as what follows it. */
  readOnly: z.boolean().optional(),
  certificate: CurrentCertificate.nullable().optional(),
  retired: z.boolean(),
  createdAt: Timestamp,
  revision: Revision,
  attributes: z.array(AttributeView),
  /** What holds it now, the first of it. Told of one subject alone. */
  heldBy: z.array(HoldView).optional(),
});
export type SubjectView = z.infer<typeof SubjectView>;

/** `GET /v1/subjects`. A page may hold few, or none, and not be the last: how many are looked at for one is bounded. */
export const SubjectsQuery = z.strictObject({
  ...pageQuery,
  kind: Kind.optional(),
  /** `NAME=VALUE`, as text: subjects that have this value. */
  attribute: z
    .string()
    .regex(/^[^=]{1,63}=/, 'must be NAME=VALUE')
    .max(64 + attributeTextLengthMax)
    .optional(),
  /** Subjects whose certificate has this standing. */
  standing: CurrentCertificate.shape.standing.optional(),
});
export type SubjectsQuery = z.infer<typeof SubjectsQuery>;

/** `GET /v1/tokens`. */
export const TokensQuery = z.strictObject({ ...pageQuery, archived });
export type TokensQuery = z.infer<typeof TokensQuery>;

/** A gate and one of its instances (`instance: null`: no instance has held a lease since the authority started). */
export const GateView = z.object({
  gate: SubjectId,
  url: z.string().nullable(),
  instance: z.string().nullable(),
  lease: z.enum(['held', 'expired', 'none']),
  leaseEndsInMs: z.number().nonnegative(),
  appliedRevision: Revision,
  lag: z.int().nonnegative(),
  /** How long ago it last asked for its lease; what follows is what it told then. Rates are 0 once that is longer than a lease ago. */
  lastHeardMs: z.number().nonnegative().nullable(),
  connections: z.int().nonnegative(),
  admittedPerSecond: z.number().nonnegative(),
  refusedPerSecond: z.number().nonnegative(),
  overruns: z.int().nonnegative(),
  unproven: z.int().nonnegative(),
  /** The number of the policy in force, and whether the gate refuses the files as they are now. */
  policy: z.int().nonnegative(),
  policyRefused: z.boolean(),
  /** Readings that are old enough to go, and wait for `gate accept-prune`. */
  pruneWaits: z.int().nonnegative().default(0),
  /** How far what the authority once said is ahead of all clocks, where it is: `gate accept-clock`. */
  clockAheadMs: z.int().nonnegative().default(0),
  /** As how many processes the gate runs, where that is more than one: each is an instance. */
  workers: z.int().optional(),
});
export type GateView = z.infer<typeof GateView>;

export const JournalEntryView = z.object({
  position: z.int().positive(),
  revision: Revision.nullable(),
  at: Timestamp,
  actor: Actor,
  action: z.string(),
  body: z.unknown(),
  previousHash: JournalHash,
  hash: JournalHash,
});
export type JournalEntryView = z.infer<typeof JournalEntryView>;

/** `POST /v1/server-certificates` (kind gate): a server leaf for the names that the authority has on record. */
const CertificateRequest = z.strictObject({ request: z.string().max(16_384) });
/** `bundle`: whoever asks takes an answer that says the bundle's version; one of the first release takes none. */
export const ServerCertificateRequest = CertificateRequest.extend({ bundle: z.literal(true).optional() });
export const ServerCertificate = z.object({
  certificate: z.string(),
  issuer: z.string(),
  roots: z.string(),
  /** With the roots: whom a listener lets shake hands, so that a device which sends its leaf alone is one too. */
  issuers: z.string(),
  /** Of roots and issuers, where it was asked for. An authority of an earlier version does not say. */
  bundleVersion: z.int().positive().optional(),
  renewAfter: Timestamp,
  notAfter: Timestamp,
});
export type ServerCertificate = z.infer<typeof ServerCertificate>;

/** `POST /v1/publication-certificates`: of the key that a desk signs public answers with. */
export const PublicationCertificateRequest = CertificateRequest;
export const PublicationCertificate = z.object({
  fleet: FleetName,
  certificate: z.string(),
  issuer: z.string(),
  renewAfter: Timestamp,
  notAfter: Timestamp,
});
export type PublicationCertificate = z.infer<typeof PublicationCertificate>;

/** `GET /v1/fleet`. */
export const FleetView = z.object({
  fleet: FleetName,
  revision: Revision,
  hash: JournalHash,
  time: Timestamp,
});
export type FleetView = z.infer<typeof FleetView>;

export const sightingsPerRequestMax = 500;
/** `GET /v1/sightings?subjects=a,b,c` of a gate. */
export const SightingsQuery = z.strictObject({
  subjects: z
    .string()
    .max(8_000)
    .transform((text) => text.split(','))
    .pipe(z.array(SubjectId).max(sightingsPerRequestMax)),
});
/** When this gate last judged what each of these sent. Whoever is missing was not heard since `since`. */
export const Sightings = z.object({
  gate: SubjectId,
  since: Timestamp,
  items: z.array(z.object({ subject: SubjectId, at: Timestamp, verdict: z.enum(['admitted', 'refused']) })),
});
export type Sightings = z.infer<typeof Sightings>;

/** `GET /v1/status`: how the authority stands. Each figure is bounded work; `portcullis journal verify` looks at all of the journal. */
export const AuthorityStatus = z.object({
  fleet: FleetName,
  version: z.string(),
  startedAt: Timestamp,
  time: Timestamp,
  revision: Revision,
  disk: DiskSpace,
  journal: z.object({
    /** The last position, and the first of those that were looked at now. */
    position: z.int().nonnegative(),
    lookedFrom: z.int().nonnegative(),
    /** The first that does not hold, and why. */
    broken: z.object({ position: z.int(), why: z.string() }).nullable(),
    /** When somebody last verified all of it, and up to where it held. */
    verified: z.object({ at: Timestamp, entries: z.int().nonnegative(), whole: z.boolean() }).nullable(),
  }),
  /** Where what it does is shipped to, how many transactions wait, and since when and why it fails. Undefined: it is not, or an older authority does not say. */
  shipping: z
    .object({
      /** The directory, or the program with its arguments, that takes what is shipped. */
      directory: z.string(),
      waiting: z.int().nonnegative(),
      /** Since when something waits. An older authority does not say. */
      waitingSince: Timestamp.nullable().optional(),
      failingSince: Timestamp.nullable(),
      why: z.string().nullable(),
    })
    .optional(),
  /** Undefined: there is one authority, or an older one that does not say. */
  addresses: Addresses.optional(),
  /** What signs, and when it ends: nothing that it signed outlives it. An older authority does not say. */
  issuers: z.array(z.object({ name: z.string(), notAfter: Timestamp })).optional(),
  /** Gates and desks that have certificates of a root that was retired, and no other. An authority of a release before this one does not say. */
  lost: z.array(z.object({ subject: SubjectId, kind: Kind })).optional(),
  /** The newest list of each issuer, the root too; null: it has none. An older authority does not say. */
  lists: z.array(IssuerList.pick({ issuer: true }).extend({ list: ListFacts.nullable() })).optional(),
  /** Connections of each listener: open now, and since the start those that made room when it was full or were not let in. An older authority does not say. */
  listeners: z
    .array(
      z.object({
        listener: z.string(),
        connections: z.int().nonnegative(),
        displaced: z.int().nonnegative(),
        turnedAway: z.int().nonnegative(),
        /** What went out in handshakes that were not finished. An older authority does not say. */
        unfinishedBytes: z.int().nonnegative().optional(),
      }),
    )
    .optional(),
  /** Subjects whose last valid certificate ends within the time that was asked for. */
  ending: z.object({
    within: z.int().positive(),
    /** Of at most `lookedAtMax` that end next. */
    devices: z.int().nonnegative(),
    /** Those that are no devices, gateways or shipments: the fleet does not work without them. */
    others: z.array(z.object({ subject: SubjectId, kind: Kind, notAfter: Timestamp })),
    more: z.boolean(),
  }),
});
export type AuthorityStatus = z.infer<typeof AuthorityStatus>;
export const StatusQuery = z.strictObject({
  /** Seconds. */
  endingWithin: z.coerce
    .number()
    .int()
    .min(1)
    .max(365 * 86_400)
    .default(7 * 86_400),
});
