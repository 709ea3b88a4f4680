import { z } from 'zod';
import { Fingerprint, SubjectId, Timestamp } from './identity.ts';
import { oneOf } from './one-of.ts';
import { AttributeAssignments, RetireRequest } from './operations.ts';

const Base64 = z
  .string()
  .max(32_768)
  .regex(/^[A-Za-z0-9+/]*={0,2}$/, 'must be base64');

/** Of a TLS client: the leaf whose key signed the handshake, and what it sent with it. DER in base64. */
const chainMax = 6;

/** `POST /v1/desk/est`: what somebody asked of a desk by EST (RFC 7030). That the key was used in the handshake only the desk says. */
export const EstRequest = z.strictObject({
  operation: z.enum(['enrol', 'renew']),
  /** The body as it came, base64 of whatever it is. */
  body: Base64,
  /** HTTP Basic (RFC 7617). */
  basic: z.strictObject({ user: z.string().max(256), password: z.string().max(256) }).optional(),
  chain: z.array(Base64).min(1).max(chainMax).optional(),
});
export type EstRequest = z.infer<typeof EstRequest>;

export const EstAnswer = z.discriminatedUnion('state', [
  /** The body of the answer: certs-only PKCS#7 in base64, one line with its end. */
  z.object({ state: z.literal('issued'), body: z.string() }),
  /** An operator decides. `isNew`: it was not asked before. */
  z.object({ state: z.literal('pending'), isNew: z.boolean() }),
]);
export type EstAnswer = z.infer<typeof EstAnswer>;

/** `GET /v1/desk/est`: what anybody may have, as it is answered. */
export const EstBodies = z.object({ cacerts: z.string().max(65_536), csrattrs: z.string().max(4_096) });
export type EstBodies = z.infer<typeof EstBodies>;

/** Begins the id of whatever it brings. */
export const FactoryName = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,23}$/, 'must match [a-z0-9][a-z0-9_-]{0,23}');

/** What becomes of the serialNumber in the subject of a factory's certificate. */
export const SerialBecomes = oneOf(['subject', 'attribute']);

const factory = {
  name: FactoryName,
  kind: oneOf(['device', 'gateway']),
  /** `subject`: the id is NAME-SERIAL. `attribute`: the id is NAME- and the beginning of its certificate's fingerprint, `serial` an attribute. */
  serialBecomes: SerialBecomes,
  /** What each has until it is approved. */
  into: AttributeAssignments,
};
/** `POST /v1/factories`: a manufacturer's authority may prove who asks for a first certificate, and nothing else. */
export const FactoryRequest = z.strictObject({
  ...factory,
  kind: factory.kind.default('device'),
  serialBecomes: SerialBecomes.default('subject'),
  into: AttributeAssignments.prefault({ status: 'pending' }),
  /** Its certificates, PEM. */
  authorities: z.string().max(65_536),
});
export type FactoryRequest = z.infer<typeof FactoryRequest>;
export const FactoryView = z.object({
  ...factory,
  /** Of each of its authorities: name, fingerprint, end. */
  authorities: z.array(z.object({ name: z.string(), fingerprint: Fingerprint, notAfter: Timestamp })),
  addedAt: Timestamp,
  /** How many were enrolled by it, ever. */
  enrolled: z.int().nonnegative(),
});
export type FactoryView = z.infer<typeof FactoryView>;

const KeyHash = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits');

/** What waits for an operator. */
export const PendingView = z.object({
  subject: SubjectId,
  /** `factory`: it was enrolled by a factory's certificate. `renewal`: it asks for a certificate for a key that its present one does not vouch for. */
  what: z.enum(['factory', 'renewal']),
  factory: z.string().nullable(),
  /** SHA-256 of the public key that was asked for (SubjectPublicKeyInfo in DER), hexadecimal. */
  key: KeyHash,
  since: Timestamp,
});
export type PendingView = z.infer<typeof PendingView>;

export const subjectsPerApprovalMax = 500;
/**
 * `POST /v1/approvals`: what factories brought of these subjects is approved, as one revision; those of which nothing waits stay as they are.
 * A renewal is approved by its key alone: who asks for it is what a desk says.
 */
export const ApprovalRequest = z
  .strictObject({
    subjects: z.array(SubjectId).min(1).max(subjectsPerApprovalMax),
    /** SHA-256 of a public key (SubjectPublicKeyInfo in DER), hexadecimal: of the one subject that is named, what waits for this key. */
    key: KeyHash.optional(),
    ...RetireRequest.shape,
    /** Says of how many something waits, and changes nothing. */
    dryRun: z.boolean().optional(),
  })
  .refine(({ key, subjects }) => key === undefined || subjects.length === 1, {
    error: 'a key is of one subject: name exactly one',
    path: ['subjects'],
  });
export type ApprovalRequest = z.infer<typeof ApprovalRequest>;
