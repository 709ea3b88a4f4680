import { createPrivateKey, createPublicKey, sign } from 'node:crypto';

/** PKCS#8 of an Ed25519 key around its seed (RFC 8410 §7). */
const seedPrefix = Buffer.from('302e020100300506032b657004220420', 'hex');

/** The key whose seed a token's secret is: the secret itself goes nowhere. */
export function proofKeyOf(secret: string): { proofKey: string; prove(bytes: Buffer): string } {
  const der = Buffer.concat([seedPrefix, Buffer.from(secret, 'base64url')]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const proofKey = createPublicKey(key).export({ format: 'jwk' }).x ?? '';
  return { proofKey, prove: (bytes) => sign(null, bytes, key).toString('base64') };
}
