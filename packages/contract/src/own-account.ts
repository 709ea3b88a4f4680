/** What a gate tells of itself. */
import { z } from 'zod';
import { Actor } from './changes.ts';
import { Fingerprint, JournalHash, Revision, Standing, SubjectId, Timestamp } from './identity.ts';
import { StreamName } from './readings.ts';

/** What is left of a disk, and how large it is. */
export const DiskSpace = z.object({ freeBytes: z.number().nonnegative(), totalBytes: z.number().nonnegative() });

/** Acknowledged readings that are on a gate's disk and not in its sink yet. */
export const SpoolStatus = z.object({
  /** `away`: the sink can not be reached, or is full; `stuck`: it does not take what is there, and `why` says why. */
  state: z.enum(['empty', 'draining', 'away', 'stuck']),
  /** Why it is away or stuck, for people. A gate of an earlier version does not say. */
  why: z.string().nullable().optional(),
  bytes: z.int().nonnegative(),
  bytesMax: z.int().positive(),
  readings: z.int().nonnegative(),
  /** When the oldest of them was received. */
  oldest: Timestamp.nullable(),
  /** Files that were damaged and lie aside, until somebody removes them. */
  damaged: z.int().nonnegative(),
});
export type SpoolStatus = z.infer<typeof SpoolStatus>;

/** `GET /v1/status` of a gate: how it stands by its own account. */
export const GateStatus = z.object({
  gate: SubjectId,
  instance: z.string(),
  version: z.string(),
  startedAt: Timestamp,
  time: Timestamp,
  leaseEndsInMs: z.number().nonnegative(),
  revision: Revision,
  lag: z.int().nonnegative(),
  policy: z.int().nonnegative(),
  policyRefused: z.boolean(),
  /** A gate of an earlier version does not name them. */
  streams: z.array(StreamName).optional(),
  connections: z.int().nonnegative(),
  /** The same by what is spoken over them; a gate of an earlier version does not say. */
  transports: z.record(z.string(), z.int().nonnegative()).optional(),
  /** Since it started, by how their keys were agreed on: `post-quantum`, with ML-KEM; `classical`; `unknown`. An older gate does not say. */
  handshakes: z.record(z.string(), z.int().nonnegative()).optional(),
  /** Readings since it started, as `overruns`. */
  admitted: z.int().nonnegative(),
  refused: z.int().nonnegative(),
  overruns: z.int().nonnegative(),
  /** Batches that stay unproven. */
  unproven: z.int().nonnegative(),
  /** Readings that are old enough to go and wait for an operator. */
  pruneWaiting: z.int().nonnegative(),
  /** How far what the authority once said is ahead of all clocks. A gate of an earlier version does not say. */
  clockAheadMs: z.int().nonnegative().optional(),
  /** The end of its own client certificate. */
  certificateEnds: Timestamp,
  disk: DiskSpace,
  /** Where each reading that came since then could not be stored: its sink is away or full, and so is its spool. */
  storesNothingSince: Timestamp.optional(),
  /** Why, for people. A gate of an earlier version does not say. */
  storesNothingBecause: z.string().optional(),
  /** Where the gate has one. */
  spool: SpoolStatus.optional(),
});
export type GateStatus = z.infer<typeof GateStatus>;

/** Where the fleet's history stood at some time, as somebody saw who is not the authority. */
export const HeldHead = z.object({ revision: Revision, hash: JournalHash, time: Timestamp });
export type HeldHead = z.infer<typeof HeldHead>;
/** `GET /v1/heads` of a gate, also while it holds no lease: those that it kept, the oldest first, and what it holds now. */
export const GateHeads = z.object({
  gate: SubjectId,
  items: z.array(HeldHead),
  holds: z.object({ revision: Revision, hash: JournalHash }).nullable(),
});
export type GateHeads = z.infer<typeof GateHeads>;

/** `GET /v1/cut` of a gate, also while it holds no lease. `from`: where the page before ended. */
export const GateCutQuery = z.strictObject({ from: z.coerce.number().int().nonnegative().default(0) });
/** What is suspended or revoked by what this gate knows last: of what it forgot, a day after its end, nothing. */
export const GateCut = z.object({
  gate: SubjectId,
  revision: Revision,
  items: z.array(
    z.object({
      fingerprint: Fingerprint,
      subject: SubjectId,
      standing: Standing,
      revision: Revision,
      changedAt: Timestamp,
      changedBy: Actor,
    }),
  ),
  next: z.int().nullable(),
});
export type GateCut = z.infer<typeof GateCut>;
