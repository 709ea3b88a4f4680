import { type KeyObject, sign } from 'node:crypto';
import { keyAlgorithmOf, keyAlgorithms } from '@portcullis/contract';

/** What a JWS by this key says as its algorithm. @throws {TypeError} where the key is of none of a fleet's */
export const joseAlgorithmOf = (key: KeyObject) => factsOf(key).jose;

/** Of a JWS, base64url: of ECDSA r and s side by side (RFC 7518 §3.4). @throws {TypeError} as above */
export function joseSignature(key: KeyObject, input: string): string {
  const { digest } = factsOf(key);
  return sign(digest, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
}

function factsOf(key: KeyObject) {
  const name = keyAlgorithmOf(key);
  if (!name) throw new TypeError(`a key is one of [${Object.keys(keyAlgorithms).join(', ')}]`);
  return keyAlgorithms[name];
}
