/**
 * The last look before the signature: whether the bytes that would be signed say what was permitted, no more and no less. They were written by
 * `pki`; what they must be is written here with another hand, and the two are compared byte by byte. What both write it with is held against a
 * library and OpenSSL by the tests of `pki`.
 */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { der, objectIdentifiers, PortcullisError, type Purpose } from '@portcullis/contract';
import { addressBytes, type BodyExtension, type CertificateFields, keyBitsIn, readBody } from '../pki/pki.ts';

/** What was permitted, and by whom it would be signed. Times are milliseconds since 1970. */
export interface Expected {
  serial: Buffer;
  subject: string;
  publicKey: Buffer;
  purpose: Purpose;
  /** Of the profile. */
  lifetimeMs: number;
  backdateMs: number;
  notBefore: number;
  notAfter: number;
  uri: string;
  hosts: readonly string[];
  addresses: CertificateFields['addresses'];
  issuer: {
    name: string;
    publicKey: Buffer;
    algorithm: string;
    notBefore: number;
    notAfter: number;
    /** Where another maker may have written its certificate: its name in DER, and its key's identifier, as they stand there. */
    written?: { name: Buffer; keyIdentifier: Buffer | undefined };
  };
}

const { sequence, set, objectIdentifier, octetString, element, time, utf8String } = der;

/** Signs nothing where it throws. @throws {PortcullisError} `certificate_refused` with all that is wrong */
export function lint(bytes: Buffer, expected: Expected): void {
  const complaints = complaintsOf(bytes, expected);
  if (complaints.length === 0) return;
  const who = `of "${expected.subject}"`;
  throw new PortcullisError('certificate_refused', `the certificate ${who} is not signed: ${complaints.join('; ')}`);
}

const identifiers = {
  basicConstraints: objectIdentifier('2.5.29.19'),
  keyUsage: objectIdentifier('2.5.29.15'),
  subjectKeyIdentifier: objectIdentifier('2.5.29.14'),
  authorityKeyIdentifier: objectIdentifier('2.5.29.35'),
  extKeyUsage: objectIdentifier('2.5.29.37'),
  subjectAltName: objectIdentifier('2.5.29.17'),
  'ocsp-nocheck': objectIdentifier(objectIdentifiers.ocspNoCheck),
  cRLDistributionPoints: objectIdentifier('2.5.29.31'),
  authorityInfoAccess: objectIdentifier('1.3.6.1.5.5.7.1.1'),
};
type Name = keyof typeof identifiers;
const commonName = objectIdentifier(objectIdentifiers.commonName);
const [answersMethod, issuersMethod] = ['1.3.6.1.5.5.7.48.1', '1.3.6.1.5.5.7.48.2'].map(objectIdentifier) as [
  Buffer,
  Buffer,
];

function complaintsOf(bytes: Buffer, expected: Expected): string[] {
  let body: ReturnType<typeof readBody>;
  try {
    body = readBody(bytes);
  } catch (error) {
    return [`it is not what RFC 5280 describes: ${(error as Error).message}`];
  }
  const { serial, subject, publicKey, notBefore, notAfter, lifetimeMs, backdateMs, issuer } = expected;
  const holds: Record<string, boolean> = {
    'its version is not 3': body.version === 3,
    'its serial is not the one that was stored': body.serial.equals(serial),
    'its serial is not positive, or not of 16 bytes': serial.length === 16 && ((serial[0] ?? 0) & 0xc0) === 0x40,
    'its algorithm is not that of its issuer, in the one form that it has': body.signature.equals(
      sequence(objectIdentifier(issuer.algorithm), ...parametersOf(issuer.algorithm)),
    ),
    'its issuer has another name': body.issuer.equals(issuer.written?.name ?? nameOf(issuer.name)),
    'its subject is another one': body.subject.equals(nameOf(subject)),
    'its key is not the one that was asked for': body.publicKey.equals(publicKey),
    'its times are not the ones that were chosen, in the form of RFC 5280':
      body.notBefore.equals(time(notBefore)) && body.notAfter.equals(time(notAfter)),
    'it is valid before its issuer is, or after it': notBefore >= issuer.notBefore && notAfter <= issuer.notAfter,
    'it is valid for no time, or longer than its profile allows':
      notBefore < notAfter && notAfter - notBefore <= lifetimeMs + backdateMs,
  };
  const wrong = Object.entries(holds).flatMap(([complaint, isRight]) => (isRight ? [] : [complaint]));
  return [...wrong, ...extensionComplaints(body.extensions, expected)];
}

/** None, but for RSA, which has NULL (RFC 4055 §5). */
const parametersOf = (algorithm: string) =>
  algorithm === objectIdentifiers.sha256WithRsaEncryption ? [Buffer.of(0x05, 0)] : [];

/** RFC 5280 appendix A: one common name. */
const nameOf = (name: string) => sequence(set(sequence(commonName, utf8String(name))));

/** Each that belongs there once, as it belongs there, and no other. */
function extensionComplaints(found: readonly BodyExtension[], expected: Expected): string[] {
  const wanted = extensionsOf(expected);
  const known = wanted.flatMap(({ name, critical, value }) => {
    const [one, ...more] = found.filter(({ id }) => id.equals(identifiers[name]));
    if (!one) return [`it has no ${name}`];
    if (more.length > 0) return [`it has ${name} twice`];
    if (one.critical !== critical) return [`its ${name} is ${critical ? 'not ' : ''}critical`];
    return one.value.equals(value) ? [] : [`its ${name} is another one than its profile has`];
  });
  const unknown = found.filter(({ id }) => !wanted.some(({ name }) => id.equals(identifiers[name])));
  return [
    ...known,
    ...unknown.map(({ id }) => `it has an extension that its profile does not (${id.toString('hex')})`),
  ];
}

interface Wanted {
  name: Name;
  critical: boolean;
  value: Buffer;
}

const usages: Record<Purpose, readonly string[]> = {
  client: [objectIdentifiers.clientAuth],
  server: [objectIdentifiers.serverAuth],
  publication: [objectIdentifiers.documentSigning, objectIdentifiers.emailProtection],
  label: [objectIdentifiers.documentSigning],
  ocsp: [objectIdentifiers.ocspSigning],
};

const digitalSignature = Buffer.of(0x03, 0x02, 0x07, 0x80);

/** RFC 5280 §4.2. */
function extensionsOf({ publicKey, purpose, uri, hosts, addresses, issuer }: Expected): Wanted[] {
  const { lists = [], answers = [], issuers = [] } = addresses ?? {};
  const wanted = (name: Name, value: Buffer, critical = false): Wanted => ({ name, critical, value });
  const usage = sequence(...usages[purpose].map(objectIdentifier));
  return [
    wanted('basicConstraints', sequence(), true),
    wanted('keyUsage', digitalSignature, true),
    wanted('subjectKeyIdentifier', octetString(keyIdentifier(publicKey))),
    wanted(
      'authorityKeyIdentifier',
      sequence(element(0x80, issuer.written?.keyIdentifier ?? keyIdentifier(issuer.publicKey))),
    ),
    wanted('extKeyUsage', usage),
    wanted('subjectAltName', sequence(uriName(uri), ...hosts.map(hostName))),
    ...(purpose === 'ocsp' ? [wanted('ocsp-nocheck', Buffer.of(0x05, 0))] : []),
    ...(lists.length > 0 ? [wanted('cRLDistributionPoints', sequence(...lists.map(point)))] : []),
    ...(answers.length + issuers.length > 0
      ? [
          wanted(
            'authorityInfoAccess',
            sequence(
              ...answers.map((url) => access(answersMethod, url)),
              ...issuers.map((url) => access(issuersMethod, url)),
            ),
          ),
        ]
      : []),
  ];
}

const uriName = (uri: string) => element(0x86, Buffer.from(uri));

function hostName(host: string): Buffer {
  return isIP(host) === 0 ? element(0x82, Buffer.from(host)) : element(0x87, addressBytes(host));
}

const point = (url: string) => sequence(element(0xa0, element(0xa0, uriName(url))));
const access = (method: Buffer, url: string) => sequence(method, uriName(url));

/** RFC 7093 §2 method 1. */
const keyIdentifier = (publicKey: Buffer) => createHash('sha256').update(keyBitsIn(publicKey)).digest().subarray(0, 20);
