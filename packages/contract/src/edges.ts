import { z } from 'zod';
import { InstanceId } from './feed.ts';
import { Revision, SubjectId, Timestamp } from './identity.ts';
import { oneOf } from './one-of.ts';
import { ClockState, ReadingId, StreamName } from './readings.ts';
import { ReasonCode } from './reasons.ts';
import { RuleKey } from './told-rules.ts';

export const Side = oneOf(['outside', 'inside']);
export type Side = z.infer<typeof Side>;

/** Readings of a sender that are no further apart than this are one run: nothing is told between its edges but its newest time. */
export const runPauseMsMax = 60_000;

/**
 * A reading that a rule's account of a sender needs: the first of a sender, or of a new revision of the rule; the first on the other side;
 * the first after a pause of more than `runPauseMsMax`; each one that is late. What lies between two edges of a gate that are not late is on
 * the side of the earlier one.
 */
export const Edge = z.strictObject({
  /** The gate's own, and the same over its restarts; of two at the same time the one with the smaller number behind the colon was first. */
  id: z.string().regex(/^[0-9a-f]{32}:[0-9]{1,16}$/, 'must be an instance, a colon and a number'),
  rule: RuleKey,
  ruleRevision: Revision,
  subject: SubjectId,
  side: Side,
  reading: ReadingId,
  /** The device's time where its clock is synchronized and not ahead of the gate's, else when it was received. */
  at: Timestamp,
  receivedAt: Timestamp,
  clock: ClockState,
  /** The newest reading of this sender before it, at this gate; null: this gate knows of none. */
  after: Timestamp.nullable(),
  /** It is older than `after`: what it says of is one moment, amid a run that this gate has told of. */
  late: z.boolean(),
  /** The gate may have judged the reading on an older state (P7). */
  unproven: z.boolean(),
});
export type Edge = z.infer<typeof Edge>;

/** Up to where a sender's last run goes on. It is told once every edge before it was. */
export const Newest = z.strictObject({ rule: RuleKey, subject: SubjectId, at: Timestamp, side: Side });
export type Newest = z.infer<typeof Newest>;

/** Why nothing comes of a sender: the last refusal on a stream that a rule watches, or a rule that could not be evaluated. */
export const Gap = z.strictObject({ subject: SubjectId, stream: StreamName, reason: ReasonCode, at: Timestamp });
export type Gap = z.infer<typeof Gap>;

export const edgeBounds = { edgesMax: 500, newestMax: 1_000, gapsMax: 500 } as const;

/** `POST /v1/edges`: what watched senders did. Telling it twice changes nothing. */
export const EdgesReport = z.strictObject({
  instance: InstanceId,
  edges: z.array(Edge).max(edgeBounds.edgesMax),
  newest: z.array(Newest).max(edgeBounds.newestMax),
  gaps: z.array(Gap).max(edgeBounds.gapsMax),
});
export type EdgesReport = z.infer<typeof EdgesReport>;

/** `taken`: the edges that are durable at the authority; the gate tells the others again. */
export const EdgesAnswer = z.object({ taken: z.array(z.string()) });
export type EdgesAnswer = z.infer<typeof EdgesAnswer>;
