import { PortcullisError } from '@portcullis/contract';
import { contextTag, DerReader, tags } from './read-der.ts';

/** What names an issuer: its name and key, hashed by one of these (RFC 6960 §4.1.1). */
export type StatusHash = 'sha1' | 'sha256';

/** Of which certificate the status is asked. */
export interface CertificateId {
  /** As it came, in DER: an answer repeats it. */
  der: Buffer;
  /** Undefined: another one than those that are known here. */
  hash: StatusHash | undefined;
  issuerNameHash: Buffer;
  issuerKeyHash: Buffer;
  /** The bytes of the number, the first one first, without zeros before it. */
  serial: Buffer;
}

export interface StatusRequest {
  certificates: CertificateId[];
  /** The value of the nonce's extension as it came: an OCTET STRING in DER. */
  nonce: Buffer | undefined;
}

export const statusRequestBytesMax = 8_192;
export const certificatesAskedMax = 32;
/** RFC 9654 §2.1 */
const nonceBytes = { min: 1, max: 128 } as const;
/** RFC 5280 §4.1.2.2, and a byte for the sign. */
const serialBytesMax = 21;

const identifiers = {
  sha1: Buffer.from('2b0e03021a', 'hex'),
  sha256: Buffer.from('608648016503040201', 'hex'),
  nonce: Buffer.from('2b0601050507300102', 'hex'),
} as const;
const hashBytes = { sha1: 20, sha256: 32 } as const;

/**
 * An OCSPRequest in DER (RFC 6960 §4.1.1). Who asks, and a signature, are of no interest: they are read over.
 * @throws {PortcullisError} `request_malformed`
 */
export function parseStatusRequest(bytes: Buffer): StatusRequest {
  if (bytes.length > statusRequestBytesMax)
    throw malformed(`has ${bytes.length} bytes; at most ${statusRequestBytesMax} are allowed`);
  const outer = new DerReader(bytes);
  const request = outer.within(tags.sequence);
  outer.end();
  const asked = request.within(tags.sequence);
  const signature = request.optional(contextTag(0));
  signature?.read(tags.sequence);
  signature?.end();
  request.end();
  requireVersion1(asked.optional(contextTag(0)));
  if (asked.next === contextTag(1)) asked.read(contextTag(1));
  const certificates = certificatesIn(asked.within(tags.sequence));
  const extensions = asked.optional(contextTag(2));
  asked.end();
  return { certificates, nonce: extensions && nonceIn(extensions) };
}

function requireVersion1(version: DerReader | undefined): void {
  if (!version) return;
  const number = version.read(tags.integer);
  version.end();
  if (number.length !== 1 || number[0] !== 0) throw malformed('has another version than 1');
}

function certificatesIn(list: DerReader): CertificateId[] {
  const certificates: CertificateId[] = [];
  while (list.next !== undefined) {
    if (certificates.length === certificatesAskedMax)
      throw malformed(`asks about more than ${certificatesAskedMax} certificates`);
    const one = list.within(tags.sequence);
    certificates.push(certificateIdIn(one.whole(tags.sequence)));
    const extensions = one.optional(contextTag(0));
    if (extensions) for (const { critical } of extensionsIn(extensions)) if (critical) throw unknownExtension();
    one.end();
  }
  if (certificates.length === 0) throw malformed('asks about no certificate');
  return certificates;
}

function certificateIdIn(der: Buffer): CertificateId {
  const reader = new DerReader(der).within(tags.sequence);
  const algorithm = reader.within(tags.sequence);
  const identifier = algorithm.read(tags.objectIdentifier);
  const hash = (['sha1', 'sha256'] as const).find((name) => identifiers[name].equals(identifier));
  // Parameters are NULL or absent, both are in use (RFC 5754 §2).
  if (hash && algorithm.next === tags.null && algorithm.read(tags.null).length > 0)
    throw malformed('has a NULL with bytes');
  if (hash) algorithm.end();
  const issuerNameHash = reader.read(tags.octets);
  const issuerKeyHash = reader.read(tags.octets);
  const serial = serialIn(reader);
  reader.end();
  if (hash && (issuerNameHash.length !== hashBytes[hash] || issuerKeyHash.length !== hashBytes[hash]))
    throw malformed(`has a hash that has not the ${hashBytes[hash]} bytes of its algorithm`);
  return { der, hash, issuerNameHash, issuerKeyHash, serial };
}

function serialIn(reader: DerReader): Buffer {
  const number = reader.read(tags.integer);
  const [first = 0x80, second = 0x80] = number;
  if (number.length === 0 || number.length > serialBytesMax)
    throw malformed(`has a serial number of ${number.length} bytes; 1 to ${serialBytesMax} are allowed`);
  if (first >= 0x80) throw malformed('has a serial number that is negative');
  if (first === 0 && number.length > 1 && second < 0x80) throw malformed('has a serial number with a zero before it');
  return first === 0 ? number.subarray(1) : number;
}

interface ReadExtension {
  id: Buffer;
  critical: boolean;
  value: Buffer;
}

function extensionsIn(outer: DerReader): ReadExtension[] {
  const list = outer.within(tags.sequence);
  outer.end();
  const extensions: ReadExtension[] = [];
  while (list.next !== undefined) {
    const extension = list.within(tags.sequence);
    const id = extension.read(tags.objectIdentifier);
    const critical = extension.next === tags.boolean && requireTrue(extension.read(tags.boolean));
    const value = extension.read(tags.octets);
    extension.end();
    extensions.push({ id, critical, value });
  }
  return extensions;
}

/** DER leaves out what is false (X.690 §11.5), and of what is true all bits are set (§11.1). */
function requireTrue(value: Buffer): true {
  if (value.length !== 1 || value[0] !== 0xff) throw malformed('has a BOOLEAN that is not the one of DER');
  return true;
}

function nonceIn(extensions: DerReader): Buffer | undefined {
  let nonce: Buffer | undefined;
  for (const { id, critical, value } of extensionsIn(extensions)) {
    if (!identifiers.nonce.equals(id)) {
      if (critical) throw unknownExtension();
      continue;
    }
    if (nonce) throw malformed('has two nonces');
    nonce = requireNonce(value);
  }
  return nonce;
}

function requireNonce(value: Buffer): Buffer {
  const reader = new DerReader(value);
  const { length } = reader.read(tags.octets);
  reader.end();
  if (length >= nonceBytes.min && length <= nonceBytes.max) return value;
  throw malformed(`has a nonce of ${length} bytes; ${nonceBytes.min} to ${nonceBytes.max} are allowed`);
}

const unknownExtension = () => malformed('has an extension that is critical and not known');

function malformed(why: string): PortcullisError {
  return new PortcullisError('request_malformed', `the OCSP request ${why}`);
}
