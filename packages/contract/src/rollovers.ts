import { z } from 'zod';
import { ReasonText } from './changes.ts';
import { Kind, SubjectId, Timestamp } from './identity.ts';
import { KeyAlgorithm } from './key-algorithms.ts';
import { oneOf } from './one-of.ts';

/** How far it is, in this order. `asked`: its root is on another machine. `abandoned`: nothing came of it. */
export const RolloverPhase = oneOf(['asked', 'prepared', 'trusted', 'issuing', 'retiring', 'retired', 'abandoned']);
export type RolloverPhase = z.infer<typeof RolloverPhase>;

/** `POST /v1/rollovers`: another issuer for certificates of devices or of the fleet's own, or another root with both issuers below it. */
export const RolloverRequest = z.strictObject({
  what: oneOf(['root', 'device', 'infrastructure']),
  /** The root's key is, or will be, on another machine: it is asked by a file. */
  elsewhere: z.literal(true).optional(),
  /** What the keys that are made are of; not given: what those that they follow are of. */
  keys: KeyAlgorithm.optional(),
  reason: ReasonText.optional(),
});
export type RolloverRequest = z.infer<typeof RolloverRequest>;

/** `POST /v1/rollovers/advance`, `/retirement`, `/abandonment`. `force`: also where somebody would be lost. */
export const RolloverStep = z.strictObject({ force: z.literal(true).optional(), reason: ReasonText.optional() });
export type RolloverStep = z.infer<typeof RolloverStep>;

/** `POST /v1/rollovers/answer`: what "portcullis root sign" wrote. */
export const RolloverAnswer = z.strictObject({ answer: z.string().max(262_144), reason: ReasonText.optional() });

export const rolloverNamedMax = 1_000;
const Those = z.object({
  count: z.int().nonnegative(),
  /** At most `rolloverNamedMax` of them. */
  named: z.array(z.object({ subject: SubjectId, kind: Kind })),
});
export type Those = z.infer<typeof Those>;

export const RolloverView = z.object({
  number: z.int().positive(),
  what: RolloverRequest.shape.what,
  phase: RolloverPhase,
  startedAt: Timestamp,
  changedAt: Timestamp,
  /** Names of the authorities that go, and of those that come. */
  leaves: z.array(z.string()),
  comes: z.array(z.string()),
  /** The version of the bundle that the next phase waits for. */
  bundle: z.int().nonnegative(),
  /** Who has not said that it holds that. */
  lacking: Those,
  /** Who has nothing but a certificate of one that goes. */
  below: Those,
  /** Has a token that was made before the bundle, and was not used. */
  tokens: Those,
});
export type RolloverView = z.infer<typeof RolloverView>;

/** `GET /v1/rollovers`: the newest first, of those that ended without counts. */
export const RolloversView = z.object({
  /** The version of the bundle that everybody is given now. */
  bundle: z.int().positive(),
  items: z.array(RolloverView),
});
export type RolloversView = z.infer<typeof RolloversView>;

/** `request`: of one whose root is asked by a file, what is to be carried there. */
export const RolloverStarted = z.object({ rollover: RolloverView, request: z.unknown().optional() });
export type RolloverStarted = z.infer<typeof RolloverStarted>;
