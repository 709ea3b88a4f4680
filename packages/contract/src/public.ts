import { z } from 'zod';
import { AttributeName, AttributeValue } from './attributes.ts';
import { Fingerprint, FleetName, Kind, Revision, Standing, SubjectId, Timestamp } from './identity.ts';
import { PublicJourney } from './journeys.ts';
import { JoseAlgorithm } from './key-algorithms.ts';

/** 20 random bytes in the alphabet of Crockford's base32: 32 characters, none of which looks like another. */
export const publicCodeBytes = 20;
export const PublicCode = z
  .string()
  .regex(/^[0-9A-HJKMNP-TV-Z]{32}$/, 'must be the 32 characters of a public code')
  .brand<'PublicCode'>();
export type PublicCode = z.infer<typeof PublicCode>;

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

export function formatPublicCode(bytes: Uint8Array): PublicCode {
  let bits = 0n;
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte);
  const digits = Array.from({ length: (bytes.length * 8) / 5 }, (_, at) => Number((bits >> BigInt(5 * at)) & 31n));
  return PublicCode.parse(
    digits
      .map((digit) => alphabet[digit])
      .reverse()
      .join(''),
  );
}

/** As somebody may type it: in any case, with hyphens, O for 0, and I or L for 1. Undefined: it is none. */
export function readPublicCode(text: string): PublicCode | undefined {
  if (text.length > 64) return undefined;
  const written = text.toUpperCase().replaceAll('-', '').replaceAll('O', '0').replaceAll(/[IL]/g, '1');
  const parsed = PublicCode.safeParse(written);
  return parsed.success ? parsed.data : undefined;
}

/** The newest certificate of a shipment: its bytes in base64, and whose issuer's they are checked with. */
export const PublicCertificate = z.object({
  fingerprint: Fingerprint,
  standing: Standing,
  notBefore: Timestamp,
  notAfter: Timestamp,
  certificate: z.string().max(16_384),
  /** Of the issuer's certificate; null: not known of one that an early release issued. */
  issuer: Fingerprint.nullable(),
});
export type PublicCertificate = z.infer<typeof PublicCertificate>;

/** An attribute that is public; an authority of an earlier version does not tell its revision. */
export const PublicAttribute = z.object({ value: AttributeValue, changedAt: Timestamp, revision: Revision.optional() });

/** In one word: what whoever holds the box has to know first. `known`: it is in this fleet, and has no journey. */
export const PublicState = z.enum(['accepted', 'on_its_way', 'returned', 'stopped', 'known']);
export type PublicState = z.infer<typeof PublicState>;

/** The type in a public answer's header (RFC 7515 §4.1.9), and with `application/` before it its media type. */
export const publicAnswerType = 'portcullis-public+jwt';

/**
 * What a public answer says, signed: the payload of the JWS and the content of the CMS. `iat` and `exp` are seconds since 1970 by the
 * authority's clock (RFC 7519 §2, NumericDate).
 */
export const PublicAnswer = z.object({
  iss: FleetName,
  sub: SubjectId,
  iat: z.int().nonnegative(),
  exp: z.int().nonnegative(),
  kind: Kind,
  state: PublicState,
  /** When the authority last said that this is how it is, and of which state of the fleet. */
  asOf: Timestamp,
  revision: Revision,
  /** `chain`: the certificate and who issued it, in DER, base64; `standing` as of `asOf`. */
  certificate: PublicCertificate.omit({ certificate: true, issuer: true })
    .extend({ chain: z.array(z.string().max(16_384)).min(1).max(4) })
    .nullable(),
  attributes: z.record(AttributeName, PublicAttribute),
  journey: PublicJourney.nullable(),
});
export type PublicAnswer = z.infer<typeof PublicAnswer>;

/** The header of a public answer's JWS (RFC 7515 §4.1): the algorithm is that of the signer's key, the type is this, and nothing in it is critical. */
export const PublicAnswerHeader = z.object({
  alg: JoseAlgorithm,
  typ: z.literal(publicAnswerType),
  /** The signer's certificate and its issuer's, in DER, base64. */
  x5c: z.array(z.string().max(16_384)).min(2).max(4),
  crit: z.undefined().optional(),
});

/** `GET /v1/public/{code}` as JSON: the answer to be read, and the same signed. Who checks it takes what is signed. */
export const PublicReply = z.object({ answer: PublicAnswer, jws: z.string().max(1_048_576) });
export type PublicReply = z.infer<typeof PublicReply>;

/** `POST /v1/shipments/{id}/code`: another code leads to it from now on, and the one before to nothing. It is told this once. */
export const CodeRotation = z.object({ subject: SubjectId, code: PublicCode });
export type CodeRotation = z.infer<typeof CodeRotation>;

/** What `POST /v1/shipments` made: the code that a label of it leads to is told once, here. */
export const ShipmentCreated = z.object({ shipment: SubjectId, revision: Revision, code: PublicCode });
export type ShipmentCreated = z.infer<typeof ShipmentCreated>;
