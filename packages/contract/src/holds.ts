import { z } from 'zod';
import { AttributeName, AttributeValue } from './attributes.ts';
import { Kind, Revision, SubjectId, Timestamp } from './identity.ts';

/** What a signal lays over an attribute, or over the standing of a subject's certificates. */
export const HoldId = z.string().regex(/^hold-[0-9a-f]{16}$/, 'must be hold- and 16 hex digits');

export const HoldView = z.object({
  hold: HoldId,
  subject: SubjectId,
  kind: Kind,
  /** Null: the standing; its certificates are suspended. */
  attribute: AttributeName.nullable(),
  value: AttributeValue.nullable(),
  /** `beside`: another one is stricter, or was there before. `waiting`: its source is over its limit, and a person decides. */
  state: z.enum(['in_force', 'beside', 'waiting']),
  source: z.string(),
  /** The sender's own name of the alert. */
  key: z.string(),
  reason: z.string(),
  since: Timestamp,
  /** `person`, `resolved` or the time at which it ends. */
  until: z.union([z.enum(['person', 'resolved']), Timestamp]),
  /** Of the alert. `claimed_resolved`: somebody said that it is over. `muted`, `gone`: its sender has it silenced, or no more. */
  alert: z.object({ state: z.enum(['firing', 'claimed_resolved', 'muted', 'gone']), since: Timestamp }),
  /** Why it is not ended, where it could be by now. */
  lacks: z.string().optional(),
  revision: Revision,
});
export type HoldView = z.infer<typeof HoldView>;

/** So many are named in the answer to a change. */
export const heldByMax = 100;
