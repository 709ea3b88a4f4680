import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { AsnConvert } from '@peculiar/asn1-schema';
import { CertificateList } from '@peculiar/asn1-x509';
import { KeyAlgorithm } from '@portcullis/contract';
import { fileKeys, type Signer } from '../keys/keys.ts';
import { makeCertificate, makeList, toPem } from './pki.ts';

const [now, hour] = [Date.UTC(2026, 10, 28, 12), 3_600_000];

/** An authority's own, which is what names it on its lists. */
function certificateOf(signer: Signer): Promise<Buffer> {
  const { publicKey } = signer;
  const own = { issuer: 'fleet-1 issuer', issuerPublicKey: publicKey, subject: 'fleet-1 issuer', publicKey };
  const validity = { notBefore: now - hour, notAfter: now + 1_000 * hour };
  const fields = { ...own, ...validity, authority: { pathLength: 0 }, serial: Buffer.alloc(16, 0x41) };
  return makeCertificate(fields, signer);
}

/** What OpenSSL reads of it. */
function read(...parameters: string[]): string {
  const { stdout, stderr, status } = spawnSync('openssl', parameters, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return `${stdout}${stderr}`;
}

test('OpenSSL reads a list as it was made, and finds it signed by its issuer', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-list-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const signer = await fileKeys(directory).create('issuer');
  const issuerCertificate = await certificateOf(signer);
  writeFileSync(join(directory, 'ca.pem'), toPem('CERTIFICATE', issuerCertificate));
  const entries = [
    { serial: Buffer.from('40000000000000000000000000000001', 'hex'), revokedAt: now - hour + 499 },
    { serial: Buffer.from('7fffffffffffffffffffffffffffffff', 'hex'), revokedAt: Date.UTC(2050, 0, 1) },
  ];
  for (const [number, some] of [
    [1, []],
    [300, entries],
  ] as const) {
    const file = join(directory, `${number}.crl`);
    const times = { thisUpdate: now - 300_000, nextUpdate: now + 24 * hour };
    writeFileSync(file, await makeList({ issuerCertificate, ...times, number, entries: some }, signer));
    const text = read('crl', '-inform', 'DER', '-in', file, '-noout', '-text', '-CAfile', join(directory, 'ca.pem'));
    assert.match(text, /verify OK/);
    assert.match(text, /Version 2/);
    assert.match(text, /Last Update: Nov 28 11:55:00 2026 GMT/);
    assert.match(text, /Next Update: Nov 29 12:00:00 2026 GMT/);
    assert.match(text, /Authority Key Identifier/);
    assert.match(text, number === 1 ? /CRL Number: \s+1\s.*No Revoked Certificates/s : /CRL Number: \s+300\s/);
    assert.doesNotMatch(text, /CRL entry extensions|Issuing Distribution Point/);
    for (const { serial } of some) assert.ok(text.includes(`Serial Number: ${serial.toString('hex').toUpperCase()}`));
    if (some.length > 0)
      assert.match(text, /Revocation Date: Nov 28 11:00:00 2026 GMT\s.*Revocation Date: Jan {2}1 00:00:00 2050 GMT/s);
  }
});

for (const algorithm of KeyAlgorithm.options) {
  test(`a list is signed with ${algorithm}`, async (context) => {
    const directory = mkdtempSync(join(tmpdir(), 'portcullis-list-'));
    context.after(() => rmSync(directory, { recursive: true, force: true }));
    const signer = await fileKeys(directory).create('issuer', algorithm);
    const times = { thisUpdate: now, nextUpdate: now + hour };
    const issuerCertificate = await certificateOf(signer);
    const list = await makeList({ issuerCertificate, number: 1, ...times, entries: [] }, signer);
    assert.ok(list.length > 100);
  });
}

test('the library that reads lists finds in one of a thousand what was put in, to the last bit', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-list-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const signer = await fileKeys(directory).create('issuer');
  const serials = Array.from({ length: 1_000 }, () => randomBytes(16));
  const entries = serials.map((serial, index) => ({ serial, revokedAt: now + index * 1_000 }));
  const times = { thisUpdate: now, nextUpdate: now + hour };
  const issuerCertificate = await certificateOf(signer);
  const list = await makeList({ issuerCertificate, number: 2 ** 40, ...times, entries }, signer);
  const { tbsCertList } = AsnConvert.parse(list, CertificateList);
  const bytesOf = (value: ArrayBuffer) => Buffer.from(value).toString('hex');
  assert.deepEqual(
    tbsCertList.revokedCertificates?.map(({ userCertificate, revocationDate }) => [
      BigInt(`0x${bytesOf(userCertificate)}`),
      revocationDate.getTime().getTime(),
    ]),
    entries.map(({ serial, revokedAt }) => [BigInt(`0x${serial.toString('hex')}`), revokedAt]),
  );
  assert.ok(Buffer.from(AsnConvert.serialize(AsnConvert.parse(list, CertificateList))).equals(list));
});

test('a list of 150 000 is made, and others have their turns meanwhile', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-list-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const signer = await fileKeys(directory).create('issuer');
  const count = 150_000;
  const entries = Array.from({ length: count }, (_, index) => {
    const serial = Buffer.alloc(16, 0x41);
    serial.writeUInt32BE(index, 12);
    return { serial, revokedAt: now };
  });
  const issuerCertificate = await certificateOf(signer);
  let turns = 0;
  let over = false;
  context.after(() => {
    over = true;
  });
  const turn = () => {
    turns++;
    if (!over) setImmediate(turn);
  };
  setImmediate(turn);
  const times = { thisUpdate: now, nextUpdate: now + hour };
  const list = await makeList({ issuerCertificate, number: 1, ...times, entries }, signer);
  over = true;
  assert.ok(turns > 50, `${turns} turns`);
  const file = join(directory, 'long.crl');
  writeFileSync(file, list);
  assert.match(read('crl', '-inform', 'DER', '-in', file, '-noout', '-crlnumber'), /0x0?1/);
  assert.equal(list.toString('latin1').split('A'.repeat(12)).length - 1, count);
});
