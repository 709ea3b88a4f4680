/** Questions as RFC 6960 §4.1.1 writes them, also such as nobody should. */
import { der } from '@portcullis/contract';
import { type IssuerHashes, issuerHashes, type StatusHash } from '../src/pki/pki.ts';

const { sequence, objectIdentifier, octetString, integerOf, explicit, element } = der;
export const hashIdentifiers = { sha1: '1.3.14.3.2.26', sha256: '2.16.840.1.101.3.4.2.1' } as const;
const nonceIdentifier = '1.3.6.1.5.5.7.48.1.2';

interface Asked {
  serial: Uint8Array;
  hash?: StatusHash;
  /** NULL beside the hash's identifier. */
  parameters?: boolean;
}

export function certificateId(issuer: Buffer, { serial, hash = 'sha1', parameters = true }: Asked): Buffer {
  const { name, key } = issuerHashes(issuer)[hash] as IssuerHashes;
  const algorithm = sequence(objectIdentifier(hashIdentifiers[hash]), ...(parameters ? [element(0x05)] : []));
  return sequence(algorithm, octetString(name), octetString(key), integerOf(serial));
}

export const nonceExtension = (nonce: Uint8Array, critical: readonly Uint8Array[] = []) =>
  extension(nonceIdentifier, octetString(nonce), critical);

export const extension = (id: string, value: Uint8Array, critical: readonly Uint8Array[] = []) =>
  sequence(objectIdentifier(id), ...critical, octetString(value));

export function question(ids: readonly Uint8Array[], extensions: readonly Uint8Array[] = []): Buffer {
  const list = sequence(...ids.map((id) => sequence(id)));
  return sequence(sequence(list, ...(extensions.length > 0 ? [explicit(2, sequence(...extensions))] : [])));
}
