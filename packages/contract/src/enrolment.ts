import { z } from 'zod';
import { PortcullisError } from './errors.ts';
import { Fingerprint, FleetName, Kind, SubjectId, Timestamp } from './identity.ts';
import { KeyAlgorithm } from './key-algorithms.ts';

const Base64 = z
  .string()
  .max(16_384)
  .regex(/^[A-Za-z0-9+/]+={0,2}$/, 'must be base64');

/** 256 random bits, base64url. */
export const TokenSecret = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be 43 characters of base64url');

/** Of one of several that stand for each other. */
const SomeUrls = z.array(z.url({ protocol: /^https$/ })).max(8);

export const EnrolmentToken = z.object({
  url: z.url({ protocol: /^https$/ }),
  /** Where else, while nobody answers there. */
  others: SomeUrls.optional(),
  subject: SubjectId,
  secret: TokenSecret,
  /** Root certificates in DER, base64: the only ones that the device trusts for enrolling. */
  roots: z.array(Base64).min(1).max(4),
  /** What the device makes as its key. Not given, or none that this version knows: P-256. */
  keys: KeyAlgorithm.optional().catch(undefined),
});
export type EnrolmentToken = z.infer<typeof EnrolmentToken>;

/** Four roots of ML-DSA-87, and the rest. */
const tokenLengthMax = 65_536;

export function formatToken(token: EnrolmentToken): string {
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

/** @throws {PortcullisError} `usage`; the message never repeats the token. */
export function parseToken(text: string): EnrolmentToken {
  const trimmed = text.trim();
  if (trimmed.length <= tokenLengthMax && /^[A-Za-z0-9_-]+$/.test(trimmed)) {
    try {
      return EnrolmentToken.parse(JSON.parse(Buffer.from(trimmed, 'base64url').toString('utf8')));
    } catch {
      // Falls through: a token is a secret, so nothing of it is shown.
    }
  }
  throw new PortcullisError(
    'usage',
    'this is not an enrolment token; it must be the one string that "portcullis token create" prints',
  );
}

/** 32 random bytes of whoever asks, base64url: what a signed answer names, so that no older one passes for it. */
export const Challenge = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be 43 characters of base64url');

/** PKCS#10 in DER, base64 (RFC 2986). Only its public key is used. */
const CertificationRequest = Base64;

/** The secret stays at the device: it is the seed of the Ed25519 key (RFC 8032 §5.1.5) whose public half the authority knows. */
export const ProvenEnrolmentRequest = z.strictObject({
  /** The public half, 32 bytes, base64url. */
  proofKey: z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be 43 characters of base64url'),
  challenge: Challenge,
  request: CertificationRequest,
  /** By the key of the token's secret over `proofBytes` of `enrolment`. */
  signature: Base64,
});
export type ProvenEnrolmentRequest = z.infer<typeof ProvenEnrolmentRequest>;

/** How devices of the first release enrol: the secret travels, to the authority alone, and the answer is not signed. */
export const SecretEnrolmentRequest = z.strictObject({ secret: TokenSecret, request: CertificationRequest });
export type SecretEnrolmentRequest = z.infer<typeof SecretEnrolmentRequest>;

/** `POST /v1/enrolments` on the enrolment listener. */
export const EnrolmentRequest = z.union([ProvenEnrolmentRequest, SecretEnrolmentRequest]);
export type EnrolmentRequest = z.infer<typeof EnrolmentRequest>;

const GateUrls = z.array(z.url({ protocol: /^https$/ })).max(64);
/** Where gates take MQTT. An authority of an earlier version does not say. */
const MqttGateUrls = z
  .array(z.url({ protocol: /^mqtts$/ }))
  .max(64)
  .optional();

/** All addresses of the authority and of enrolment, for a fleet with several of one of them. */
export const Addresses = z.object({ authority: SomeUrls, enrolment: SomeUrls });
export type Addresses = z.infer<typeof Addresses>;

/** What a subject holds after enrolling or renewing. All certificates in PEM. */
export const IssuedCredential = z.object({
  fleet: FleetName,
  subject: SubjectId,
  kind: Kind,
  certificate: z.string().max(16_384),
  issuer: z.string().max(16_384),
  /** The trust bundle: roots, one after another. */
  roots: z.string().max(65_536),
  bundleVersion: z.int().positive(),
  renewAfter: Timestamp,
  notAfter: Timestamp,
  gates: GateUrls,
  mqttGates: MqttGateUrls,
  /** For a gate: where the authority's API is. */
  authority: z.url({ protocol: /^https$/ }),
  enrolment: z.url({ protocol: /^https$/ }),
  addresses: Addresses.optional(),
});
export type IssuedCredential = z.infer<typeof IssuedCredential>;

/** All addresses of the authority, first the one that it is asked by. */
export const authoritiesOf = ({
  authority,
  addresses,
}: Pick<IssuedCredential, 'authority' | 'addresses'>): string[] => [
  ...new Set([authority, ...(addresses?.authority ?? [])]),
];

/** All addresses where this credential is renewed, first the one that they are asked by. */
export const enrolmentsOf = ({ enrolment, addresses }: Pick<IssuedCredential, 'enrolment' | 'addresses'>): string[] => [
  ...new Set([enrolment, ...(addresses?.enrolment ?? [])]),
];

/** `POST /v1/renewals/nonce` answers with one; it is good for a minute. */
export const RenewalNonce = z.object({ nonce: z.string().min(16).max(256) });
export type RenewalNonce = z.infer<typeof RenewalNonce>;

/** Given: the signature is over `proofBytes`, and the answer is a `SignedAnswer`. Not given: a device of the first release. */
const challenge = Challenge.optional();
const Certificate = z.string().max(16_384);

/**
 * `POST /v1/renewals`. `signature` is made with the key of `certificate` over `proofBytes` of `renewal`,
 * by `crypto.sign("sha256", …)` of Node: DER-encoded for ECDSA, PKCS#1 v1.5 for RSA; for Ed25519 the digest is null.
 */
export const RenewalRequest = z.strictObject({
  certificate: Certificate,
  request: CertificationRequest,
  nonce: z.string().min(16).max(256),
  challenge,
  signature: Base64,
});
export type RenewalRequest = z.infer<typeof RenewalRequest>;

export const usesPerRequestMax = 100;
/** `POST /v1/renewals/uses`: certificates beside older ones of their subjects by which a gate admitted readings. Telling it twice changes nothing. */
export const UsesReport = z.strictObject({ certificates: z.array(Fingerprint).min(1).max(usesPerRequestMax) });
export type UsesReport = z.infer<typeof UsesReport>;
/** How many of them that confirmed: of those that came by EST the ones that were not. */
export const UsesAnswer = z.object({ confirmed: z.int().nonnegative() });

/** `POST /v1/renewals/confirmation`: signed with the new key over `proofBytes` of `confirmation`. It supersedes the old certificate. */
export const ConfirmationRequest = z.strictObject({
  certificate: Certificate,
  nonce: z.string().min(16).max(256),
  challenge,
  signature: Base64,
});
export type ConfirmationRequest = z.infer<typeof ConfirmationRequest>;

/**
 * `POST /v1/renewals/gates`: where gates are now, for a device that reaches none of those it knows. Signed with the key of
 * `certificate` over `proofBytes` of `gates`; nothing changes by it.
 */
export const GatesRequest = ConfirmationRequest;
export type GatesRequest = ConfirmationRequest;
export const GateList = z.object({ gates: GateUrls, mqttGates: MqttGateUrls, addresses: Addresses.optional() });
export type GateList = z.infer<typeof GateList>;

/** `POST /v1/time`: from anybody, about nobody. The answer is signed as all are, so that a device whose clock is wrong can believe it. */
export const TimeRequest = z.strictObject({ challenge: Challenge });
export type TimeRequest = z.infer<typeof TimeRequest>;
export const TimeTold = z.object({ at: Timestamp });

/** The one file that holds a subject's credential: what was issued, and the private key, which never travels. */
export const CredentialFile = IssuedCredential.extend({
  /** PKCS#8 in PEM; of a key in a TPM what its file holds. */
  key: z.string().max(16_384),
  /** Where a key in a TPM is, as an absolute path: the credential on disk has this in place of each `key`. */
  keyFile: z.string().max(4_096).optional(),
  /** Renewed, and not confirmed with the new key yet: the certificate before it is still valid too. */
  unconfirmed: z.literal(true).optional(),
  /** The pair before an unconfirmed one: what is used until the new one was proven. An earlier version wrote none. */
  previous: z
    .object({ key: z.string().max(16_384), certificate: Certificate, issuer: Certificate, notAfter: Timestamp })
    .optional(),
});
export type CredentialFile = z.infer<typeof CredentialFile>;

/** A key that was made and has no certificate yet: written before it is asked for, so that a lost answer burns nothing. */
export const PendingKey = z.object({ key: z.string().max(16_384) });

/** The answer to a confirmation. */
export const Confirmed = z.object({ confirmed: z.literal(true) });
