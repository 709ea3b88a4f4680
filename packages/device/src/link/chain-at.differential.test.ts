/** What is taken at a time that is known, OpenSSL would take at that time: every kind of certificate above every other, by a seeded choice. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { der, objectIdentifiers } from '@portcullis/contract';
import fc from 'fast-check';
import { temporaryDirectory } from '../../test/certificates.ts';
import { pemOf, type Signing, type WrittenExtension, written } from '../../test/written-certificate.ts';
import { complaintAt } from './chain-at.ts';

const { boolean, element, integer, objectIdentifier, octetString, sequence } = der;
const run = promisify(execFile);
const directory = temporaryDirectory();
const day = 86_400_000;
/** Far from today: no clock but the one that is told can be what decides. */
const at = Date.parse('2041-05-06T07:08:09Z');
const life = { from: at - 10 * day, until: at + 10 * day };

const pairOf = (name: string) => generateKeyPairSync('ec', { namedCurve: name });
const keys = {
  p256: pairOf('P-256'),
  p384: pairOf('P-384'),
  rsa: generateKeyPairSync('rsa', { modulusLength: 2_048 }),
  ed25519: generateKeyPairSync('ed25519'),
  'ml-dsa-65': generateKeyPairSync('ml-dsa-65'),
  'rsa of 1024': generateKeyPairSync('rsa', { modulusLength: 1_024 }),
  'ec of 192': pairOf('prime192v1'),
};
type KeyName = keyof typeof keys;

const { ecdsaWithSha256, ecdsaWithSha384, sha256WithRsaEncryption, ed25519 } = objectIdentifiers;
const withNull = (name: string) => sequence(objectIdentifier(name), element(0x05));
const without = (name: string) => sequence(objectIdentifier(name));
const signings: Record<string, [KeyName, Buffer, string | null]> = {
  'ecdsa-sha256': ['p256', without(ecdsaWithSha256), 'sha256'],
  'ecdsa-sha1': ['p256', without('1.2.840.10045.4.1'), 'sha1'],
  'ecdsa-sha384': ['p384', without(ecdsaWithSha384), 'sha384'],
  'rsa-sha256': ['rsa', withNull(sha256WithRsaEncryption), 'sha256'],
  'rsa-sha1': ['rsa', withNull('1.2.840.113549.1.1.5'), 'sha1'],
  ed25519: ['ed25519', without(ed25519), null],
  'ml-dsa-65': ['ml-dsa-65', without(objectIdentifiers.mlDsa65), null],
  'rsa of 1024': ['rsa of 1024', withNull(sha256WithRsaEncryption), 'sha256'],
};
/** Debian's OpenSSL 3.0 reads no ML-DSA. */
const forOpenssl = Object.keys(signings).filter((name) => !name.startsWith('ml-dsa'));
const signingBy = (name: string): Signing => {
  const [key, algorithm, digest] = signings[name] as [KeyName, Buffer, string | null];
  return { key: keys[key].privateKey, algorithm, digest };
};

const critical = true;
const constraints = (...parts: Buffer[]) => ({ name: '2.5.29.19', critical, value: sequence(...parts) });
const authority = constraints(boolean(true));
const pathOf = (length: number) => constraints(boolean(true), integer(length));
const none = constraints();
const usage = (...bits: number[]) => ({ name: '2.5.29.15', critical, value: element(0x03, Buffer.from(bits)) });
const signs = usage(1, 0x06);
const digital = usage(7, 0x80);
const purposes = (...names: string[]) => ({ name: '2.5.29.37', value: sequence(...names.map(objectIdentifier)) });
const serves = purposes(objectIdentifiers.serverAuth);
const names = { name: '2.5.29.17', value: sequence(element(0x82, Buffer.from('gate.example'))) };
const unknown = { name: '1.2.3.4', value: element(0x05) };
const dns = (name: string) => sequence(element(0x82, Buffer.from(name)));
const narrowed = (name: string) => ({ name: '2.5.29.30', critical, value: sequence(element(0xa0, dns(name))) });
/** nsCertType: a bit of SSL client, or SSL server. */
const netscape = (bit: number) => ({ name: '2.16.840.1.113730.1.1', value: element(0x03, Buffer.of(0, bit)) });
const proxied = { name: '1.3.6.1.5.5.7.1.14', value: sequence(sequence(objectIdentifier('1.3.6.1.5.5.7.21.1'))) };
/** All of 10/8 (RFC 3779 §2.2.3). */
const addresses = {
  name: '1.3.6.1.5.5.7.1.7',
  critical,
  value: sequence(sequence(octetString(Buffer.of(0, 1)), sequence(element(0x03, Buffer.of(0, 10))))),
};

interface Kind {
  extensions: readonly WrittenExtension[];
  life?: { from: number; until: number };
  /** As of the leaf. */
  key?: KeyName;
  version?: 1;
}
const leafs: Record<string, Kind> = {
  usual: { extensions: [none, digital, serves, names] },
  'unknown, not critical': { extensions: [none, digital, serves, unknown] },
  'unknown and critical': { extensions: [none, digital, serves, { ...unknown, critical }] },
  'names twice': { extensions: [none, digital, serves, names, names] },
  'for clients': { extensions: [none, digital, purposes(objectIdentifiers.clientAuth)] },
  'for anything': { extensions: [none, digital, purposes('2.5.29.37.0')] },
  'encipherment alone': { extensions: [none, usage(5, 0x20), serves] },
  'usage of no bits': { extensions: [none, usage(0), serves] },
  'an authority': { extensions: [authority, signs, serves] },
  'constraints that are none': { extensions: [{ ...none, value: element(0x05) }, digital, serves] },
  'netscape client': { extensions: [none, digital, serves, netscape(0x80)] },
  'netscape server': { extensions: [none, digital, serves, netscape(0x40)] },
  'a proxy': { extensions: [digital, serves, proxied] },
  'a proxy, critical': { extensions: [digital, serves, { ...proxied, critical }] },
  addresses: { extensions: [none, digital, serves, addresses] },
  'addresses, not critical': { extensions: [none, digital, serves, { ...addresses, critical: false }] },
  expired: { extensions: [none, digital, serves], life: { from: at - 2 * day, until: at - day } },
  'not begun': { extensions: [none, digital, serves], life: { from: at + day, until: at + 2 * day } },
  ed25519: { extensions: [none, digital, serves], key: 'ed25519' },
  rsa: { extensions: [none, digital, serves], key: 'rsa' },
  'rsa of 1024': { extensions: [none, digital, serves], key: 'rsa of 1024' },
  'ec of 192': { extensions: [none, digital, serves], key: 'ec of 192' },
  'version 1': { extensions: [], version: 1 },
};
const issuers: Record<string, Kind> = {
  usual: { extensions: [authority, signs] },
  'path of none': { extensions: [pathOf(0), signs] },
  'path of one': { extensions: [pathOf(1), signs] },
  'path of 300': { extensions: [pathOf(300), signs] },
  'path that is negative': { extensions: [constraints(boolean(true), element(0x02, Buffer.of(0xff))), signs] },
  'no authority': { extensions: [none, signs] },
  'says nothing': { extensions: [] },
  'version 1': { extensions: [], version: 1 },
  'may not sign': { extensions: [authority, digital] },
  'a bit of usage that does not count': { extensions: [authority, usage(7, 0x84)] },
  'for clients': { extensions: [authority, signs, purposes(objectIdentifiers.clientAuth)] },
  'for servers': { extensions: [authority, signs, serves] },
  'names that fit': { extensions: [authority, signs, narrowed('example')] },
  'names that do not': { extensions: [authority, signs, narrowed('other.example')] },
  'names, not critical': { extensions: [authority, signs, { ...narrowed('other.example'), critical: false }] },
  'netscape server, no authority': { extensions: [authority, signs, netscape(0x40)] },
  'constraints twice': { extensions: [authority, authority, signs] },
  'unknown and critical': { extensions: [authority, signs, { ...unknown, critical }] },
  'a proxy': { extensions: [authority, signs, proxied] },
  expired: { extensions: [authority, signs], life: { from: at - 2 * day, until: at - 1_000 } },
  'not begun': { extensions: [authority, signs], life: { from: at + 1_000, until: at + 2 * day } },
  'ends in a second': { extensions: [authority, signs], life: { from: at - day, until: at + 1_000 } },
};

interface Case {
  leaf: string;
  issuer: string;
  /** Another one between that and the root; of the same kinds. */
  second: string | undefined;
  root: string;
  signing: string;
}

function make(kinds: Record<string, Kind>, kind: string, name: string, issuer: string, key: KeyName, by: string) {
  const { extensions, version, life: own = life } = kinds[kind] as Kind;
  const { publicKey } = keys[key];
  const facts = { subject: name, issuer, publicKey, extensions, ...own, ...(version && { version }) };
  return written(facts, signingBy(by));
}

/** From the leaf up. */
function chainOf({ leaf, issuer, second, root, signing }: Case): Buffer[] {
  const [key = 'p256'] = signings[signing] ?? [];
  const usual = 'ecdsa-sha256';
  return [
    make(leafs, leaf, 'gate', 'issuer', leafs[leaf]?.key ?? 'p256', signing),
    make(issuers, issuer, 'issuer', second === undefined ? 'root' : 'second', key, usual),
    ...(second === undefined ? [] : [make(issuers, second, 'second', 'root', 'p256', usual)]),
    make(issuers, root, 'root', 'root', 'p256', usual),
  ];
}

const takenHere = (chain: readonly Buffer[]): string | undefined => {
  const certificates = chain.map((one) => {
    try {
      return new X509Certificate(one);
    } catch {
      return undefined;
    }
  });
  const read = certificates.filter((one) => one !== undefined);
  if (read.length < chain.length) return 'can not be read';
  // As the connector finds it: each signed by the next.
  const isOne = read.every((one, index) => {
    const above = read[index + 1] ?? one;
    return one.checkIssued(above) && one.verify(above.publicKey);
  });
  return isOne ? complaintAt(read, { from: at, until: at }) : 'not by the one above it';
};

let made = 0;
async function takenByOpenssl(chain: readonly Buffer[]): Promise<string | undefined> {
  const file = join(directory, `${made++}`);
  const [leaf, ...above] = chain.map(pemOf) as [string, ...string[]];
  writeFileSync(`${file}.leaf`, leaf);
  writeFileSync(`${file}.root`, above.at(-1) as string);
  writeFileSync(`${file}.between`, above.slice(0, -1).join(''));
  const trust = ['-no-CApath', '-no-CAstore', '-CAfile', `${file}.root`, '-untrusted', `${file}.between`];
  const judged = ['-attime', `${at / 1_000}`, '-purpose', 'sslserver', '-auth_level', '2'];
  return run('openssl', ['verify', ...trust, ...judged, `${file}.leaf`]).then(
    () => undefined,
    (error: { stderr: string }) => error.stderr,
  );
}

/** Chains of usual certificates but for one, which both take. */
const both: Partial<Case>[] = [
  {},
  { second: 'usual' },
  { issuer: 'path of none' },
  { issuer: 'for servers' },
  { issuer: 'ends in a second' },
  { second: 'path of one' },
  { root: 'path of one' },
  { leaf: 'unknown, not critical' },
  ...['ed25519', 'rsa'].map((leaf) => ({ leaf })),
  ...['ecdsa-sha384', 'rsa-sha256', 'ed25519'].map((signing) => ({ signing })),
];
const usualCase: Case = { leaf: 'usual', issuer: 'usual', second: undefined, root: 'usual', signing: 'ecdsa-sha256' };

test('usual chains of each algorithm are taken at a known time, here and by OpenSSL', async () => {
  for (const one of both) {
    const chain = chainOf({ ...usualCase, ...one });
    assert.deepEqual([takenHere(chain), await takenByOpenssl(chain)], [undefined, undefined], JSON.stringify(one));
  }
});

test('ML-DSA alone and mixed with others is taken, and refused for what others are refused for', () => {
  for (const [one, isTaken] of [
    [{ signing: 'ml-dsa-65' }, true],
    [{ signing: 'ml-dsa-65', leaf: 'ed25519', second: 'usual' }, true],
    [{ signing: 'ml-dsa-65', leaf: 'expired' }, false],
    [{ signing: 'ml-dsa-65', leaf: 'for clients' }, false],
    [{ signing: 'ml-dsa-65', issuer: 'may not sign' }, false],
    [{ signing: 'ml-dsa-65', second: 'path of none' }, false],
  ] as const) {
    assert.equal(takenHere(chainOf({ ...usualCase, ...one })) === undefined, isTaken, JSON.stringify(one));
  }
});

async function requireNoLooser(one: Case): Promise<void> {
  const chain = chainOf(one);
  if (takenHere(chain) !== undefined) return;
  assert.equal(await takenByOpenssl(chain), undefined, `taken here, and not by OpenSSL: ${JSON.stringify(one)}`);
}

test('one certificate of each kind in an else usual chain: nothing is taken here that OpenSSL refuses', async () => {
  const odd: Partial<Case>[] = [
    ...Object.keys(leafs).map((leaf) => ({ leaf })),
    ...Object.keys(issuers).flatMap((issuer) => [{ issuer }, { second: issuer }, { root: issuer }]),
    ...forOpenssl.map((signing) => ({ signing })),
  ];
  for (const one of odd) await requireNoLooser({ ...usualCase, ...one });
});

test('any certificate above any other, by a seeded choice: nothing is taken here that OpenSSL refuses', async () => {
  const kindOf = (kinds: object) => fc.oneof(fc.constant('usual'), fc.constantFrom(...Object.keys(kinds)));
  const cases = fc.record({
    leaf: kindOf(leafs),
    issuer: kindOf(issuers),
    second: fc.option(kindOf(issuers), { nil: undefined }),
    root: kindOf(issuers),
    signing: fc.constantFrom('ecdsa-sha256', ...forOpenssl),
  });
  await fc.assert(fc.asyncProperty(cases, requireNoLooser), { numRuns: 400, seed: 20_261_128 });
});
