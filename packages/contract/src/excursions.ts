import { z } from 'zod';
import { AttributeName, AttributeValue } from './attributes.ts';
import { Actor, ReasonText } from './changes.ts';
import { Revision, SubjectId, Timestamp } from './identity.ts';
import { oneOf } from './one-of.ts';
import { pageQuery } from './pages.ts';
import { StreamName } from './readings.ts';

export const RuleName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'must match [a-z0-9][a-z0-9._-]{0,62}');

const values = z.record(AttributeName, AttributeValue);
const milliseconds = z.number().nonnegative().nullable();

/** `GET /v1/rules`: a rule on readings, as it is in force. */
export const RuleView = z.object({
  rule: RuleName,
  /** The change that made it as it is. */
  revision: Revision,
  streams: z.array(StreamName),
  /** The attribute of the sender that names whom it is about; null: the sender. */
  about: AttributeName.nullable(),
  outside: z.string(),
  inside: z.string().nullable(),
  forMs: milliseconds,
  budgetMs: milliseconds,
  silentMs: milliseconds,
  during: z.object({ from: z.string(), until: z.string() }).nullable(),
  on: z.object({ breach: values.optional(), silence: values.optional(), well: values.optional() }),
});
export type RuleView = z.infer<typeof RuleView>;

/** A limit that was passed. It stays on record, whatever becomes known later. */
export const BreachView = z.object({
  id: z.int().positive(),
  rule: RuleName,
  subject: SubjectId,
  /** `for`: one excursion was too long; `budget`: all of them together were. */
  kind: oneOf(['for', 'budget']),
  /** Null: of all that spoke for the subject. */
  sender: SubjectId.nullable(),
  from: Timestamp,
  /** Null: it goes on. */
  to: Timestamp.nullable(),
  /** When the limit was passed, and when that became known. */
  at: Timestamp,
  foundAt: Timestamp,
  limitMs: z.number().nonnegative(),
  ruleRevision: Revision,
  /** False: readings that came later show that the limit was kept. */
  stands: z.boolean(),
  afterDelivery: z.boolean(),
  acknowledged: z.object({ at: Timestamp, by: Actor, reason: z.string() }).nullable(),
});
export type BreachView = z.infer<typeof BreachView>;

export const GapCause = oneOf(['refused', 'silent', 'no_gate', 'unbound']);

/** What one rule says of one subject. */
export const RuledSubject = z.object({
  rule: RuleName,
  /** `none`: it is not in force yet, or nothing was heard. */
  status: oneOf(['none', 'well', 'unknown', 'broken']),
  /** When it was in force. */
  from: Timestamp.nullable(),
  until: Timestamp.nullable(),
  /** The newest reading. */
  heard: Timestamp.nullable(),
  excursions: z.array(
    z.object({
      sender: SubjectId,
      from: Timestamp,
      to: Timestamp.nullable(),
      durationMs: z.number().nonnegative(),
      ruleRevision: Revision,
    }),
  ),
  gaps: z.array(
    z.object({
      sender: SubjectId.nullable(),
      from: Timestamp,
      to: Timestamp.nullable(),
      cause: GapCause,
      /** What the gate said that refused. */
      reason: z.string().optional(),
    }),
  ),
  breaches: z.array(BreachView),
  /** What a person decided, and why. */
  decisions: z.array(z.object({ at: Timestamp, by: Actor, reason: z.string() })),
});
export type RuledSubject = z.infer<typeof RuledSubject>;

/** `GET /v1/subjects/{id}/excursions`. */
export const ExcursionsView = z.object({ subject: SubjectId, rules: z.array(RuledSubject) });
export type ExcursionsView = z.infer<typeof ExcursionsView>;

/** `GET /v1/breaches`: those that nobody acknowledged, or all. */
export const BreachesQuery = z.strictObject({
  ...pageQuery,
  subject: SubjectId.optional(),
  all: z.enum(['1']).optional(),
});
export type BreachesQuery = z.infer<typeof BreachesQuery>;

/** `POST /v1/breaches/acknowledge`: a person decides. */
export const AcknowledgeRequest = z.strictObject({
  subject: SubjectId,
  /** Of this rule alone. */
  rule: RuleName.optional(),
  reason: ReasonText.min(1, 'must say why'),
});
export type AcknowledgeRequest = z.infer<typeof AcknowledgeRequest>;
