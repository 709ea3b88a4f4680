/** What a private key signs by, of each kind that an authority may have: the fleet's own, and those that authorities elsewhere have. */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { isSoundExponent, keyAlgorithmOf, keyAlgorithms, objectIdentifiers } from '@portcullis/contract';
import type { SignatureMaker } from '../pki/pki.ts';

const signBytes = promisify(sign) as (digest: string | null, data: Uint8Array, key: KeyObject) => Promise<Buffer>;
const rsaBitsMin = 2_048;
export const signingKinds = `RSA with ${rsaBitsMin} bits or more and an odd exponent from 65537 on, P-256, P-384, Ed25519 or ML-DSA`;

export interface BroughtSigner extends SignatureMaker {
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKey: Buffer;
}

/** Undefined: it is none in PEM, or does not open. */
export function keyIn(key: string, passphrase: string | undefined): KeyObject | undefined {
  try {
    return createPrivateKey({ key, ...(passphrase !== undefined && { passphrase }) });
  } catch {
    // The error of the parser could quote the file, which is a secret.
    return undefined;
  }
}

/** PEM of either form (RFC 7468 §11, RFC 1421 §4.6.1.1) says so. */
export const isEncrypted = (pem: string) => pem.includes('ENCRYPTED');

/** Undefined: of a kind that signs nothing here. */
export function signerBy(key: KeyObject): BroughtSigner | undefined {
  const how = signatureOf(key);
  if (!how) return undefined;
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  return { publicKey, algorithm: how.algorithm, sign: (bytes) => signBytes(how.digest, bytes, key) };
}

function signatureOf(key: KeyObject): { algorithm: string; digest: string | null } | undefined {
  const name = keyAlgorithmOf(key);
  if (name) return { algorithm: keyAlgorithms[name].signature, digest: keyAlgorithms[name].digest };
  const { namedCurve, modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'rsa':
      if (modulusLength < rsaBitsMin || !isSoundExponent(publicExponent)) return undefined;
      return { algorithm: objectIdentifiers.sha256WithRsaEncryption, digest: 'sha256' };
    case 'ec':
      if (namedCurve !== 'secp384r1') return undefined;
      return { algorithm: objectIdentifiers.ecdsaWithSha384, digest: 'sha384' };
    case 'ed25519':
      return { algorithm: objectIdentifiers.ed25519, digest: null };
    default:
      return undefined;
  }
}
