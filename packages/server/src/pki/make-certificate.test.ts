/** The certificates that are written here, beside the same ones of @peculiar/asn1-x509, and as OpenSSL reads them and writes them again. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { test } from 'node:test';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import * as x509 from '@peculiar/asn1-x509';
import { objectIdentifiers, Purpose } from '@portcullis/contract';
import fc from 'fast-check';
import { keyIdentifier } from './certificate-parts.ts';
import { type CertificateFields, makeCertificate, requireDer } from './pki.ts';

const spki = { type: 'spki', format: 'der' } as const;
const keys: [Buffer, ...Buffer[]] = [
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export(spki),
  generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export(spki),
  generateKeyPairSync('ed25519').publicKey.export(spki),
  generateKeyPairSync('rsa', { modulusLength: 2_048 }).publicKey.export(spki),
  generateKeyPairSync('ml-dsa-65').publicKey.export(spki),
];

const text = (alphabet: string, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...alphabet), minLength: 1, maxLength });
const word = text('abcxyz019-', 40);
const uri = word.map((name) => `urn:portcullis:fleet-1:device:${name}`);
const url = word.map((name) => `http://pki.example:8086/${name}`);
const host = fc.oneof(
  word.map((name) => `a${name.replaceAll('-', 'a')}.example`),
  fc.ipV4(),
  // Of one that ends as IPv4 does, the library writes other bytes.
  fc.ipV6().filter((address) => isIP(address) === 6 && !address.includes('.')),
);
const key = fc.constantFrom(...keys);
const many = <T>(one: fc.Arbitrary<T>) => fc.array(one, { maxLength: 3 });
const algorithms = [
  objectIdentifiers.ecdsaWithSha256,
  objectIdentifiers.sha256WithRsaEncryption,
  objectIdentifiers.mlDsa65,
];
const moment = fc.integer({ min: 0, max: Date.UTC(2120, 0, 1) / 1_000 }).map((seconds) => seconds * 1_000);

const anyFields: fc.Arbitrary<CertificateFields> = fc.record(
  {
    serial: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => {
      const serial = Buffer.from(bytes);
      serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
      return serial;
    }),
    issuer: fc.oneof(word, fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 })),
    issuerPublicKey: key,
    subject: fc.oneof(word, fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 })),
    publicKey: key,
    notBefore: moment,
    notAfter: moment,
    authority: fc.record({ pathLength: fc.integer({ min: 0, max: 70_000 }) }),
    purposes: fc.uniqueArray(fc.constantFrom(...Purpose.options), { minLength: 1, maxLength: 3 }),
    uris: many(uri),
    hosts: many(host),
    addresses: fc.record({ lists: many(url), answers: many(url), issuers: many(url) }),
  },
  { requiredKeys: ['serial', 'issuer', 'issuerPublicKey', 'subject', 'publicKey', 'notBefore', 'notAfter'] },
);

const usages: Record<Purpose, string[]> = {
  client: [objectIdentifiers.clientAuth],
  server: [objectIdentifiers.serverAuth],
  publication: [objectIdentifiers.documentSigning, objectIdentifiers.emailProtection],
  label: [objectIdentifiers.documentSigning],
  ocsp: [objectIdentifiers.ocspSigning],
};

function theirs(fields: CertificateFields, algorithm: string): Buffer {
  const isRsa = algorithm === objectIdentifiers.sha256WithRsaEncryption;
  const body = new x509.TBSCertificate({
    version: x509.Version.v3,
    serialNumber: new Uint8Array(fields.serial).buffer,
    signature: new x509.AlgorithmIdentifier({ algorithm, ...(isRsa && { parameters: null }) }),
    issuer: nameOf(fields.issuer),
    validity: new x509.Validity({ notBefore: new Date(fields.notBefore), notAfter: new Date(fields.notAfter) }),
    subject: nameOf(fields.subject),
    subjectPublicKeyInfo: AsnConvert.parse(fields.publicKey, x509.SubjectPublicKeyInfo),
    extensions: new x509.Extensions(extensionsOf(fields)),
  });
  return Buffer.from(AsnConvert.serialize(body));
}

function nameOf(commonName: string): x509.Name {
  const value = new x509.AttributeValue({ utf8String: commonName });
  const one = new x509.AttributeTypeAndValue({ type: objectIdentifiers.commonName, value });
  return new x509.Name([new x509.RelativeDistinguishedName([one])]);
}

function extensionsOf(fields: CertificateFields): x509.Extension[] {
  const { authority, purposes, uris = [], hosts = [], addresses } = fields;
  const link = (address: string) => new x509.GeneralName({ uniformResourceIdentifier: address });
  const names = [
    ...uris.map(link),
    ...hosts.map((name) => new x509.GeneralName(isIP(name) ? { iPAddress: name } : { dNSName: name })),
  ];
  const { keyCertSign, cRLSign, digitalSignature } = x509.KeyUsageFlags;
  const point = (address: string) =>
    new x509.DistributionPoint({ distributionPoint: new x509.DistributionPointName({ fullName: [link(address)] }) });
  const access = (accessMethod: string) => (address: string) =>
    new x509.AccessDescription({ accessMethod, accessLocation: link(address) });
  const { lists = [], answers = [], issuers = [] } = addresses ?? {};
  const accesses = [...answers.map(access(x509.id_ad_ocsp)), ...issuers.map(access(x509.id_ad_caIssuers))];
  const bits = (publicKey: Buffer) => new Uint8Array(keyIdentifier(publicKey)).buffer;
  const issuerKey = new x509.KeyIdentifier(bits(fields.issuerPublicKey));
  const constraints = authority ? { cA: true, pathLenConstraint: authority.pathLength } : { cA: false };
  return [
    extension(x509.id_ce_basicConstraints, new x509.BasicConstraints(constraints), true),
    extension(x509.id_ce_keyUsage, new x509.KeyUsage(authority ? keyCertSign | cRLSign : digitalSignature), true),
    extension(x509.id_ce_subjectKeyIdentifier, new x509.SubjectKeyIdentifier(bits(fields.publicKey))),
    extension(x509.id_ce_authorityKeyIdentifier, new x509.AuthorityKeyIdentifier({ keyIdentifier: issuerKey })),
    ...(purposes
      ? [extension(x509.id_ce_extKeyUsage, new x509.ExtendedKeyUsage(purposes.flatMap((one) => usages[one])))]
      : []),
    ...(purposes?.includes('ocsp') ? [noCheck] : []),
    ...(names.length > 0 ? [extension(x509.id_ce_subjectAltName, new x509.SubjectAlternativeName(names))] : []),
    ...(lists.length > 0
      ? [extension(x509.id_ce_cRLDistributionPoints, new x509.CRLDistributionPoints(lists.map(point)))]
      : []),
    ...(accesses.length > 0
      ? [extension(x509.id_pe_authorityInfoAccess, new x509.AuthorityInfoAccessSyntax(accesses))]
      : []),
  ];
}

function extension(extnID: string, value: object, critical = false): x509.Extension {
  return new x509.Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

const noCheck = new x509.Extension({
  extnID: objectIdentifiers.ocspNoCheck,
  critical: false,
  extnValue: new OctetString(Uint8Array.of(0x05, 0)),
});

async function ours(fields: CertificateFields, algorithm: string) {
  let body: Buffer | undefined;
  const certificate = await makeCertificate(fields, { algorithm, sign: async () => Buffer.alloc(70, 0x5a) }, (some) => {
    body = some;
  });
  return { certificate, body: body as Buffer };
}

test('what is signed is byte for byte what the library writes', async () => {
  await fc.assert(
    fc.asyncProperty(anyFields, fc.constantFrom(...algorithms), async (fields, algorithm) => {
      const { certificate, body } = await ours(fields, algorithm);
      assert.equal(body.toString('hex'), theirs(fields, algorithm).toString('hex'));
      const read = AsnConvert.parse(certificate, x509.Certificate);
      assert.ok(Buffer.from(AsnConvert.serialize(read)).equals(certificate));
    }),
    { seed: 11, numRuns: 250 },
  );
});

test('OpenSSL reads of each one what was asked for', async () => {
  for (const fields of fc.sample(anyFields, { seed: 12, numRuns: 150 })) {
    const { certificate } = await ours({ ...fields, subject: 'truck-17' }, objectIdentifiers.ecdsaWithSha256);
    requireDer(certificate);
    const read = new X509Certificate(certificate);
    assert.ok(read.raw.equals(certificate));
    const { serial, notBefore, notAfter, authority, uris = [], hosts = [], addresses, publicKey } = fields;
    assert.equal(read.serialNumber.toLowerCase(), Buffer.from(serial).toString('hex'));
    assert.deepEqual([Date.parse(read.validFrom), Date.parse(read.validTo)], [notBefore, notAfter]);
    assert.equal(read.subject, 'CN=truck-17');
    assert.equal(read.ca, authority !== undefined);
    assert.ok(read.publicKey.export(spki).equals(publicKey));
    for (const name of hosts) assert.ok(isIP(name) ? read.checkIP(name) : read.checkHost(name), name);
    const names = [...(read.subjectAltName ?? '').matchAll(/URI:([^,]+)/g)].map(([, name]) => name);
    assert.deepEqual(names, uris);
    const { answers = [], issuers = [] } = addresses ?? {};
    const places = [...answers.map((one) => `OCSP - URI:${one}`), ...issuers.map((one) => `CA Issuers - URI:${one}`)];
    assert.deepEqual((read.infoAccess ?? '').split('\n').filter(Boolean), places);
  }
});

test('an address of IPv6 that ends as one of IPv4 does is written whole', async () => {
  const [publicKey] = keys;
  const validity = { notBefore: 0, notAfter: 1_000 };
  const own = { serial: Buffer.alloc(16, 0x41), issuer: 'x', issuerPublicKey: publicKey, subject: 'y', publicKey };
  const { certificate } = await ours({ ...own, ...validity, hosts: ['::ffff:192.0.2.1'] }, '1.2.840.10045.4.3.2');
  assert.equal(new X509Certificate(certificate).subjectAltName, 'IP Address:0:0:0:0:0:FFFF:C000:201');
});

test('the name and the key identifier of an issuer that another maker wrote are taken as they are', async () => {
  const [publicKey] = keys;
  const validity = { notBefore: 0, notAfter: 1_000 };
  const own = { serial: Buffer.alloc(16, 0x41), issuerPublicKey: publicKey, publicKey, ...validity };
  const authority = new x509.Certificate({
    tbsCertificate: AsnConvert.parse(theirs({ ...own, issuer: 'x', subject: 'x' }, '1.2.3'), x509.TBSCertificate),
    signatureAlgorithm: new x509.AlgorithmIdentifier({ algorithm: '1.2.3' }),
    signatureValue: new ArrayBuffer(8),
  });
  const part = (type: string, value: x509.AttributeValue) =>
    new x509.RelativeDistinguishedName([new x509.AttributeTypeAndValue({ type, value })]);
  const subject = new x509.Name([
    part(objectIdentifiers.organizationName, new x509.AttributeValue({ printableString: 'Maker' })),
    part(objectIdentifiers.commonName, new x509.AttributeValue({ printableString: 'Root 1' })),
  ]);
  authority.tbsCertificate.subject = subject;
  const [identifier] = authority.tbsCertificate.extensions?.splice(2, 1) ?? [];
  const made = async () => {
    const issuerCertificate = Buffer.from(AsnConvert.serialize(authority));
    const fields = { ...own, issuer: 'not this', subject: 'y', issuerCertificate };
    return AsnConvert.parse((await ours(fields, algorithms[0] as string)).body, x509.TBSCertificate);
  };
  const identifierIn = ({ extensions = [] }: { extensions?: x509.Extension[] }) => {
    const [, , , found] = extensions;
    assert.ok(found);
    const { keyIdentifier: said } = AsnConvert.parse(found.extnValue.buffer, x509.AuthorityKeyIdentifier);
    assert.ok(said);
    return Buffer.from(said.buffer).toString('hex');
  };
  const without = await made();
  assert.deepEqual(AsnConvert.serialize(without.issuer), AsnConvert.serialize(subject));
  assert.equal(identifierIn(without), keyIdentifier(publicKey).toString('hex'));
  const other = new OctetString(Uint8Array.of(0x04, 3, 7, 8, 9));
  authority.tbsCertificate.extensions?.push(
    new x509.Extension({ extnID: identifier?.extnID as string, critical: false, extnValue: other }),
  );
  assert.equal(identifierIn(await made()), '070809');
});

test('a name that is not ASCII is never written', async () => {
  const [publicKey] = keys;
  const fields = { issuer: 'x', issuerPublicKey: publicKey, subject: 'y', publicKey, notBefore: 0, notAfter: 1_000 };
  await assert.rejects(
    ours({ ...fields, serial: Buffer.alloc(16, 0x41), hosts: ['gäte.example'] }, '1.2.3'),
    /is ASCII, which "gäte/,
  );
});
