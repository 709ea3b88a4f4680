import { type KeyObject, sign, verify } from 'node:crypto';
import { keyAlgorithmOf, keyAlgorithms } from '@portcullis/contract';

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
function derOf(signature: Uint8Array): Buffer {
  const [r, s] = [integerBytes(signature.subarray(0, 32)), integerBytes(signature.subarray(32))];
  const der = Buffer.allocUnsafe(6 + r.length + s.length);
  der.set([0x30, 4 + r.length + s.length, 0x02, r.length]);
  der.set(r, 4);
  der.set([0x02, s.length], 4 + r.length);
  der.set(s, 6 + r.length);
  return der;
}

const zero = Buffer.of(0);

/** Of a positive number, in as few bytes as it has (X.690 §8.3). */
function integerBytes(bytes: Uint8Array): Uint8Array {
  let from = 0;
  while (from < bytes.length - 1 && bytes[from] === 0) from++;
  const least = bytes.subarray(from);
  return (least[0] as number) >= 0x80 ? Buffer.concat([zero, least]) : least;
}
