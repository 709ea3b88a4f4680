import { z } from 'zod';
import { Fingerprint, JournalHash, Revision, Timestamp } from './identity.ts';

const Milliseconds = z.int().nonnegative();

/** All of them are in one line, also where each has a certificate of ML-DSA-87: about ten kilobytes of the 64 MB that a line of a feed may have. */
export const issuersToldMax = 4_096;
/** A certificate that ended so long ago is forgotten: nobody who looks at its end asks about it. */
export const endedToldMs = 7 * 86_400_000;

/**
 * Of one certificate: the number of its issuer, its serial number, why it is not good (RFC 5280 §5.3.1; null: it is good), since when, and when
 * it ends. A tuple, since there are a million of them.
 */
const ToldStanding = z.tuple([
  z.int().nonnegative().lt(issuersToldMax),
  z.string().regex(/^(?:[0-9a-f]{2}){1,20}$/, 'must be 1 to 20 bytes in hex'),
  z.int().min(0).max(10).nullable(),
  Milliseconds,
  Milliseconds,
]);
export type ToldStanding = z.infer<typeof ToldStanding>;

export const standingsPerMessageMax = 1_000;

/** `GET /v1/desk/standings`: NDJSON, one of these a line. */
export const StandingsMessage = z.discriminatedUnion('type', [
  /** Forget everything, once the next beat says that what follows is all. Numbers of issuers are places in this list. */
  z.object({
    type: z.literal('issuers'),
    issuers: z.array(z.object({ fingerprint: Fingerprint, certificate: z.base64().max(32_768) })).max(issuersToldMax),
  }),
  z.object({ type: z.literal('standings'), items: z.array(ToldStanding).max(standingsPerMessageMax) }),
  /** All that is known up to this revision was said. `hash`: of that; an authority of an earlier version does not say. */
  z.object({ type: z.literal('beat'), revision: Revision, hash: JournalHash.optional(), time: Timestamp }),
]);
export type StandingsMessage = z.infer<typeof StandingsMessage>;

/** `POST /v1/ocsp-certificates`: of the one key that a desk signs answers about certificates with, a certificate from each issuer whose key is at hand. */
export const OcspCertificates = z.object({
  items: z.array(
    z.object({
      /** Of the certificate of the issuer that signed it (RFC 6960 §4.2.2.2). */
      issuer: Fingerprint,
      /** PEM. */
      certificate: z.string(),
      renewAfter: Timestamp,
      notAfter: Timestamp,
    }),
  ),
});
export type OcspCertificates = z.infer<typeof OcspCertificates>;
