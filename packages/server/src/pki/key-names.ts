import { createHash } from 'node:crypto';
import type { Fingerprint } from '@portcullis/contract';

/** What a key credential is called wherever a certificate is by its fingerprint. No certificate has it: what is hashed is not DER. */
export function keyCredentialName(keyId: Uint8Array): Fingerprint {
  return createHash('sha256').update('oscore').update(keyId).digest('hex') as Fingerprint;
}

export const contextMarkBytes = 4;

/**
 * What the ID contexts begin with that a gate makes: the authority derives them for that gate alone, so that one gate's credential opens no
 * context of another.
 */
export function contextMark(gate: string): Buffer {
  return createHash('sha256').update('oscore gate').update(gate).digest().subarray(0, contextMarkBytes);
}
