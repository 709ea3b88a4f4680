import { z } from 'zod';
import { ReasonText } from './changes.ts';
import { Kind, SubjectId, Timestamp } from './identity.ts';
import { KeyAlgorithm } from './key-algorithms.ts';
import { oneOf } from './one-of.ts';

/** How far it is, in this order. `asked`: its root is on another machine. `abandoned`: nothing came of it. */
export const RolloverPhase = oneOf(['asked', 'prepared', 'trusted', 'issuing', 'retiring', 'retired', 'abandoned']);
export type RolloverPhase = z.infer<typeof RolloverPhase>;

/** `next`: everybody is told of it, and it signs nothing yet. `ending`: it signs what is shown to who may hold an older bundle, and no more. */
const IssuerState = oneOf(['next', 'issuing', 'ending']);

const RolloverAsked = z.strictObject({
  what: oneOf(['root', 'device', 'infrastructure']),
  /** Of `device`: it signs beside those that there are, and none of them goes. */
  beside: z.literal(true).optional(),
  /** The root's key is, or will be, on another machine: it is asked by a file. */
  elsewhere: z.literal(true).optional(),
  /** What the keys that are made are of; not given: what those that they follow are of. */
  keys: KeyAlgorithm.optional(),
  reason: ReasonText.optional(),
});

/** `POST /v1/rollovers`: another issuer for certificates of devices or of the fleet's own, or another root with both issuers below it. */
export const RolloverRequest = RolloverAsked.refine(
  ({ what, beside }) => !beside || what === 'device',
  '"beside" is of issuers for devices',
).refine(({ keys, beside }) => !beside || keys === undefined, '"keys" are those of the issuers that it signs beside');
export type RolloverRequest = z.infer<typeof RolloverRequest>;

const withoutMax = 1_000;

/**
 * `POST /v1/rollovers/advance`, `/retirement`, `/abandonment`. `force`: also where somebody would be lost, but for gates and desks.
 * `without`: also where these would be, of whatever kind.
 */
export const RolloverStep = z.strictObject({
  force: z.literal(true).optional(),
  without: z.array(SubjectId).max(withoutMax).optional(),
  reason: ReasonText.optional(),
});
export type RolloverStep = z.infer<typeof RolloverStep>;

/** `POST /v1/rollovers/answer`: what "portcullis root sign" wrote. */
export const RolloverAnswer = z.strictObject({ answer: z.string().max(262_144), reason: ReasonText.optional() });

export const rolloverNamedMax = 1_000;
const Those = z.object({
  count: z.int().nonnegative(),
  /** At most `rolloverNamedMax` of them, gates and desks first. */
  named: z.array(z.object({ subject: SubjectId, kind: Kind })),
});
export type Those = z.infer<typeof Those>;

export const RolloverView = z.object({
  number: z.int().positive(),
  what: RolloverAsked.shape.what,
  phase: RolloverPhase,
  startedAt: Timestamp,
  changedAt: Timestamp,
  /** Names of the authorities that go, and of those that come. None goes where one signs beside others: that ends at `issuing`. */
  leaves: z.array(z.string()),
  comes: z.array(z.string()),
  /** The authority began it: the next issuer for devices, which signs once those before it are full. An authority of a release before this one begins none. */
  byItself: z.boolean().default(false),
  /** The version of the bundle that the next phase waits for. */
  bundle: z.int().nonnegative(),
  /** Who has not said that it holds that. */
  lacking: Those,
  /** Who has a certificate of one that goes. Once a root is retired: who was lost by it, until it has another certificate or none. */
  below: Those,
  /** Has a token that was made before the bundle, and was not used. */
  tokens: Those,
});
export type RolloverView = z.infer<typeof RolloverView>;

/** `GET /v1/rollovers`: the newest first; of those that ended, who was lost alone. */
export const RolloversView = z.object({
  /** The version of the bundle that everybody is given now. */
  bundle: z.int().positive(),
  /** Who signs, or did and is still trusted, but roots. `live`: how many of its certificates, labels included, have not ended and were not revoked or followed. */
  issuers: z
    .array(
      z.object({
        name: z.string(),
        role: oneOf(['device', 'infrastructure']),
        state: IssuerState,
        live: z.int().nonnegative(),
      }),
    )
    // An authority of a release before this one says nothing of them.
    .default([]),
  items: z.array(RolloverView),
});
export type RolloversView = z.infer<typeof RolloversView>;

/** `request`: of one whose root is asked by a file, what is to be carried there. */
export const RolloverStarted = z.object({ rollover: RolloverView, request: z.unknown().optional() });
export type RolloverStarted = z.infer<typeof RolloverStarted>;
