import { z } from 'zod';
import { AttributeName, AttributeValue } from './attributes.ts';
import { Actor, SubjectDelta } from './changes.ts';
import { Fingerprint, FleetName, JournalHash, Kind, Revision, Standing, SubjectId, Timestamp } from './identity.ts';
import { ReasonCode } from './reasons.ts';
import { ToldRules } from './told-rules.ts';

/** A random id for each gate process (rule 3): neither a restart nor a copied identity can borrow its lease. */
export const InstanceId = z.string().regex(/^[0-9a-f]{32}$/, 'must be 32 lower-case hex digits');

/** A snapshot that was begun: 16 random bytes. */
export const SnapshotId = z.string().regex(/^[0-9a-f]{32}$/, 'must be 32 lower-case hex digits');

/** How far a gate got with a snapshot before the connection broke: so many pieces of it are here. */
export interface SnapshotSoFar {
  id: string;
  pieces: number;
}

/**
 * What a gate says in `Accept`: it takes bulk changes in parts, each before its revision, rules on readings, and snapshots that are packed,
 * which it goes on with from the piece that it names. One of an earlier version does not: it gets a snapshot in the place of parts, no rules,
 * and snapshots in lines of text. An authority of an earlier version does not look.
 */
export function feedAccepted(soFar?: SnapshotSoFar): string {
  const all = 'application/x-ndjson; parts=1; rules=1; packed=1';
  return soFar ? `${all}; resume=${soFar.id}.${soFar.pieces}` : all;
}
export function acceptedInFeed(accept = ''): {
  inParts: boolean;
  withRules: boolean;
  packed: boolean;
  soFar: SnapshotSoFar | undefined;
} {
  const [type = '', ...parameters] = accept.split(';').map((word) => word.trim().toLowerCase());
  const isFeed = type === 'application/x-ndjson';
  const takes = (parameter: string) => isFeed && parameters.includes(parameter);
  const packed = takes('packed=1');
  const [, id = '', pieces = ''] = /(?:^|;)resume=([0-9a-f]{32})\.([0-9]{1,9})(?:;|$)/.exec(parameters.join(';')) ?? [];
  const soFar = packed && id !== '' ? { id, pieces: Number(pieces) } : undefined;
  return { inParts: takes('parts=1'), withRules: takes('rules=1'), packed, soFar };
}

/** `GET /v1/feed?after=R&hash=H&attributes=a,b`: NDJSON, one `FeedMessage` a line. Without `after`, or with `snapshot=1`, it begins with a snapshot. */
export const FeedQuery = z.strictObject({
  instance: InstanceId,
  /** The last revision that the gate holds, with its hash: another history is refused with `revision_regressed`. */
  after: z.coerce.number().int().nonnegative().optional(),
  hash: JournalHash.optional(),
  /** The gate has no state in memory: begin with a snapshot, whatever it holds on disk. */
  snapshot: z.enum(['1']).optional(),
  /** Comma-separated names; a delta carries only these. */
  attributes: z.string().max(8_192).default(''),
  /** The gate's clock in milliseconds since 1970. */
  clock: z.coerce.number().int().nonnegative(),
});

const attributeFact = z.object({
  value: AttributeValue,
  public: z.boolean(),
  revision: Revision,
  changedBy: Actor,
  changedAt: Timestamp,
});
export type AttributeFact = z.infer<typeof attributeFact>;

/** One subject as a snapshot tells it. */
export const SnapshotSubject = z.object({
  subject: SubjectId,
  kind: Kind,
  /** The last revision that touched this subject. */
  revision: Revision,
  attributes: z.record(AttributeName, attributeFact),
  certificates: z.array(
    z.object({
      fingerprint: Fingerprint,
      standing: Standing,
      notBefore: Timestamp,
      notAfter: Timestamp,
      revision: Revision,
      changedBy: Actor,
      changedAt: Timestamp,
    }),
  ),
});
export type SnapshotSubject = z.infer<typeof SnapshotSubject>;

/** A bulk change that is prepared: 16 random bytes. */
export const DraftId = z.string().regex(/^[0-9a-f]{32}$/, 'must be 32 lower-case hex digits');
/** How many parts a draft has. */
const Parts = z.int().positive().max(1_000_000);

/** Which piece of a snapshot, or how many. */
const Pieces = z.int().nonnegative().max(1_000_000_000);

/** The shared members of everything that tells where the authority's history stands. */
const head = { revision: Revision, hash: JournalHash };

export const FeedMessage = z.discriminatedUnion('type', [
  /** A snapshot begins: forget everything. */
  z.object({ type: z.literal('snapshot'), fleet: FleetName, ...head, id: SnapshotId.optional() }),
  z.object({ type: z.literal('subjects'), subjects: z.array(SnapshotSubject).max(1_000) }),
  /** The piece with this number, from 1 on, in the place of `subjects`: `PackedSubjects` as JSON, by zstd, in base64. */
  z.object({ type: z.literal('packed'), number: Pieces, data: z.string() }),
  /** In the place of `snapshot`: the one that the gate named goes on after so many pieces. */
  z.object({ type: z.literal('resumed'), id: SnapshotId, pieces: Pieces }),
  /** The snapshot is complete and shows the state at this revision. */
  z.object({ type: z.literal('complete'), ...head }),
  /** The change that made `revision`; apply it only if it is the next one. */
  z.object({
    type: z.literal('change'),
    ...head,
    /** The hash of the revision before it: a gate that stands at another one asks anew. An authority of an earlier version does not say. */
    previousHash: JournalHash.optional(),
    at: Timestamp,
    actor: Actor,
    /** Of a bulk change its parts are put in force with it, and these after them. */
    subjects: z.array(SubjectDelta),
    draft: z.object({ id: DraftId, parts: Parts }).optional(),
  }),
  /** A piece of a bulk change that is prepared, in order from 1 on: it decides nothing yet. The first one begins anew. */
  z.object({ type: z.literal('part'), draft: DraftId, number: Parts, subjects: z.array(SubjectDelta).max(1_000) }),
  /** That was all of it: who holds it says so in a report. */
  z.object({ type: z.literal('prepared'), draft: DraftId, parts: Parts }),
  /** It will not be committed: what was sent of it is for nothing. */
  z.object({ type: z.literal('dropped'), draft: DraftId }),
  /** Rules on readings, in the place of those before: at the beginning, after each snapshot, and when they change. */
  ToldRules.extend({ type: z.literal('rules') }),
  /** At least each second: the head of the history and the authority's time. */
  z.object({
    type: z.literal('beat'),
    ...head,
    time: Timestamp,
    /** All that this connection carried before this line: how many bytes, and their SHA-256. An authority of an earlier version does not say. */
    sent: z.object({ bytes: z.int().nonnegative(), hash: z.string() }).optional(),
  }),
]);
export type FeedMessage = z.infer<typeof FeedMessage>;
/** Bounds one line of the feed; a change that names many subjects is the longest. */
export const feedLineBytesMax = 64 * 1024 * 1024;

/** Of one gate: each of them holds the whole replica, and a lease of its own. */
export const gateWorkersMax = 16;

/** `POST /v1/leases`: renew (rule 1), telling what was applied. Its answer decides; there is no other grant. */
export const LeaseRequest = z.strictObject({
  instance: InstanceId,
  applied: Revision,
  /** The hash of the applied revision: another history is refused with `revision_regressed`. */
  hash: JournalHash,
  connectionsClosed: z.int().nonnegative(),
  clock: z.int().nonnegative(),
  /** Where devices reach this gate. */
  url: z.url({ protocol: /^https$/ }),
  /** The same over MQTT, where it takes that. */
  mqtt: z.url({ protocol: /^mqtts$/ }).optional(),
  /** The version of the trust bundle that it goes by. */
  bundle: z.int().positive().optional(),
  counters: z.strictObject({
    connections: z.int().nonnegative(),
    admitted: z.int().nonnegative(),
    refused: z.int().nonnegative(),
    overruns: z.int().nonnegative(),
    unproven: z.int().nonnegative(),
    /** The number of the policy in force, and whether newer files of it were refused. */
    policy: z.int().nonnegative(),
    policyRefused: z.boolean(),
    /** Readings that are old enough to go, and too many to go without an operator's word. */
    pruneWaits: z.int().nonnegative().optional(),
    /** How far what the authority once said is ahead of all clocks, where it is: a clock was wrong. */
    clockAheadMs: z.int().positive().optional(),
    /** Who was refused most often in the last whole minute, and why last. */
    refusedMost: z
      .array(z.strictObject({ subject: SubjectId, perMinute: z.int().positive(), reason: ReasonCode }))
      .max(20)
      .optional(),
    /** Whose certificate was live from two places in turn within the last minute. */
    twoPlaces: z
      .array(z.strictObject({ subject: SubjectId, certificate: Fingerprint }))
      .max(20)
      .optional(),
    /** Of whom readings that the device counted have been missing for longest. */
    missing: z
      .array(z.strictObject({ subject: SubjectId, readings: z.int().positive(), since: Timestamp }))
      .max(50)
      .optional(),
    /** Who asked it for its decisions a short while ago, and is no gate. `null`: by the socket. */
    advised: z.array(SubjectId.nullable()).max(20).optional(),
    /** As how many processes its gate runs, where that is more than one. */
    workers: z.int().min(2).max(gateWorkersMax).optional(),
  }),
});
export type LeaseRequest = z.infer<typeof LeaseRequest>;

export const LeaseAnswer = z.discriminatedUnion('granted', [
  /** Counts from when the gate *sent* the request. */
  z.object({
    granted: z.literal(true),
    leaseMs: z.int().positive(),
    /** The version of the trust bundle that there is. An authority of an earlier version does not say. */
    bundle: z.int().positive().optional(),
    /** The version that devices should have by now, where they have to renew for it. Not said: their own time will do. */
    bundleDue: z.int().positive().optional(),
  }),
  /** `behind`: some revision has waited too long for this instance, or it has not applied all that was receipted. */
  z.object({ granted: z.literal(false), because: z.enum(['behind']), retryAfterMs: z.int().nonnegative() }),
]);
export type LeaseAnswer = z.infer<typeof LeaseAnswer>;

/** `POST /v1/reports`: a change is applied and the commit that was in flight has ended (rule 8). */
export const AppliedReport = z.strictObject({
  instance: InstanceId,
  applied: Revision,
  /** The hash of the applied revision: of another history nothing counts. A gate of an earlier version does not say. */
  hash: JournalHash.optional(),
  /** Connections denied and chosen for closing since this instance started. */
  connectionsClosed: z.int().nonnegative(),
  /** The bulk change of which every part is here. */
  holds: DraftId.optional(),
});
export type AppliedReport = z.infer<typeof AppliedReport>;

/** `POST /v1/leases/release`: a clean stop; the instance decides nothing any more. */
export const LeaseRelease = z.strictObject({ instance: InstanceId });

/**
 * `POST /v1/settlements` (rule 9): at its start a gate names the last batch of an earlier instance of which it is not
 * recorded that the lease was looked at after the commit.
 */
export const SettlementRequest = z.strictObject({
  instance: InstanceId,
  batches: z
    .array(
      z.strictObject({
        batch: z.int().nonnegative(),
        /** The earliest revision that something of it was judged at. */
        judgedAt: Revision,
        /** What its gate had applied when it wrote it. A batch whose history is not the authority's, or that does not say, is not proven. */
        head: z.strictObject({ revision: Revision, hash: JournalHash }).optional(),
        subjects: z.array(SubjectId).max(100_000),
      }),
    )
    .max(16),
});
export type SettlementRequest = z.infer<typeof SettlementRequest>;
/** `proven`: its history is the authority's, and no receipt was given without that instance which touches the batch's subjects. */
export const SettlementAnswer = z.object({
  batches: z.array(z.object({ batch: z.int().nonnegative(), proven: z.boolean() })),
});
export type SettlementAnswer = z.infer<typeof SettlementAnswer>;
