/**
 * The last look before the signature: whether the bytes that would be signed say what was permitted, no more and no less. They were written with
 * one library; what they must be is written here with another hand, and the two are compared byte by byte.
 */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { der, objectIdentifiers, PortcullisError, type Purpose } from '@portcullis/contract';
import { type BodyExtension, type CertificateFields, keyBitsIn, readBody } from '../pki/pki.ts';
import { backdateMs } from './profiles.ts';

/** What was permitted, and by whom it would be signed. Times are milliseconds since 1970. */
export interface Expected {
  serial: Buffer;
  subject: string;
  publicKey: Buffer;
  purpose: Purpose;
  /** Of the profile. */
  lifetimeMs: number;
  notBefore: number;
  notAfter: number;
  uri: string;
  hosts: readonly string[];
  addresses: CertificateFields['addresses'];
  issuer: { name: string; publicKey: Buffer; algorithm: string; notBefore: number; notAfter: number };
}

const { sequence, set, objectIdentifier, octetString, element, time, utf8String } = der;

/** Signs nothing where it throws. @throws {PortcullisError} `certificate_refused` with all that is wrong */
export function lint(bytes: Buffer, expected: Expected): void {
  const complaints = complaintsOf(bytes, expected);
  if (complaints.length === 0) return;
  const who = `of "${expected.subject}"`;
  throw new PortcullisError('certificate_refused', `the certificate ${who} is not signed: ${complaints.join('; ')}`);
}

function complaintsOf(bytes: Buffer, expected: Expected): string[] {
  let body: ReturnType<typeof readBody>;
  try {
    body = readBody(bytes);
  } catch (error) {
    return [`it is not what RFC 5280 describes: ${(error as Error).message}`];
  }
  const { serial, subject, publicKey, notBefore, notAfter, lifetimeMs, issuer } = expected;
  const holds: Record<string, boolean> = {
    'its version is not 3': body.version === 3,
    'its serial is not the one that was stored': body.serial.equals(serial),
    'its serial is not positive, or not of 16 bytes': serial.length === 16 && ((serial[0] ?? 0) & 0xc0) === 0x40,
    'its algorithm is not that of its issuer, without parameters': body.signature.equals(
      sequence(objectIdentifier(issuer.algorithm)),
    ),
    'its issuer has another name': body.issuer.equals(nameOf(issuer.name)),
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

/** RFC 5280 appendix A: one common name. */
const nameOf = (commonName: string) =>
  sequence(set(sequence(objectIdentifier(objectIdentifiers.commonName), utf8String(commonName))));

/** Each that belongs there once, as it belongs there, and no other. */
function extensionComplaints(found: readonly BodyExtension[], expected: Expected): string[] {
  const wanted = extensionsOf(expected);
  const known = wanted.flatMap(({ name, id, critical, value }) => {
    const [one, ...more] = found.filter((extension) => extension.id.equals(objectIdentifier(id)));
    if (!one) return [`it has no ${name}`];
    if (more.length > 0) return [`it has ${name} twice`];
    if (one.critical !== critical) return [`its ${name} is ${critical ? 'not ' : ''}critical`];
    return one.value.equals(value) ? [] : [`its ${name} is another one than its profile has`];
  });
  const unknown = found.filter(({ id }) => !wanted.some((one) => id.equals(objectIdentifier(one.id))));
  return [
    ...known,
    ...unknown.map(({ id }) => `it has an extension that its profile does not (${id.toString('hex')})`),
  ];
}

interface Wanted {
  name: string;
  id: string;
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
  const wanted = (name: string, id: string, value: Buffer, critical = false): Wanted => ({ name, id, critical, value });
  const usage = sequence(...usages[purpose].map((one) => objectIdentifier(one)));
  return [
    wanted('basicConstraints', '2.5.29.19', sequence(), true),
    wanted('keyUsage', '2.5.29.15', digitalSignature, true),
    wanted('subjectKeyIdentifier', '2.5.29.14', octetString(keyIdentifier(publicKey))),
    wanted('authorityKeyIdentifier', '2.5.29.35', sequence(element(0x80, keyIdentifier(issuer.publicKey)))),
    wanted('extKeyUsage', '2.5.29.37', usage),
    wanted('subjectAltName', '2.5.29.17', sequence(uriName(uri), ...hosts.map(hostName))),
    ...(purpose === 'ocsp' ? [wanted('ocsp-nocheck', objectIdentifiers.ocspNoCheck, Buffer.of(0x05, 0))] : []),
    ...(lists.length > 0 ? [wanted('cRLDistributionPoints', '2.5.29.31', sequence(...lists.map(point)))] : []),
    ...(answers.length + issuers.length > 0
      ? [
          wanted(
            'authorityInfoAccess',
            '1.3.6.1.5.5.7.1.1',
            sequence(
              ...answers.map((url) => access('1.3.6.1.5.5.7.48.1', url)),
              ...issuers.map((url) => access('1.3.6.1.5.5.7.48.2', url)),
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

/** RFC 5280 §4.2.1.6: four or sixteen bytes. */
function addressBytes(host: string): Buffer {
  if (isIP(host) === 4) return Buffer.from(host.split('.').map(Number));
  // As the address is written in a URL: groups of hex digits, and at most one gap.
  const [head = '', tail] = new URL(`http://[${host}]`).hostname.slice(1, -1).split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const [first, last] = [groups(head), groups(tail ?? '')];
  const all = [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}

const point = (url: string) => sequence(element(0xa0, element(0xa0, uriName(url))));
const access = (method: string, url: string) => sequence(objectIdentifier(method), uriName(url));

/** RFC 7093 §2 method 1. */
const keyIdentifier = (publicKey: Buffer) => createHash('sha256').update(keyBitsIn(publicKey)).digest().subarray(0, 20);
