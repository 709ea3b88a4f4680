import { z } from 'zod';
import { ReasonText } from './changes.ts';
import { Fingerprint, Kind, Revision, SubjectId, Timestamp } from './identity.ts';
import { oneOf } from './one-of.ts';
import { AttributeAssignments } from './operations.ts';

const hex = (bytesMin: number, bytesMax: number) =>
  z
    .string()
    .regex(
      new RegExp(`^([0-9a-f]{2}){${bytesMin},${bytesMax}}$`),
      `must be ${bytesMin === bytesMax ? bytesMin : `${bytesMin} to ${bytesMax}`} bytes in lower-case hex`,
    );

/** What a sensor says it is, in the clear (`kid`, RFC 8613 §6.1). AES-CCM-16-64-128 leaves no room for more than 7 bytes (§3.3). */
export const KeyId = hex(1, 7).brand<'KeyId'>();
export type KeyId = z.infer<typeof KeyId>;

/** What the fleet's side of every OSCORE context is called; no sensor has it as its key id. */
export const keyServerId = '00';

/** Which credential a subject has: an X.509 certificate, or a key that it shares with the authority (OSCORE). */
export const CredentialForm = oneOf(['certificate', 'oscore']);
export type CredentialForm = z.infer<typeof CredentialForm>;

/** `POST /v1/key-credentials`. */
export const KeyCredentialRequest = z.strictObject({
  subject: SubjectId,
  kind: oneOf(['device', 'gateway']).default('device'),
  /** First attributes of a new subject; those of an existing one are never overwritten. Default `{status: active}`. */
  attributes: AttributeAssignments.optional(),
  afterRevocation: z.boolean().default(false),
  /** The key credentials that the subject has are superseded, at once. */
  replace: z.boolean().default(false),
  reason: ReasonText.optional(),
});
export type KeyCredentialRequest = z.infer<typeof KeyCredentialRequest>;

/** All that is flashed into a sensor (RFC 8613 §3.2): AES-CCM-16-64-128 and HKDF SHA-256 go without saying. It is told once. */
export const KeyCredentialCreated = z.object({
  revision: Revision,
  subject: SubjectId,
  kind: Kind,
  fingerprint: Fingerprint,
  /** The sensor's sender id. */
  keyId: KeyId,
  /** The sensor's recipient id. */
  serverId: hex(1, 7),
  masterSecret: hex(16, 16),
  masterSalt: hex(8, 8),
  notAfter: Timestamp,
  /** What it gave the subject, which is new; null: the subject was there, and keeps what it has. */
  attributes: AttributeAssignments.nullable(),
  /** Those that it took the place of. */
  replaced: z.array(Fingerprint),
});
export type KeyCredentialCreated = z.infer<typeof KeyCredentialCreated>;

/** `GET /v1/key-contexts` (kind gate): the security context of one key credential under one ID context (RFC 8613 §3.1). */
export const KeyContextQuery = z.strictObject({ keyId: KeyId, idContext: hex(1, 32) });
export type KeyContextQuery = z.infer<typeof KeyContextQuery>;

/** As seen from the gate: it sends as the server. The master secret can not be computed from it. */
export const KeyContext = z.object({
  fingerprint: Fingerprint,
  senderId: hex(1, 7),
  recipientId: KeyId,
  senderKey: hex(16, 16),
  recipientKey: hex(16, 16),
  commonIv: hex(13, 13),
  notAfter: Timestamp,
});
export type KeyContext = z.infer<typeof KeyContext>;
