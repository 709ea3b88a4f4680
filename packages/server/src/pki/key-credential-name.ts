import { createHash } from 'node:crypto';
import type { Fingerprint } from '@portcullis/contract';

/** What a key credential is called wherever a certificate is by its fingerprint. No certificate has it: what is hashed is not DER. */
export function keyCredentialName(keyId: Uint8Array): Fingerprint {
  return createHash('sha256').update('oscore').update(keyId).digest('hex') as Fingerprint;
}
