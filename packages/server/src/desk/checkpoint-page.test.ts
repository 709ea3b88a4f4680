import assert from 'node:assert/strict';
import { createPublicKey, KeyObject, verify, type webcrypto } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import {
  DeskConfirmationRequest,
  DeskEnrolmentRequest,
  DeskNonceRequest,
  DeskRenewalRequest,
  type ProvenEnrolmentRequest,
  proofBytes,
} from '@portcullis/contract';
import { compactVerify } from 'jose';
import { parseRequest } from '../pki/pki.ts';
import { CheckpointPage, pageFiles } from './checkpoint-page.ts';

const folder = join(import.meta.dirname, '../../checkpoint-page');
interface Credential {
  subject: string;
  kind: string;
  thumbprint: string;
  unconfirmed?: true;
  key: CryptoKeyPair;
}
type CryptoKeyPair = webcrypto.CryptoKeyPair;
interface Modules {
  linkIn(fragment: string): { subject: string; secret: string } | undefined;
  makeKey(): Promise<CryptoKeyPair>;
  renew(credential: Credential, key: CryptoKeyPair): Promise<Credential>;
  confirm(credential: Credential): Promise<Credential>;
  enrol(link: { subject: string; secret: string }, key: CryptoKeyPair): Promise<Credential>;
  signed(credential: Credential, type: string, payload: object): Promise<string>;
  certificationRequest(key: CryptoKeyPair, subject: string): Promise<Uint8Array>;
  named(text: string): { shipment?: string; code?: string } | undefined;
}
/** A browser's modules, run here: WebCrypto and fetch are the same. */
const load = async (name: string) => (await import(pathToFileURL(join(folder, name)).href)) as Modules;
const { linkIn, makeKey, enrol, renew, confirm, signed } = await load('credential.js');
const { certificationRequest } = await load('request.js');
const { named } = await load('scanned.js');

const asked = (url: string, method = 'GET', headers = {}) => ({ url, method, headers }) as IncomingMessage;
const secret = Buffer.alloc(32, 7).toString('base64url');

test('the request that a browser makes is one that the authority takes, whatever its numbers begin with', async () => {
  for (let round = 0; round < 40; round++) {
    const key = await makeKey();
    const { publicKey } = parseRequest(await certificationRequest(key, 'customs-fr'));
    assert.deepEqual(publicKey, Buffer.from(await crypto.subtle.exportKey('spki', key.publicKey)));
  }
});

test('the key of a phone can not be taken out of it', async () => {
  const { privateKey } = await makeKey();
  await assert.rejects(crypto.subtle.exportKey('pkcs8', privateKey), { name: 'InvalidAccessError' });
});

test('a browser enrols by the proof of a link, and what it signs then names its certificate', async (t) => {
  const der = Buffer.from('a certificate');
  const issued = {
    ...{ subject: 'customs-fr', kind: 'checkpoint', notAfter: '2026-12-27T00:00:00.000Z' },
    certificate: `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`,
  };
  let sent: ProvenEnrolmentRequest | undefined;
  t.mock.method(globalThis, 'fetch', async (path: string, { body }: { body: string }) => {
    assert.equal(path, '/v1/enrolments');
    sent = DeskEnrolmentRequest.parse(JSON.parse(body));
    return Response.json({ payload: Buffer.from(JSON.stringify(issued)).toString('base64') });
  });
  const link = linkIn(`#customs-fr.${secret}`);
  assert.ok(link);
  const credential = await enrol(link, await makeKey());
  assert.ok(sent);
  const about = await digest(Buffer.from(sent.request, 'base64'), 'hex');
  const proofKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: sent.proofKey }, format: 'jwk' });
  const bytes = proofBytes({ purpose: 'enrolment', challenge: sent.challenge, about });
  assert.ok(verify(null, bytes, proofKey, Buffer.from(sent.signature, 'base64')));
  assert.doesNotMatch(JSON.stringify(sent), new RegExp(secret));

  const jws = await signed(credential, 'portcullis-arrival+jwt', { shipment: 'load-7', note: 'ü' });
  const { payload, protectedHeader } = await compactVerify(jws, credential.key.publicKey);
  assert.deepEqual(JSON.parse(Buffer.from(payload).toString()), { shipment: 'load-7', note: 'ü' });
  const thumbprint = await digest(der, 'base64url');
  assert.deepEqual(protectedHeader, { alg: 'ES256', typ: 'portcullis-arrival+jwt', 'x5t#S256': thumbprint });
});

const digest = async (bytes: Buffer, encoding: BufferEncoding) =>
  Buffer.from(await crypto.subtle.digest('SHA-256', new Uint8Array(bytes))).toString(encoding);

test('a telephone renews by the key that it has, and confirms by the next one', async (t) => {
  const nonce = 'n'.repeat(43);
  const pemOf = (name: string) =>
    `-----BEGIN CERTIFICATE-----\n${Buffer.from(name).toString('base64')}\n-----END CERTIFICATE-----\n`;
  const [before, next] = [await makeKey(), await makeKey()];
  const asked: string[] = [];
  t.mock.method(globalThis, 'fetch', async (path: string, { body }: { body: string }) => {
    asked.push(path);
    if (path === '/v1/renewals/nonce')
      return Response.json({ nonce: DeskNonceRequest.parse(JSON.parse(body)) && nonce });
    const isRenewal = path === '/v1/renewals';
    const sent = (isRenewal ? DeskRenewalRequest : DeskConfirmationRequest).parse(JSON.parse(body));
    const { publicKey } = isRenewal ? before : next;
    const about = 'request' in sent ? Buffer.from(String(sent.request), 'base64') : Buffer.from('next');
    assert.equal(sent.certificate, pemOf(isRenewal ? 'before' : 'next'));
    const purpose = isRenewal ? 'renewal' : 'confirmation';
    const bytes = proofBytes({ purpose, challenge: sent.challenge, about: await digest(about, 'hex') }, nonce);
    assert.ok(verify('sha256', bytes, KeyObject.from(publicKey), Buffer.from(sent.signature, 'base64')), purpose);
    const issued = isRenewal ? { subject: 'customs-fr', kind: 'checkpoint', certificate: pemOf('next') } : {};
    return Response.json({ payload: Buffer.from(JSON.stringify(issued)).toString('base64') });
  });
  const held = { subject: 'customs-fr', kind: 'checkpoint', certificate: pemOf('before'), thumbprint: '', key: before };
  const renewed = await renew(held, next);
  assert.equal(renewed.unconfirmed, true);
  const confirmed = await confirm(renewed);
  assert.deepEqual(
    [confirmed.unconfirmed, confirmed.thumbprint],
    [undefined, await digest(Buffer.from('next'), 'base64url')],
  );
  assert.deepEqual(asked, ['/v1/renewals/nonce', '/v1/renewals', '/v1/renewals/nonce', '/v1/renewals/confirmation']);
});

test('a link is a subject and a secret behind the #, and nothing else', () => {
  assert.deepEqual(linkIn(`#a.b-1.${secret}`), { subject: 'a.b-1', secret });
  for (const wrong of [
    '',
    '#',
    '#customs',
    `#${secret}`,
    `#Customs.${secret}`,
    `#customs.${secret}x`,
    `customs.${secret}`,
  ])
    assert.equal(linkIn(wrong), undefined, wrong);
});

test('what is scanned or typed names a shipment, a code, or nothing', () => {
  const code = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
  const statement = `x.${Buffer.from('{"sub":"load-7"}').toString('base64url')}.y`;
  for (const [text, expected] of [
    [`HTTPS://SCAN.EXAMPLE/v/${code}#load-7`, { code, shipment: 'load-7' }],
    [`https://scan.example/v/${code}`, { code }],
    [`https://scan.example/v/${code}#<b>`, { code }],
    [`https://scan.example/00/106141412345678908?code=${code}`, { code }],
    [statement, { shipment: 'load-7' }],
    [' oi234567-89abcdef ghjkmnpq rstvwxyz ', { code: `01${code.slice(2)}` }],
    ['Load-7', { shipment: 'load-7' }],
    ['https://scan.example/', undefined],
    ['https://[', undefined],
    ['a.b.c', { shipment: 'a.b.c' }],
    ['javascript:alert(1)', undefined],
    ['', undefined],
    ['x'.repeat(100_000), undefined],
  ] as const)
    assert.deepEqual(named(text), expected, text.slice(0, 60));
});

test('the page may run what this desk serves, and nothing else; a file that is there already is not sent again', () => {
  const page = new CheckpointPage();
  const { status, headers, body } = page.answer(asked('/checkpoint'));
  assert.equal(status, 200);
  assert.match(String(headers['content-security-policy']), /^default-src 'none'; script-src 'self';/);
  assert.equal(headers['referrer-policy'], 'no-referrer');
  assert.doesNotMatch(String(body), /<script(?![^>]* src="\/checkpoint\/)|\son[a-z]+=|style=/);
  const again = page.answer(asked('/checkpoint', 'GET', { 'if-none-match': headers.etag }));
  assert.deepEqual([again.status, String(again.body)], [304, '']);
  assert.equal(page.answer(asked('/checkpoint/worker.js')).headers['service-worker-allowed'], '/checkpoint');
  assert.throws(() => page.answer(asked('/checkpoint/../secret')), { code: 'route_unknown' });
  assert.throws(() => page.answer(asked('/checkpoint', 'POST')), { code: 'method_not_allowed' });
  assert.ok(!page.takes('/checkpoints'));
});

test('each file of the page is served, and kept for when there is no network', () => {
  const there = readdirSync(folder).filter((name) => name !== 'index.html');
  assert.deepEqual(there.toSorted(), [...pageFiles].toSorted());
  const kept = [...readFileSync(join(folder, 'worker.js'), 'utf8').matchAll(/'([a-z-]+\.(?:js|css))'/g)].map(
    ([, name]) => name,
  );
  assert.deepEqual(kept.toSorted(), [...pageFiles.filter((name) => name !== 'worker.js'), 'jsqr.js'].toSorted());
});
