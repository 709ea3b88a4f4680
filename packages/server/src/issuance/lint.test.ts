import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { KeyAlgorithm, type PortcullisError, Purpose } from '@portcullis/contract';
import { fileKeys, type Signer } from '../keys/keys.ts';
import { type CertificateFields, makeCertificate } from '../pki/pki.ts';
import { type Expected, lint } from './lint.ts';

const [hour, day] = [3_600_000, 86_400_000];
const now = Date.UTC(2026, 10, 28);
const directory = mkdtempSync(join(tmpdir(), 'portcullis-lint-'));
const keys = fileKeys(directory);
let issuer: Signer;
let device: Signer;
let other: Signer;

before(async () => {
  [issuer, device, other] = [await keys.create('issuer'), await keys.create('device'), await keys.create('other')];
});
after(() => rmSync(directory, { recursive: true, force: true }));

const addresses = {
  lists: ['http://pki.example/crl/issuer-device.crl'],
  answers: ['http://pki.example/ocsp'],
  issuers: ['http://pki.example/ca/issuer-device.cer'],
};

const permitted = (): Expected => ({
  serial: Buffer.alloc(16, 0x41),
  subject: 'truck-17',
  publicKey: device.publicKey,
  purpose: 'client',
  lifetimeMs: 30 * day,
  backdateMs: 3_600_000,
  notBefore: now - hour,
  notAfter: now + 30 * day,
  uri: 'urn:portcullis:fleet-1:device:truck-17',
  hosts: [],
  addresses: undefined,
  issuer: {
    ...{ name: 'fleet-1 device issuer', publicKey: issuer.publicKey, algorithm: issuer.algorithm },
    ...{ notBefore: now - 400 * day, notAfter: now + 3_000 * day },
  },
});

const fieldsOf = ({
  issuer: signer,
  uri,
  hosts,
  addresses: places,
  purpose,
  ...rest
}: Expected): CertificateFields => ({
  ...rest,
  ...{ issuer: signer.name, issuerPublicKey: signer.publicKey, purposes: [purpose], uris: [uri], hosts: [...hosts] },
  ...(places && { addresses: places }),
});

/** What is said of bytes that are made so where that was permitted, and how often anything was signed. */
async function judged(
  fields: Partial<CertificateFields>,
  wish: Partial<Expected> = {},
  broken: (body: Buffer) => Buffer = (body) => body,
): Promise<{ said: string; signed: number }> {
  const expected = { ...permitted(), ...wish };
  let signed = 0;
  const signer = {
    ...issuer,
    sign: (bytes: Uint8Array) => {
      signed++;
      return issuer.sign(bytes);
    },
  };
  try {
    await makeCertificate({ ...fieldsOf(expected), ...fields }, signer, (body) => lint(broken(body), expected));
    return { said: '', signed };
  } catch (error) {
    assert.equal((error as PortcullisError).code, 'certificate_refused', String(error));
    return { said: (error as Error).message, signed };
  }
}

const right: [what: string, wish: () => Partial<Expected>][] = [
  ['a device', () => ({})],
  ...Purpose.options.map((purpose): [string, () => Partial<Expected>] => [
    `the purpose ${purpose}`,
    () => ({ purpose }),
  ]),
  [
    'names and addresses',
    () => ({ purpose: 'server', hosts: ['gate.example', '127.0.0.1', '::1', '2001:db8::5:0:0:1'] }),
  ],
  ['addresses of lists and answers', () => ({ addresses })],
  [
    'the end of UTCTime',
    () => ({
      notAfter: Date.UTC(2049, 11, 31),
      lifetimeMs: 10_000 * day,
      issuer: { ...permitted().issuer, notAfter: Date.UTC(2060, 0, 1) },
    }),
  ],
  [
    'a time of GeneralizedTime',
    () => ({
      notAfter: Date.UTC(2050, 0, 1),
      lifetimeMs: 10_000 * day,
      issuer: { ...permitted().issuer, notAfter: Date.UTC(2060, 0, 1) },
    }),
  ],
];
for (const [what, wish] of right) {
  test(`signed: ${what}`, async () => {
    assert.deepEqual(await judged({}, wish()), { said: '', signed: 1 });
  });
}

for (const algorithm of KeyAlgorithm.options) {
  test(`signed: a key of ${algorithm}`, async () => {
    const { publicKey } = await keys.create(`device-${algorithm}`, algorithm);
    assert.deepEqual(await judged({}, { publicKey }), { said: '', signed: 1 });
  });
}

const wrong: [what: string, fields: () => Partial<CertificateFields>, words: RegExp, wish?: () => Partial<Expected>][] =
  [
    ['another serial', () => ({ serial: Buffer.alloc(16, 0x42) }), /serial is not the one/],
    ['a serial of 15 bytes', () => ({}), /not of 16 bytes/, () => ({ serial: Buffer.alloc(15, 0x41) })],
    ['another subject', () => ({ subject: 'truck-18' }), /subject is another/],
    ['another issuer', () => ({ issuer: 'fleet-2 device issuer' }), /issuer has another name/],
    ['another key', () => ({ publicKey: other.publicKey }), /key is not the one.*subjectKeyIdentifier/],
    ['the identifier of another issuer', () => ({ issuerPublicKey: other.publicKey }), /authorityKeyIdentifier/],
    ['another beginning', () => ({ notBefore: now }), /times are not/],
    ['a longer life', () => ({ notAfter: now + 31 * day }), /times are not/],
    ['a longer life than its profile has', () => ({}), /longer than its profile/, () => ({ notAfter: now + 31 * day })],
    [
      'a life after its issuer',
      () => ({}),
      /before its issuer is, or after it/,
      () => ({ issuer: { ...permitted().issuer, notAfter: now } }),
    ],
    ['no life', () => ({}), /for no time/, () => ({ notBefore: now + 30 * day })],
    ['a certificate of an authority', () => ({ authority: { pathLength: 0 } }), /basicConstraints.*keyUsage/],
    ['another purpose', () => ({ purposes: ['server'] }), /extKeyUsage/],
    ['one purpose more', () => ({ purposes: ['client', 'server'] }), /extKeyUsage/],
    ['no purpose', () => ({ purposes: [] }), /extKeyUsage/],
    ['another name', () => ({ uris: ['urn:portcullis:fleet-1:operator:truck-17'] }), /subjectAltName/],
    ['one name more', () => ({ hosts: ['gate.example'] }), /subjectAltName/],
    ['no name', () => ({ uris: [] }), /no subjectAltName/],
    ['an address that nobody permitted', () => ({ addresses }), /an extension that its profile does not/],
    [
      'another list',
      () => ({ addresses: { ...addresses, lists: ['http://other.example/'] } }),
      /cRLDistributionPoints/,
      () => ({ addresses }),
    ],
    ['no list', () => ({ addresses: { ...addresses, lists: [] } }), /no cRLDistributionPoints/, () => ({ addresses })],
    [
      'another responder',
      () => ({ addresses: { ...addresses, answers: [] } }),
      /authorityInfoAccess/,
      () => ({ addresses }),
    ],
    [
      'another algorithm',
      () => ({}),
      /algorithm is not that of its issuer/,
      () => ({ issuer: { ...permitted().issuer, algorithm: '1.2.840.10045.4.3.3' } }),
    ],
  ];
for (const [what, fields, words, wish] of wrong) {
  test(`not signed: ${what}`, async () => {
    const { said, signed } = await judged(fields(), wish?.());
    assert.match(said, words);
    assert.equal(signed, 0);
  });
}

test('not signed: bytes that are cut, or followed by others, or not DER', async () => {
  const cut = await judged({}, {}, (body) => body.subarray(0, -1));
  const more = await judged({}, {}, (body) => Buffer.concat([body, Buffer.of(0)]));
  const indefinite = await judged({}, {}, (body) =>
    Buffer.concat([Buffer.of(0x30, 0x80), body.subarray(4), Buffer.of(0, 0)]),
  );
  for (const { said, signed } of [cut, more, indefinite]) {
    assert.match(said, /not what RFC 5280 describes/);
    assert.equal(signed, 0);
  }
});

test('not signed: any one bit otherwise', async () => {
  let at = 0;
  for (const bit of [0x01, 0x80]) {
    for (let index = 0; index < 300; index += 7) {
      const { signed } = await judged({}, {}, (body) => {
        at = index % body.length;
        const changed = Buffer.from(body);
        changed[at] = (changed[at] as number) ^ bit;
        return changed;
      });
      assert.equal(signed, 0, `byte ${at}, bit ${bit}`);
    }
  }
});
