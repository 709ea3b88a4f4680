import { z } from 'zod';
import { ReasonText } from './changes.ts';
import { TokenSecret } from './enrolment.ts';
import { Hosts } from './host.ts';
import { Kind, SubjectId, Timestamp } from './identity.ts';
import { oneOf } from './one-of.ts';
import { AttributeAssignments, GateReadNames } from './operations.ts';

/** By which somebody gets a first certificate: what operators ask for, and what they are shown. */
export const TokenRequest = z.strictObject({
  subject: SubjectId,
  kind: oneOf(Kind.exclude(['authority']).options).default('device'),
  /** First attributes of a new subject; those of an existing one are never overwritten. Default `{status: active}`. */
  attributes: AttributeAssignments.optional(),
  expiresSeconds: z
    .int()
    .min(1)
    .max(365 * 86_400)
    .default(3_600),
  afterRevocation: z.boolean().default(false),
  /** Of a device or a gateway: it may be used by EST, at a desk, which then learns its secret. */
  est: z.boolean().optional(),
  /**
   * For a gate: the DNS names and addresses of its server certificate, which take the place of those that it has. A new one without has
   * those of its own machine: `localhost`, `127.0.0.1` and `::1`.
   */
  hosts: Hosts.optional(),
  /** For a new gate: the attributes that it may ask of the feed. Default: any. */
  reads: GateReadNames.optional(),
  /** For an operator: it may look at everything and change nothing. */
  readOnly: z.boolean().optional(),
});
/** One transaction, which no other change may wait for long. */
export const tokensPerRequestMax = 500;
/** `POST /v1/tokens`: one, or many in one transaction. */
export const TokensRequest = z.strictObject({
  tokens: z.array(TokenRequest).min(1).max(tokensPerRequestMax),
  reason: ReasonText.optional(),
});
export const TokenCreated = z.object({
  token: z.string(),
  id: z.string(),
  subject: SubjectId,
  kind: Kind,
  secret: TokenSecret,
  expiresAt: Timestamp,
  /** What it gave the subject, which is new; null: the subject was there, and keeps what it has. Not told by earlier versions. */
  attributes: AttributeAssignments.nullable().optional(),
  /** Of a gate, where it gave it names or others than it had. */
  hosts: z.array(z.string()).optional(),
});
export type TokenCreated = z.infer<typeof TokenCreated>;
export const TokenView = z.object({
  id: z.string(),
  subject: SubjectId,
  kind: Kind,
  state: z.enum(['open', 'used', 'expired', 'voided']),
  createdAt: Timestamp,
  expiresAt: Timestamp,
});
export type TokenView = z.infer<typeof TokenView>;
