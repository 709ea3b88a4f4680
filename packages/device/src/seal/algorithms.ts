import { type KeyObject, sign, verify } from 'node:crypto';
import { der, keyAlgorithmOf, keyAlgorithms } from '@portcullis/contract';

/** What a message may be signed with, each for one type of key alone: what a header says is held against the key on file. */
export const algorithms = {
  ES256: keyAlgorithms['p-256'],
  'ML-DSA-44': keyAlgorithms['ml-dsa-44'],
  'ML-DSA-65': keyAlgorithms['ml-dsa-65'],
  'ML-DSA-87': keyAlgorithms['ml-dsa-87'],
  /** RFC 8037 §3.1; RFC 9053 §2.2. */
  EdDSA: { cose: -8, digest: null, signatureBytes: 64 },
} as const;

export type SealAlgorithm = keyof typeof algorithms;

export const isAlgorithm = (name: unknown): name is SealAlgorithm =>
  typeof name === 'string' && Object.hasOwn(algorithms, name);

export const algorithmNumbered = (number: unknown): SealAlgorithm | undefined =>
  (Object.keys(algorithms) as SealAlgorithm[]).find((name) => algorithms[name].cose === number);

/** Looking a key's details up takes as long as checking a signature with it. */
const known = new WeakMap<KeyObject, SealAlgorithm | 'none'>();

/** The one that a key signs with; undefined: with none that is taken. */
export function algorithmOf(key: KeyObject): SealAlgorithm | undefined {
  let algorithm = known.get(key);
  if (algorithm === undefined) {
    algorithm = lookedUp(key);
    known.set(key, algorithm);
  }
  return algorithm === 'none' ? undefined : algorithm;
}

function lookedUp(key: KeyObject): SealAlgorithm | 'none' {
  if (key.asymmetricKeyType === 'ed25519') return 'EdDSA';
  const name = keyAlgorithmOf(key);
  return name ? keyAlgorithms[name].jose : 'none';
}

export function signedBytes(algorithm: SealAlgorithm, key: KeyObject, bytes: Uint8Array): Buffer {
  return sign(algorithms[algorithm].digest, bytes, { key, dsaEncoding: 'ieee-p1363' });
}

export function isSignedBy(
  algorithm: SealAlgorithm,
  key: KeyObject,
  bytes: Uint8Array,
  signature: Uint8Array,
): boolean {
  // A key in an object with options costs Node a third of the whole check more than the key alone (findings/node-verify-options.sh).
  return verify(algorithms[algorithm].digest, bytes, key, algorithm === 'ES256' ? derOf(signature) : signature);
}

/** Ecdsa-Sig-Value (RFC 3279 §2.2.3) of r and s as 32 bytes each. */
const derOf = (signature: Uint8Array) =>
  der.sequence(der.integerOf(signature.subarray(0, 32)), der.integerOf(signature.subarray(32)));
