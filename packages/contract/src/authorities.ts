import { z } from 'zod';
import { ReasonText } from './changes.ts';
import { Hosts } from './host.ts';
import { SubjectId, Timestamp } from './identity.ts';

/** SHA-256 in hex: of what a machine asked with that wants to stand by. */
export const JoinFingerprint = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits');

/** `POST /v1/authorities`: an operator has compared the fingerprint with what that machine printed. */
export const AuthorityApprovalRequest = z.strictObject({
  name: SubjectId,
  fingerprint: JoinFingerprint,
  hosts: Hosts,
  reason: ReasonText.optional(),
});
export type AuthorityApprovalRequest = z.infer<typeof AuthorityApprovalRequest>;

/** A machine that may lead beside the first one. */
export const AuthorityView = z.object({
  name: SubjectId,
  fingerprint: JoinFingerprint,
  hosts: z.array(z.string()),
  approvedAt: Timestamp,
  approvedBy: z.string(),
  /** From then on it does not lead; null: it may. */
  revokedAt: Timestamp.nullable(),
});
export type AuthorityView = z.infer<typeof AuthorityView>;
