import { createHash, createPrivateKey, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { digestOf } from '@portcullis/contract';

/** PKCS#8 of an Ed25519 key around its seed (RFC 8410 §7). */
const seedPrefix = Buffer.from('302e020100300506032b657004220420', 'hex');

export const secretHash = (secret: string) => createHash('sha256').update(secret).digest('hex');

export const sha256Hex = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** The public half of the key whose seed the secret is: 32 bytes, base64url. */
export function proofKeyOf(secret: string): string {
  const der = Buffer.concat([seedPrefix, Buffer.from(secret, 'base64url')]);
  return (
    createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })).export({ format: 'jwk' }).x ?? ''
  );
}

export function keyOfProof(proofKey: string): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: proofKey }, format: 'jwk' });
}

export function signedBy(key: KeyObject, bytes: Buffer, signature: string): boolean {
  try {
    return verify(digestOf(key), bytes, key, Buffer.from(signature, 'base64'));
  } catch {
    return false;
  }
}
