import { type KeyObject, sign, verify } from 'node:crypto';

/** What a message may be signed with, each for one type of key alone: what a header says is held against the key on file. */
export const algorithms = {
  /** RFC 7518 §3.4; RFC 9053 §2.1. */
  ES256: { cose: -7, digest: 'sha256' },
  /** RFC 8037 §3.1; RFC 9053 §2.2. */
  EdDSA: { cose: -8, digest: null },
} as const;

export type SealAlgorithm = keyof typeof algorithms;

/** Both have two numbers of 32 bytes. */
export const signatureBytes = 64;

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
  return key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? 'ES256' : 'none';
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
  return verify(algorithms[algorithm].digest, bytes, { key, dsaEncoding: 'ieee-p1363' }, signature);
}
