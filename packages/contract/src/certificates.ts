import { z } from 'zod';
import { Fingerprint, Kind, Purpose, Revision, Standing, SubjectId, Timestamp } from './identity.ts';
import { CredentialForm } from './key-credentials.ts';
import { archived, pageQuery } from './pages.ts';

/**
 * `GET /v1/certificates`. With `endsBefore` those that are valid, have not ended and end before it, the soonest first; with `archived`
 * those that ended long ago, in place of the others.
 */
export const CertificatesQuery = z.strictObject({
  ...pageQuery,
  subject: SubjectId.optional(),
  kind: Kind.optional(),
  standing: Standing.optional(),
  form: CredentialForm.optional(),
  endsBefore: Timestamp.optional(),
  archived,
});
export type CertificatesQuery = z.infer<typeof CertificatesQuery>;

export const CertificateView = z.object({
  fingerprint: Fingerprint,
  /** Not told by earlier versions, which know certificates alone. */
  form: CredentialForm.default('certificate'),
  /** 32 lower-case hex digits; of a key credential its key id. */
  serial: z.string(),
  subject: SubjectId,
  kind: Kind,
  purpose: Purpose,
  standing: Standing,
  notBefore: Timestamp,
  notAfter: Timestamp,
  /** The common name of who signed it; of a key credential, which nobody signs, its form. */
  issuer: z.string(),
  revision: Revision,
  /** Of a revoked one: a name of RFC 5280 §5.3.1. */
  reasonCode: z.string().optional(),
  /** Of one that ended long ago: since when nothing that decides reads it. */
  archivedAt: Timestamp.optional(),
});
export type CertificateView = z.infer<typeof CertificateView>;

/** `GET /v1/certificates/{fingerprint}/leaf`: the certificate itself, in DER, base64. Its hash is the fingerprint that was asked for. */
export const LeafAnswer = z.object({
  certificate: z
    .string()
    .max(16_384)
    .regex(/^[A-Za-z0-9+/]+={0,2}$/, 'must be base64'),
});
export type LeafAnswer = z.infer<typeof LeafAnswer>;
