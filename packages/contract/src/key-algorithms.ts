/**
 * What the certificates of a fleet are signed with and for: one name for the key and the signature that it makes. Whoever signs or verifies
 * takes digest and identifier from here.
 */
import { objectIdentifiers } from './object-identifiers.ts';
import { oneOf } from './one-of.ts';

interface Facts {
  /** As `node:crypto` names it. */
  keyType: 'ec' | 'ml-dsa-44' | 'ml-dsa-65' | 'ml-dsa-87';
  namedCurve?: 'prime256v1';
  /** Of the signature; its parameters are absent (RFC 5758 §3.2, RFC 9881 §2). */
  signature: string;
  /** What `node:crypto` is told to hash with; null: the scheme takes the message itself. */
  digest: 'sha256' | null;
  /** Of a JWS (RFC 7518 §3.4, RFC 9964 §3), and of a COSE message (RFC 9053 §2.1, RFC 9964 §4). */
  jose: string;
  cose: number;
  /** Of a signature in those: of ECDSA both numbers as they are. */
  signatureBytes: number;
}

export const keyAlgorithms = {
  'p-256': {
    keyType: 'ec',
    namedCurve: 'prime256v1',
    signature: objectIdentifiers.ecdsaWithSha256,
    digest: 'sha256',
    jose: 'ES256',
    cose: -7,
    signatureBytes: 64,
  },
  'ml-dsa-44': {
    keyType: 'ml-dsa-44',
    signature: objectIdentifiers.mlDsa44,
    digest: null,
    jose: 'ML-DSA-44',
    cose: -48,
    signatureBytes: 2_420,
  },
  'ml-dsa-65': {
    keyType: 'ml-dsa-65',
    signature: objectIdentifiers.mlDsa65,
    digest: null,
    jose: 'ML-DSA-65',
    cose: -49,
    signatureBytes: 3_309,
  },
  'ml-dsa-87': {
    keyType: 'ml-dsa-87',
    signature: objectIdentifiers.mlDsa87,
    digest: null,
    jose: 'ML-DSA-87',
    cose: -50,
    signatureBytes: 4_627,
  },
} as const satisfies Record<string, Facts>;

export type KeyAlgorithm = keyof typeof keyAlgorithms;

export const KeyAlgorithm = oneOf(Object.keys(keyAlgorithms) as [KeyAlgorithm, ...KeyAlgorithm[]]);

/** What a JWS of a fleet is signed with: each for one kind of key alone. */
export const JoseAlgorithm = oneOf(Object.values(keyAlgorithms).map(({ jose }) => jose));

/** What a `KeyObject` says of itself. */
interface KeyFacts {
  asymmetricKeyType?: string | undefined;
  asymmetricKeyDetails?:
    | {
        namedCurve?: string | undefined;
        modulusLength?: number | undefined;
        publicExponent?: bigint | undefined;
      }
    | undefined;
}

/** Undefined: a key of none of them. */
export function keyAlgorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyFacts): KeyAlgorithm | undefined {
  return KeyAlgorithm.options.find((name) => {
    const { keyType, namedCurve }: Facts = keyAlgorithms[name];
    return keyType === asymmetricKeyType && (keyType !== 'ec' || namedCurve === asymmetricKeyDetails?.namedCurve);
  });
}

/** What `sign` and `verify` of `node:crypto` are told to hash with, for a key of any kind that is taken. */
export function digestOf({ asymmetricKeyType }: KeyFacts): 'sha256' | null {
  return asymmetricKeyType === 'ec' || asymmetricKeyType === 'rsa' ? 'sha256' : null;
}

/** ECDSA and RSA (PKCS#1 v1.5) with SHA-256, SHA-384 or SHA-512; Ed25519; ML-DSA: all that a certificate of anybody may be signed with. */
export const certificateSignatures: readonly string[] = [
  objectIdentifiers.ecdsaWithSha256,
  objectIdentifiers.ecdsaWithSha384,
  objectIdentifiers.ecdsaWithSha512,
  objectIdentifiers.sha256WithRsaEncryption,
  objectIdentifiers.sha384WithRsaEncryption,
  objectIdentifiers.sha512WithRsaEncryption,
  objectIdentifiers.ed25519,
  objectIdentifiers.mlDsa44,
  objectIdentifiers.mlDsa65,
  objectIdentifiers.mlDsa87,
];

/** Beyond it a signature costs more than it proves: of 16 384 bits, as far as OpenSSL goes, four times as much. */
const rsaBits = { min: 2_048, max: 8_192 };
/** Public exponents above 32 bits are in no use, and make a signature as costly to verify as to make. */
const exponentMax = 2n ** 32n;
/** P-256, P-384 and P-521, as OpenSSL names them. */
const curves = ['prime256v1', 'secp384r1', 'secp521r1'];

/** Odd, and at least 65537 (NIST SP 800-56B §6.2): by one that is smaller a signature may be no proof of a private key. At most 32 bits. */
export const isSoundExponent = (exponent: bigint): boolean =>
  exponent >= 65_537n && exponent <= exponentMax && exponent % 2n === 1n;

/**
 * Whether a key is one that a certificate may be about: of at least 112 bits of strength (NIST SP 800-57 part 1 §5.6.1), and none whose
 * signatures take whoever verifies them long.
 */
export function isStrongKey({ asymmetricKeyType = '', asymmetricKeyDetails }: KeyFacts): boolean {
  if (asymmetricKeyType === 'rsa') {
    const { modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails ?? {};
    return modulusLength >= rsaBits.min && modulusLength <= rsaBits.max && isSoundExponent(publicExponent);
  }
  if (asymmetricKeyType === 'ec') return curves.includes(asymmetricKeyDetails?.namedCurve ?? '');
  return asymmetricKeyType === 'ed25519' || asymmetricKeyType.startsWith('ml-dsa-');
}
