/** What certificates, lists and requests have in common. */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { der, objectIdentifiers } from '@portcullis/contract';
import { extensionsIn, keyBitsIn } from './read-body.ts';
import { contextTag, DerReader, tags } from './read-der.ts';

const { sequence, set, objectIdentifier, octetString, boolean, utf8String, element } = der;
const commonNameIdentifier = objectIdentifier(objectIdentifiers.commonName);
const subjectKeyIdentifier = objectIdentifier('2.5.29.14');
const isCritical = boolean(true);
const nullValue = element(tags.null);

/** RFC 5280 appendix A: one common name, in DER. */
export function nameOf(commonName: string): Buffer {
  return sequence(set(sequence(commonNameIdentifier, utf8String(commonName))));
}

/** `id`: the object identifier in DER. RFC 5280 §4.1: what is not critical does not say so (X.690 §11.5). */
export function extension(id: Buffer, value: Uint8Array, critical = false): Buffer {
  return critical ? sequence(id, isCritical, octetString(value)) : sequence(id, octetString(value));
}

/** Of a signature, in DER: without parameters (RFC 5758 §3.2), but for RSA, whose are NULL (RFC 4055 §5). */
export function signatureAlgorithm(identifier: string): Buffer {
  const parameters = identifier === objectIdentifiers.sha256WithRsaEncryption ? [nullValue] : [];
  return sequence(objectIdentifier(identifier), ...parameters);
}

/** RFC 7093 §2 method 1: the leftmost 160 bits of the SHA-256 of the key's bits. `publicKey`: SubjectPublicKeyInfo in DER. */
export const keyIdentifier = (publicKey: Buffer): Buffer => bitsIdentifier(keyBitsIn(publicKey));

export const bitsIdentifier = (bits: Buffer): Buffer => createHash('sha256').update(bits).digest().subarray(0, 20);

/** RFC 5280 §4.2.1.6: four or sixteen bytes. */
export function addressBytes(host: string): Buffer {
  if (isIP(host) === 4) return Buffer.from(host.split('.').map(Number));
  // As the address is written in a URL: groups of hex digits, and at most one gap.
  const [head = '', tail] = new URL(`http://[${host}]`).hostname.slice(1, -1).split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const [first, last] = [groups(head), groups(tail ?? '')];
  const all = [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}

/** What a certificate says of its subject, whoever wrote it. */
export interface SubjectFacts {
  /** In DER, as it stands there. */
  name: Buffer;
  /** The bits of its key. */
  key: Buffer;
  /** As the certificate says it (RFC 5280 §4.2.1.2); undefined: it does not. */
  keyIdentifier: Buffer | undefined;
}

/** `certificate`: one that was checked, in DER. @throws {PortcullisError} `request_malformed` for what is none */
export function subjectOf(certificate: Buffer): SubjectFacts {
  const body = new DerReader(certificate).within(tags.sequence).within(tags.sequence);
  body.optional(contextTag(0));
  body.read(tags.integer);
  // The signature's algorithm, the issuer, the validity.
  for (let skipped = 0; skipped < 3; skipped++) body.read(tags.sequence);
  const name = body.whole(tags.sequence);
  const key = keyBitsIn(body.whole(tags.sequence));
  for (const uniqueIdentifier of [0x81, 0x82]) body.optional(uniqueIdentifier);
  const extensions = body.optional(contextTag(3));
  const said = extensions && extensionsIn(extensions).find(({ id }) => id.equals(subjectKeyIdentifier));
  return { name, key, keyIdentifier: said && new DerReader(said.value).read(tags.octets) };
}
