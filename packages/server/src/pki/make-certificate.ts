import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { der, objectIdentifiers, type Purpose } from '@portcullis/contract';
import { addressBytes, extension, keyIdentifier, nameOf, signatureAlgorithm, subjectOf } from './certificate-parts.ts';

const { sequence, integer, integerOf, boolean, objectIdentifier, octetString, element, explicit, time, bitString } =
  der;

/** What signs: the algorithm's identifier and the act. */
export interface SignatureMaker {
  /** Object identifier of the signature algorithm; its parameters are absent (RFC 5758 §3.2), but for RSA, whose are NULL (RFC 4055 §5). */
  readonly algorithm: string;
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

export interface CertificateFields {
  /** 16 bytes; made positive by clearing the first bit (RFC 5280 §4.1.2.2). */
  serial: Uint8Array;
  issuer: string;
  issuerPublicKey: Buffer;
  /** The issuer's certificate in DER, where another maker wrote it: its name and its key's identifier are taken from there as they are. */
  issuerCertificate?: Buffer;
  subject: string;
  /** SubjectPublicKeyInfo in DER. */
  publicKey: Buffer;
  notBefore: number;
  notAfter: number;
  /** Of a certificate authority: how many more may follow below it. */
  authority?: { pathLength: number };
  purposes?: Purpose[];
  uris?: string[];
  /** DNS names and addresses. */
  hosts?: string[];
  /** Where whoever verifies finds its issuer's list (RFC 5280 §4.2.1.13), answers about it, and its issuer's certificate (§4.2.2.1). */
  addresses?: { lists: string[]; answers: string[]; issuers: string[] };
}

const version3 = explicit(0, integer(2));
const nullValue = element(0x05);

/** The certificate in DER, signed (RFC 5280 §4.1). `check` sees what would be signed, and may throw: then nothing is. */
export async function makeCertificate(
  fields: CertificateFields,
  signer: SignatureMaker,
  check: (body: Buffer) => void = () => undefined,
): Promise<Buffer> {
  const algorithm = signatureAlgorithm(signer.algorithm);
  const issuer = fields.issuerCertificate && subjectOf(fields.issuerCertificate);
  const body = sequence(
    version3,
    integerOf(fields.serial),
    algorithm,
    issuer?.name ?? nameOf(fields.issuer),
    sequence(time(fields.notBefore), time(fields.notAfter)),
    nameOf(fields.subject),
    fields.publicKey,
    explicit(3, sequence(...extensionsOf(fields, issuer?.keyIdentifier ?? keyIdentifier(fields.issuerPublicKey)))),
  );
  check(body);
  return sequence(body, algorithm, bitString(await signer.sign(body)));
}

/** RFC 5280 §4.2.1 and §4.2.2. */
const identifiers = {
  subjectKey: objectIdentifier('2.5.29.14'),
  keyUsage: objectIdentifier('2.5.29.15'),
  alternativeName: objectIdentifier('2.5.29.17'),
  basicConstraints: objectIdentifier('2.5.29.19'),
  distributionPoints: objectIdentifier('2.5.29.31'),
  authorityKey: objectIdentifier('2.5.29.35'),
  extendedUsage: objectIdentifier('2.5.29.37'),
  authorityAccess: objectIdentifier('1.3.6.1.5.5.7.1.1'),
  answers: objectIdentifier('1.3.6.1.5.5.7.48.1'),
  issuers: objectIdentifier('1.3.6.1.5.5.7.48.2'),
};

/** Nobody asks about whoever answers (RFC 6960 §4.2.2.2.1); its value is NULL. */
const noCheck = extension(objectIdentifier(objectIdentifiers.ocspNoCheck), nullValue);
const leafConstraints = extension(identifiers.basicConstraints, sequence(), true);
/** Named bits, without the zeros at their end (X.690 §11.2.2): digitalSignature; keyCertSign and cRLSign (RFC 5280 §4.2.1.3). */
const leafUsage = extension(identifiers.keyUsage, element(0x03, Buffer.of(7, 0x80)), true);
const authorityUsage = extension(identifiers.keyUsage, element(0x03, Buffer.of(1, 0x06)), true);

/**
 * Of publication RFC 9336, and with it the one that `openssl cms -verify` demands when it is told nothing: by that alone it takes no other
 * certificate of the fleet.
 */
const usages = {
  client: [objectIdentifiers.clientAuth],
  server: [objectIdentifiers.serverAuth],
  publication: [objectIdentifiers.documentSigning, objectIdentifiers.emailProtection],
  label: [objectIdentifiers.documentSigning],
  ocsp: [objectIdentifiers.ocspSigning],
} as const satisfies Record<Purpose, readonly string[]>;

const usagesOf = (purpose: Purpose) => usages[purpose].map(objectIdentifier);

function extensionsOf(
  { authority, publicKey, purposes, uris = [], hosts = [], addresses }: CertificateFields,
  issuerKey: Buffer,
): Buffer[] {
  const names = [...uris.map(uriName), ...hosts.map(hostName)];
  const constraints = authority && sequence(boolean(true), integer(authority.pathLength));
  return [
    constraints ? extension(identifiers.basicConstraints, constraints, true) : leafConstraints,
    authority ? authorityUsage : leafUsage,
    extension(identifiers.subjectKey, octetString(keyIdentifier(publicKey))),
    extension(identifiers.authorityKey, sequence(element(0x80, issuerKey))),
    ...(purposes ? [extension(identifiers.extendedUsage, sequence(...purposes.flatMap(usagesOf)))] : []),
    ...(purposes?.includes('ocsp') ? [noCheck] : []),
    ...(names.length > 0 ? [extension(identifiers.alternativeName, sequence(...names))] : []),
    ...(addresses ? addressesOf(addresses) : []),
  ];
}

function addressesOf({ lists, answers, issuers }: NonNullable<CertificateFields['addresses']>): Buffer[] {
  const point = (address: string) => sequence(explicit(0, explicit(0, uriName(address))));
  const access = (method: Buffer) => (address: string) => sequence(method, uriName(address));
  const accesses = [...answers.map(access(identifiers.answers)), ...issuers.map(access(identifiers.issuers))];
  return [
    ...(lists.length > 0 ? [extension(identifiers.distributionPoints, sequence(...lists.map(point)))] : []),
    ...(accesses.length > 0 ? [extension(identifiers.authorityAccess, sequence(...accesses))] : []),
  ];
}

/** GeneralNames (RFC 5280 §4.2.1.6). */
const uriName = (uri: string) => element(0x86, ia5(uri));
const hostName = (host: string) => (isIP(host) === 0 ? element(0x82, ia5(host)) : element(0x87, addressBytes(host)));

/** Whoever asks for a name has it checked before. */
function ia5(text: string): Buffer {
  const bytes = Buffer.from(text);
  assert(
    bytes.every((byte) => byte < 0x80),
    `a name of a certificate is ASCII, which "${text}" is not`,
  );
  return bytes;
}
