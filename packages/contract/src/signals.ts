import { z } from 'zod';
import { AttributeName, AttributeValue } from './attributes.ts';
import { Actor, ReasonText } from './changes.ts';
import { HoldId } from './holds.ts';
import { SubjectId, Timestamp } from './identity.ts';
import { pageQuery } from './pages.ts';
import { SignalOutcome, SignalResult, SourceName } from './signal-answer.ts';

/** `GET /v1/holds`. */
export const HoldsQuery = z.strictObject({
  ...pageQuery,
  subject: SubjectId.optional(),
  source: SourceName.optional(),
});
export type HoldsQuery = z.infer<typeof HoldsQuery>;

/** `POST /v1/holds/release`: of a subject all, or those of one attribute; or one. */
export const ReleaseRequest = z.strictObject({
  subject: SubjectId.optional(),
  attribute: AttributeName.optional(),
  hold: HoldId.optional(),
  reason: ReasonText.min(1, 'must say why'),
});
export type ReleaseRequest = z.infer<typeof ReleaseRequest>;

/** `POST /v1/holds/apply`: those that wait, by subject or one, or all of a source. */
export const ApplyRequest = z.strictObject({
  subject: SubjectId.optional(),
  source: SourceName.optional(),
  hold: HoldId.optional(),
  reason: ReasonText.min(1, 'must say why'),
});
export type ApplyRequest = z.infer<typeof ApplyRequest>;

/** `POST /v1/signals/{source}/trial`: a delivery as its sender would send it. */
export const SignalTrialRequest = z.strictObject({
  body: z.string().max(16 * 1024 * 1024),
  headers: z.record(z.string().max(128), z.string().max(4_096)).optional(),
});
/** What would happen. */
export const SignalTrial = z.object({
  results: z.array(
    SignalResult.extend({
      would: z.array(
        z.object({
          subject: SubjectId,
          attribute: AttributeName.nullable(),
          value: AttributeValue.nullable(),
          until: z.string(),
        }),
      ),
    }),
  ),
  warnings: z.array(z.string()),
});
export type SignalTrial = z.infer<typeof SignalTrial>;

/** `GET /v1/signals`: a source, and what came from it since the authority started. */
export const SourceView = z.object({
  source: z.string(),
  format: z.string(),
  actor: Actor,
  holds: z.int().nonnegative(),
  waiting: z.int().nonnegative(),
  /** How many alerts had which outcome. */
  outcomes: z.partialRecord(SignalOutcome, z.int().nonnegative()),
  heardAt: Timestamp.nullable(),
  /** What came for nothing: the newest that no reaction matched. */
  unmatched: z.object({ key: z.string(), at: Timestamp }).nullable(),
});
export type SourceView = z.infer<typeof SourceView>;
