import { z } from 'zod';
import { Fingerprint, Revision, SubjectId, Timestamp } from './identity.ts';
import { oneOf } from './one-of.ts';
import { ReasonCode } from './reasons.ts';

export const StreamName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'must match [a-z0-9][a-z0-9._-]{0,62}')
  .brand<'StreamName'>();
export type StreamName = z.infer<typeof StreamName>;

export const ReadingId = z.string().regex(/^[A-Za-z0-9._:-]{1,128}$/, 'must match [A-Za-z0-9._:-]{1,128}');

/** By this header who sends readings names his request, and the gate names it in what it refuses; both write it into their logs. */
export const traceIdHeader = 'x-request-id';
export const TraceId = ReadingId;

/** What the device says of its clock. */
export const ClockState = oneOf(['synchronized', 'unsynchronized', 'unknown']);
export type ClockState = z.infer<typeof ClockState>;

/** The instants whose year has four digits in UTC too (RFC 3339 §1); others can not be printed as a `Timestamp`. */
const earliestTime = Date.parse('0000-01-01T00:00:00Z');
const latestTime = Date.parse('9999-12-31T23:59:59.999Z');
/** An offset moves an instant into another year from the first or the last day of one. */
function isPrintable(text: string): boolean {
  if (!text.startsWith('9999') && !text.startsWith('0000')) return true;
  const time = Date.parse(text);
  return time >= earliestTime && time <= latestTime;
}

/** When the device took the reading. Milliseconds of it are kept, as an instant: digits behind them and the offset are not. */
export const DeviceTime = z.iso
  .datetime({ offset: true })
  .refine(isPrintable, 'must be from the year 0000 to the year 9999 in UTC');

/** A reading's place in what its device sent to the stream, from 1. A gap is a reading that is missing. */
export const Sequence = z.int().min(1);
/** Names a counting: a device that lost its count begins another one. */
export const SequenceRun = z.string().regex(/^[A-Za-z0-9_-]{1,32}$/, 'must match [A-Za-z0-9_-]{1,32}');
/** The run of a device that names none. */
export const sequenceRunUsual = '0';

/** Members that are taken out of a body before what is left becomes `data`. */
export const ReservedMembers = z.strictObject({
  _id: ReadingId.optional(),
  _time: DeviceTime.optional(),
  _clock: ClockState.optional(),
  _sequence: Sequence.optional(),
  _run: SequenceRun.optional(),
});

/** Bounds of one request to `POST /v1/streams/{stream}/readings`. */
export const readingBounds = {
  /** One reading as JSON, or one line of NDJSON. */
  readingBytesMax: 65_536,
  bodyBytesMax: 4 * 1024 * 1024,
  linesMax: 10_000,
} as const;

/** `202`: every reading of the request is durably stored and was judged under a valid lease. */
/**
 * Beside an acknowledgement over HTTP, while issuers of devices follow each other: the version of the trust bundle that a device should have by now. Who
 * has an older one renews before its time.
 */
export const bundleDueHeader = 'portcullis-bundle-due';

export const Acknowledgement = z.object({
  acknowledged: z.int().nonnegative(),
  /** The ids in the order of the request. */
  ids: z.array(z.string()),
  /** The revision that the readings were judged at. */
  revision: Revision,
});
export type Acknowledgement = z.infer<typeof Acknowledgement>;

/** `GET /v1/readings`, one a line. */
export const ReadingView = z.object({
  id: z.string(),
  subject: SubjectId,
  certificate: Fingerprint,
  stream: StreamName,
  deviceTime: Timestamp.nullable(),
  receivedAt: Timestamp,
  clock: ClockState,
  instance: z.string(),
  policy: z.int(),
  revision: Revision,
  /** The device counted it so, and in which run; null: it did not count. A gate of an earlier version says neither, nor what follows. */
  sequence: Sequence.nullable().default(null),
  run: SequenceRun.nullable().default(null),
  /** It came with its device's own signature. */
  sealed: z.boolean().default(false),
  /** Who brought it; null: its device itself. */
  carriedBy: SubjectId.nullable().default(null),
  /** `unproven`: the process died between its commit and its look at the lease (P7). */
  proof: z.enum(['proven', 'unproven']),
  data: z.record(z.string(), z.unknown()),
});
export type ReadingView = z.infer<typeof ReadingView>;

/** A verdict as operators see it (`GET /v1/verdicts`, `GET /v1/explain`). */
export const VerdictView = z.object({
  at: Timestamp,
  gate: SubjectId,
  subject: z.string().nullable(),
  certificate: Fingerprint.nullable(),
  stream: z.string().nullable(),
  verdict: z.enum(['admitted', 'refused']),
  reason: ReasonCode.nullable(),
  expected: z.unknown(),
  found: z.unknown(),
  /** The revision it was judged at; for a refusal, the one that made it so where one did. */
  revision: Revision,
  changedBy: z.string().nullable(),
  changedAt: Timestamp.nullable(),
  /** How many readings (or connections) of the same kind within the same second this line stands for. */
  count: z.int().positive(),
  /** Of several certificates and streams: within that second more were refused than each is told of. */
  several: z.literal(true).optional(),
});
export type VerdictView = z.infer<typeof VerdictView>;

/** In the place of verdicts that a watcher did not take in time (`GET /v1/verdicts?follow=1`): how many they were. */
export const VerdictsDropped = z.object({ at: Timestamp, gate: SubjectId, dropped: z.int().positive() });
export type VerdictsDropped = z.infer<typeof VerdictsDropped>;
