import { z } from 'zod';
import { AttributeName, AttributeValue } from './attributes.ts';
import { HoldView } from './holds.ts';
import { Fingerprint, Kind, Revision, Standing, SubjectId, Timestamp } from './identity.ts';
import { oneOf } from './one-of.ts';

export const reasonTextLengthMax = 500;
/** Why somebody changed something, in their words (`--reason`). */
export const ReasonText = z.string().max(reasonTextLengthMax);

/** Who a change is by: a subject of the fleet, or the authority itself (`authority`), or `init`. */
export const Actor = z.string().max(128);

/** How one gate instance stands towards a revision. */
export const GateOutcome = z.object({
  gate: SubjectId,
  /** Empty for a gate subject that holds no lease at all. */
  instance: z.string(),
  /** `pending`: the caller's limit ran out first. */
  outcome: z.enum(['applied', 'lease_expired', 'no_lease', 'pending']),
  /** From the change's commit to this outcome; null: not remembered any more. */
  ms: z.number().nonnegative().nullable(),
});
export type GateOutcome = z.infer<typeof GateOutcome>;

/**
 * The authority's answer that a change is in force at every gate that could still decide (P7). A run of the authority remembers its last
 * 10 000; of another it says whether it is in force and how gates stand now, and its times are null.
 */
export const Receipt = z.object({
  revision: Revision,
  confirmed: z.boolean(),
  elapsedMs: z.number().nonnegative().nullable(),
  /** Connections that the gates denied and chose for closing; null: not remembered any more. */
  connectionsClosed: z.int().nonnegative().nullable(),
  gates: z.array(GateOutcome),
  /** Who asks these gates for their decisions (`listen.decidePort`, `listen.decideSocket`): told when they ask, and never confirmed. `null`: by the socket. */
  advised: z.array(z.object({ gate: SubjectId, asker: SubjectId.nullable() })).optional(),
});
export type Receipt = z.infer<typeof Receipt>;

/** Which retries are of the same request: as its sender chose it, a UUID for example. The header is that of draft-ietf-httpapi-idempotency-key-header. */
export const RequestIdText = z.string().regex(/^[A-Za-z0-9._~-]{8,64}$/);
export const requestIdHeader = 'idempotency-key';

/**
 * How many records are other than before: subjects of a change of attributes; certificates, tokens and records of subjects of a
 * change of standing. 0: all was so already. An authority of an earlier version does not say.
 */
const changed = z.int().nonnegative().optional();
/** So many are named. */
export const certificatesNamedMax = 100;
/** Of a change of standing: the certificates whose standing changed, the first of them; `changed` says how many there are. */
const certificates = z.array(Fingerprint).optional();
/** What an undo leaves as it is: a value of an attribute, or a certificate's standing. */
export const LeftByUndo = z.object({
  subject: SubjectId,
  attribute: AttributeName.optional(),
  fingerprint: Fingerprint.optional(),
  /**
   * A newer revision touched it; its subject is retired; the name has another type than the value from before; the certificate is revoked or
   * superseded, which is final; the certificate was issued by that revision; something holds it; it belongs to what alone may write it.
   */
  why: z.enum(['changed_since', 'retired', 'retyped', 'final', 'issued', 'held', 'reserved']),
});
export type LeftByUndo = z.infer<typeof LeftByUndo>;
export const leftNamedMax = 100;
/** Of an undo: how much it leaves, and the first of it. */
/** What is named is held all the same, by these: the first of them. What was asked for lies underneath. */
const heldBy = z.array(HoldView).optional();
const undone = { leaves: z.int().nonnegative().optional(), left: z.array(LeftByUndo).optional() };
/** A desk, and what it tells strangers of certificates: by this revision, or by what was before. Desks decide nothing: no receipt waits for them. */
export const DeskOutcome = z.object({
  desk: SubjectId,
  /** `silent`: it was not heard of for too long, and was not waited for; `tells_nothing`: it answers nobody. */
  outcome: oneOf(['applied', 'not_applied', 'silent', 'tells_nothing']),
  ms: z.int().nonnegative().nullable(),
});
export type DeskOutcome = z.infer<typeof DeskOutcome>;
const desks = z.array(DeskOutcome).optional();

/** The answer to a change: with `wait=all` its receipt, with `wait=public` that and what desks tell, without it the revision. */
export const ChangeAnswer = z.union([
  Receipt.extend({ changed, certificates, heldBy, ...undone, desks }),
  /** `dryRun`: nothing was changed, and `revision` is the newest that there is. */
  z.object({ revision: Revision, changed, certificates, heldBy, ...undone, dryRun: z.literal(true).optional() }),
]);
export type ChangeAnswer = z.infer<typeof ChangeAnswer>;

/** What a change did to one subject, as gates and the journal know it. `null` is "unset". */
export const SubjectDelta = z.object({
  subject: SubjectId,
  kind: Kind,
  attributes: z.record(AttributeName, z.object({ value: AttributeValue.nullable(), public: z.boolean() })).optional(),
  certificates: z
    .array(
      z.object({
        fingerprint: Fingerprint,
        standing: Standing,
        notBefore: Timestamp,
        notAfter: Timestamp,
      }),
    )
    .optional(),
});
export type SubjectDelta = z.infer<typeof SubjectDelta>;

/** `GET /v1/changes/{revision}`. */
export const ChangeView = z.object({
  revision: Revision,
  position: z.int().positive(),
  at: Timestamp,
  actor: Actor,
  action: z.string(),
  reason: z.string().nullable(),
  /** The revision that it undoes. */
  undoes: Revision.optional(),
  /** What caused it, as its entry says it. */
  about: z.record(z.string(), z.unknown()).optional(),
  /** How many it touched. An authority of an earlier version does not say. */
  changed: z.int().nonnegative().optional(),
  /** Of a bulk change few or none: `GET /v1/changes/{revision}/subjects` has all. */
  subjects: z.array(SubjectDelta),
  receipt: Receipt,
});
export type ChangeView = z.infer<typeof ChangeView>;

/** `GET /v1/changes`: a change without what it did to each subject. */
export const ChangeItem = ChangeView.omit({ receipt: true, subjects: true, changed: true }).extend({
  /** How many it touched, and the first of them. */
  subjects: z.int().nonnegative(),
  first: z.array(SubjectId).max(5),
});
export type ChangeItem = z.infer<typeof ChangeItem>;

/** `POST /v1/changes/{revision}/undo`. */
export const UndoRequest = z.strictObject({ reason: ReasonText.optional() });

/** The query of every route that changes what a gate would decide. */
export const WaitQuery = z.strictObject({
  wait: oneOf(['all']).optional(),
  /** How long to wait for the receipt. */
  waitLimitMs: z.coerce.number().int().min(0).max(600_000).default(30_000),
});

/** With `public` desks are waited for too, for as long at most. */
export const StandingsQuery = WaitQuery.extend({ wait: oneOf(['all', 'public']).optional() });

/** `GET /v1/changes/{revision}`: a change may name a hundred thousand subjects, which not everybody wants to see. */
export const ChangeQuery = WaitQuery.extend({ subjects: oneOf(['none']).optional() });
