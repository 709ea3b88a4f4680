import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { ApprovalRequest } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { estFleet, leafIn, operator, vouched } from '../../../test/est-fleet.ts';
import { requestWith, skip } from '../../../test/openssl-requests.ts';
import { fingerprintOf } from '../../pki/pki.ts';

const [minute, day] = [60_000, 86_400_000];

/** A device that enrolled by EST. */
async function device(context: TestContext) {
  const fleet = await estFleet(context);
  const held = await fleet.enrolled('truck-1');
  fleet.clock.now += 2 * day;
  return { ...fleet, held };
}

test('the same request gets the same certificate, in DER, in base64 and in base64 with line breaks', async (context) => {
  const { ask, token } = await estFleet(context);
  const basic = { user: 'truck-1', password: await token('truck-1') };
  const request = makeRequest(makeKey(), 'whatever');
  const base64 = request.toString('base64');
  const broken = base64.replaceAll(/.{64}/g, '$&\r\n');
  const answers = [];
  for (const body of [request, base64, broken, `${base64}\n`]) answers.push(await ask('enrol', body, { basic }));
  const [first] = answers;
  for (const answer of answers) assert.deepEqual(answer, first);
  const leaf = new X509Certificate(leafIn(first as never));
  assert.match(leaf.subjectAltName ?? '', /^URI:spiffe:\/\/fleet-1\/device\/truck-1$/);
});

test('an answer is one line of base64 with its end, so short that openssl base64 -d reads it', {
  skip,
}, async (context) => {
  const { ask, token } = await estFleet(context);
  const basic = { user: 'truck-1', password: await token('truck-1') };
  const answer = await ask('enrol', makeRequest(makeKey(), 'truck-1'), { basic });
  assert.ok(answer.state === 'issued');
  assert.match(answer.body, /^[A-Za-z0-9+/]+={0,2}\n$/);
  assert.ok(answer.body.length <= 1024);
  const der = execFileSync('openssl', ['base64', '-d'], { input: answer.body });
  const printed = execFileSync('openssl', ['pkcs7', '-inform', 'DER', '-print_certs'], { input: der });
  assert.deepEqual(new X509Certificate(printed).raw, leafIn(answer));
});

test('a body that is no request is refused by what is wrong with it, and nothing is issued', async (context) => {
  const { ask, token, store } = await estFleet(context);
  const basic = { user: 'truck-1', password: await token('truck-1') };
  const request = makeRequest(makeKey(), 'truck-1');
  const base64 = request.toString('base64');
  for (const [body, code] of [
    ['', 'request_malformed'],
    [`-----BEGIN CERTIFICATE REQUEST-----\n${base64}\n-----END CERTIFICATE REQUEST-----`, 'request_malformed'],
    [`${base64}!`, 'request_malformed'],
    [base64.slice(0, -1), 'request_malformed'],
    [Buffer.concat([request, Buffer.of(0)]), 'request_malformed'],
    [request.subarray(0, -1), 'request_malformed'],
    [Buffer.from('3080020100', 'hex'), 'request_malformed'],
    [Buffer.concat([Buffer.from('30847fffffff', 'hex'), request]), 'request_malformed'],
    [Buffer.alloc(16_000, 0x30), 'request_malformed'],
    [requestOf('rsa1024'), 'key_refused'],
    [requestOf('secp256k1'), 'key_refused'],
    [tampered(request), 'request_signature_invalid'],
  ] as const) {
    if (body === undefined) continue;
    await assert.rejects(ask('enrol', body, { basic }), { code }, `${String(body).slice(0, 40)}`);
  }
  const { length } = await store.read((db) => db.selectFrom('certificates').select('fingerprint').execute());
  assert.equal(length, 0);
});

const requestOf = (algorithm: string) => (skip ? undefined : requestWith({ algorithm }));

/** Signed by its key, but for something else. */
function tampered(request: Buffer): Buffer {
  const other = Buffer.from(request);
  const at = other.indexOf('truck-1');
  other[at] = 'u'.charCodeAt(0);
  return other;
}

test('a token is for its own subject, by EST only where it says so, and not beyond its end', async (context) => {
  const { ask, token, clock } = await estFleet(context);
  const request = makeRequest(makeKey(), 'truck-1');
  const refused = { code: 'token_refused' };
  const password = await token('truck-1');
  await assert.rejects(ask('enrol', request, { basic: { user: 'truck-2', password } }), refused);
  await assert.rejects(ask('enrol', request, { basic: { user: 'truck-1', password: 'x' } }), refused);
  const plain = await token('truck-3', {});
  await assert.rejects(ask('enrol', request, { basic: { user: 'truck-3', password: plain } }), refused);
  clock.now += 61 * minute;
  await assert.rejects(ask('enrol', request, { basic: { user: 'truck-1', password } }), refused);
  await assert.rejects(token('gate-2', { kind: 'gate', est: true }), { code: 'request_malformed' });
});

test('names that a request asks for are not given', { skip }, async (context) => {
  const { ask, token } = await estFleet(context);
  const basic = { user: 'truck-1', password: await token('truck-1') };
  const extensions = ['subjectAltName=URI:spiffe://fleet-1/operator/boss,DNS:localhost', 'basicConstraints=CA:true'];
  const request = requestWith({ subject: '/CN=operator-1', extensions });
  const leaf = new X509Certificate(leafIn(await ask('enrol', request, { basic })));
  assert.equal(leaf.subjectAltName, 'URI:spiffe://fleet-1/device/truck-1');
  assert.equal(leaf.subject, 'CN=truck-1');
  assert.equal(leaf.ca, false);
});

test('a certificate for the same key is given at once, and its first use by EST supersedes the one before', async (context) => {
  const { renew, standingOf, held, clock } = await device(context);
  const request = makeRequest(held.key, 'truck-1');
  const second = { key: held.key, der: leafIn(await renew(held, request)) };
  assert.notDeepEqual(second.der, held.der);
  assert.deepEqual(leafIn(await renew(held, request)), second.der, 'a lost answer is asked for again');
  assert.deepEqual([await standingOf(held), await standingOf(second)], ['valid', 'valid']);
  clock.now += 2 * day;
  const third = { key: held.key, der: leafIn(await renew(second, request)) };
  assert.deepEqual([await standingOf(held), await standingOf(second)], ['superseded', 'valid']);
  assert.notDeepEqual(third.der, second.der, 'the same bytes ask anew by a newer certificate');
});

test('a certificate that nobody used is given again in the first half of its life, and then another', async (context) => {
  const { renew, standingOf, held, clock } = await device(context);
  const request = makeRequest(held.key, 'truck-1');
  const second = { key: held.key, der: leafIn(await renew(held, request)) };
  clock.now += 14 * day;
  assert.deepEqual(leafIn(await renew(held, request)), second.der, 'a lost answer is asked for again');
  clock.now += 2 * day;
  const third = { key: held.key, der: leafIn(await renew(held, request)) };
  const left = Date.parse(new X509Certificate(third.der).validTo) - clock.now;
  assert.ok(left > 29 * day, `${left / day} days`);
  assert.deepEqual([await standingOf(held), await standingOf(second)], ['valid', 'superseded']);
  assert.deepEqual(leafIn(await renew(held, request)), third.der, 'and that one again');
});

test('a reading that a gate admitted by the new certificate supersedes the one before, once, and of EST alone', async (context) => {
  const { renew, standingOf, held, enrolment, journal, revocation, store, clock } = await device(context);
  const gate = { actor: 'gate-1' };
  const used = (...certificates: string[]) => enrolment.used(gate, { certificates } as never);
  const request = makeRequest(held.key, 'truck-1');
  const second = { key: held.key, der: leafIn(await renew(held, request)) };
  const [first, next] = [fingerprintOf(held.der), fingerprintOf(second.der)];
  assert.equal(await used(first, 'f'.repeat(64)), 0, 'an older one, and one that is not known, say nothing');
  assert.deepEqual([await standingOf(held), await standingOf(second)], ['valid', 'valid']);
  assert.equal(await used(next), 1);
  assert.deepEqual([await standingOf(held), await standingOf(second)], ['superseded', 'valid']);
  const { revision } = journal.head();
  assert.equal(await used(next, first), 0, 'what is told again changes nothing');
  assert.equal(journal.head().revision, revision);
  assert.deepEqual(leafIn(await renew(held, request)), second.der, 'a lost answer is still asked for again');
  clock.now += 2 * day;
  const third = { key: held.key, der: leafIn(await renew(second, makeRequest(held.key, 'truck-1'))) };
  const last = fingerprintOf(third.der);
  await revocation.change(operator, { action: 'suspend', subjects: ['truck-1'] } as never);
  assert.equal(await used(last), 0, 'nothing that is held is confirmed');
  await revocation.change(operator, { action: 'resume', subjects: ['truck-1'] } as never);
  await store.change((db) => db.deleteFrom('estSubjects').execute());
  assert.equal(await used(last), 0, 'who does not speak EST confirms for himself');
});

test('a certificate for another key is given at once where the present key signed for it', {
  skip,
}, async (context) => {
  const { renew, held } = await device(context);
  const key = makeKey();
  const request = requestWith({ key, challengePassword: vouched(held, key) });
  const der = leafIn(await renew(held, request));
  assert.deepEqual(new X509Certificate(der).publicKey.export(spki), createPublicKey(key).export(spki));
});
const spki = { type: 'spki', format: 'der' } as const;

test('a desk that has only the word of a handshake gets no certificate for a key of its own', {
  skip,
}, async (context) => {
  const { renew, held, enrolled, store } = await device(context);
  const other = await enrolled('truck-2');
  const another = makeKey();
  for (const wordOf of [
    () => vouched(held, another),
    (key: string) => vouched({ ...other, der: held.der }, key),
    () => 'x',
    () => undefined,
  ]) {
    const key = makeKey();
    const challengePassword = wordOf(key);
    const request = requestWith({ key, ...(challengePassword !== undefined && { challengePassword }) });
    assert.deepEqual(await renew(held, request), { state: 'pending', isNew: true });
    assert.deepEqual(await renew(held, request), { state: 'pending', isNew: false });
  }
  const { length } = await store.read((db) => db.selectFrom('certificates').select('fingerprint').execute());
  assert.equal(length, 2);
});

/** As `subject pending` shows it. */
function keyIn(key: string): string {
  return createHash('sha256').update(createPublicKey(key).export(spki)).digest('hex');
}

test('what waits is answered once its key is approved, also where the request was signed again', async (context) => {
  const { renew, held, est } = await device(context);
  const key = makeKey();
  const request = makeRequest(key, 'truck-1');
  assert.deepEqual(await renew(held, request), { state: 'pending', isNew: true });
  assert.deepEqual(await renew(held, makeRequest(key, 'truck-1')), { state: 'pending', isNew: false });
  const { items } = await est.listPending({ limit: 10 });
  assert.deepEqual(
    items.map(({ subject, what, factory, key: asked }) => ({ subject, what, factory, asked })),
    [{ subject: 'truck-1', what: 'renewal', factory: null, asked: keyIn(key) }],
  );
  const approval = { subjects: ['truck-1'] as never, key: keyIn(key) };
  assert.equal((await est.approve(operator, { ...approval, dryRun: true })).changed, 1);
  await est.approve(operator, approval);
  const der = leafIn(await renew(held, request));
  assert.deepEqual(new X509Certificate(der).publicKey.export(spki), createPublicKey(key).export(spki));
  await assert.rejects(est.approve(operator, approval), { code: 'nothing_pending' });
});

test('a renewal is approved by its key alone: by its subject it is not, and neither is another key that waits', async (context) => {
  const { renew, held, est } = await device(context);
  const [planted, own] = [makeKey(), makeKey()];
  for (const key of [planted, own]) await renew(held, makeRequest(key, 'truck-1'));
  const subjects = ['truck-1'] as never;
  assert.equal((await est.approve(operator, { subjects, dryRun: true })).changed, 0);
  await assert.rejects(est.approve(operator, { subjects }), { code: 'nothing_pending', message: /by --key/ });
  await assert.rejects(est.approve(operator, { subjects, key: 'f'.repeat(64) }), { code: 'nothing_pending' });
  await est.approve(operator, { subjects, key: keyIn(own) });
  assert.equal((await renew(held, makeRequest(planted, 'truck-1'))).state, 'pending');
  assert.equal((await renew(held, makeRequest(own, 'truck-1'))).state, 'issued');
  for (const wrong of [
    { subjects: ['a', 'b'], key: keyIn(own) },
    { subjects: ['a'], key: 'x' },
  ])
    assert.equal(ApprovalRequest.safeParse(wrong).success, false);
});

test('of one subject four renewals wait, for a week: a fifth is told to ask later, pushes none out, and is no entry', async (context) => {
  const { renew, held, est, clock, journal } = await device(context);
  const first = makeKey();
  await renew(held, makeRequest(first, 'truck-1'));
  for (let asked = 1; asked < 4; asked++) await renew(held, makeRequest(makeKey(), 'truck-1'));
  const waiting = (await est.listPending({ limit: 10 })).items;
  assert.equal(waiting.length, 4);
  const { position } = journal.head();
  const refused = { code: 'rate_limited', detail: { retryAfterSeconds: 3_600 } };
  for (let asked = 0; asked < 3; asked++) await assert.rejects(renew(held, makeRequest(makeKey(), 'truck-1')), refused);
  assert.deepEqual((await est.listPending({ limit: 10 })).items, waiting);
  assert.equal(journal.head().position, position);
  clock.now += 7 * day;
  assert.deepEqual((await est.listPending({ limit: 10 })).items, []);
  const approval = { subjects: ['truck-1'] as never, key: keyIn(first) };
  await assert.rejects(est.approve(operator, approval), { code: 'nothing_pending' }, 'it ended');
  assert.deepEqual(await renew(held, makeRequest(first, 'truck-1')), { state: 'pending', isNew: true });
  assert.equal((await est.listPending({ limit: 10 })).items.length, 1);
});

test('an approval that nobody collects ends after a week: the same request waits anew, and is given once approved again', async (context) => {
  const { renew, held, est, clock } = await device(context);
  const key = makeKey();
  const request = makeRequest(key, 'truck-1');
  await renew(held, request);
  const approval = { subjects: ['truck-1'] as never, key: keyIn(key) };
  await est.approve(operator, approval);
  clock.now += 7 * day;
  assert.deepEqual(await renew(held, request), { state: 'pending', isNew: true });
  assert.deepEqual(await renew(held, makeRequest(key, 'truck-1')), { state: 'pending', isNew: false });
  assert.equal((await est.listPending({ limit: 10 })).items.length, 1);
  await est.approve(operator, approval);
  clock.now += 6 * day;
  assert.equal((await renew(held, request)).state, 'issued');
});

test('what is too soon to be renewed does not wait to be approved, and later what waits is given once approved', async (context) => {
  const { renew, held, est, clock } = await device(context);
  const second = { key: held.key, der: leafIn(await renew(held, makeRequest(held.key, 'truck-1'))) };
  clock.now += minute;
  const request = makeRequest(makeKey(), 'truck-1');
  await assert.rejects(renew(second, request), { code: 'renewal_too_soon' });
  assert.deepEqual((await est.listPending({ limit: 10 })).items, []);
  clock.now += 2 * day;
  assert.deepEqual(await renew(second, request), { state: 'pending', isNew: true });
  const [{ key } = assert.fail()] = (await est.listPending({ limit: 10 })).items;
  await est.approve(operator, { subjects: ['truck-1'] as never, key });
  assert.equal((await renew(second, request)).state, 'issued');
});

test('P9: what is suspended, revoked or of another kind renews nothing by EST, and neither does one that EST never knew', async (context) => {
  const { renew, held, revocation, enrolment, ask, token, standingOf } = await device(context);
  const refused = { code: 'renewal_refused' };
  const request = makeRequest(held.key, 'truck-1');
  const waits = makeRequest(makeKey(), 'truck-1');
  assert.equal((await renew(held, waits)).state, 'pending');
  const stand = (action: 'suspend' | 'resume' | 'revoke') =>
    revocation.change(operator, { action, subjects: ['truck-1'] } as never);
  await stand('suspend');
  await assert.rejects(renew(held, request), refused);
  await assert.rejects(renew(held, makeRequest(makeKey(), 'truck-1')), refused, 'and nothing waits');
  await assert.rejects(renew(held, waits), refused, 'nor is what waited told to wait on');
  await stand('resume');
  assert.equal((await renew(held, waits)).state, 'pending');
  const second = { key: held.key, der: leafIn(await renew(held, request)) };
  await stand('revoke');
  assert.equal(await standingOf(second), 'revoked');
  await assert.rejects(renew(second, request), refused);
  await assert.rejects(renew({ key: '', der: new X509Certificate(unknownLeaf()).raw }, request), refused);
  const secret = await token('truck-9', {});
  const key = makeKey();
  const own = makeRequest(key, 'truck-9');
  const issued = await enrolment.enrol('127.0.0.1', { secret, request: own.toString('base64') } as never);
  const { certificate } = issued as { certificate: string };
  await assert.rejects(renew({ key, der: new X509Certificate(certificate).raw }, own), refused);
  await assert.rejects(ask('renew', own, {}), { code: 'not_authenticated' });
  await assert.rejects(ask('renew', own, { chain: ['AAAA'] }), refused);
});

/** Of somebody else's authority. */
const unknownLeaf = () => (skip ? knownNowhere : requestWith({ asCertificate: true }));
const knownNowhere = Buffer.alloc(0);

test('a certificate renews its own subject alone, whatever the request names', async (context) => {
  const { renew, held, enrolled } = await device(context);
  await enrolled('truck-2');
  const leaf = new X509Certificate(leafIn(await renew(held, makeRequest(held.key, 'truck-2'))));
  assert.equal(leaf.subject, 'CN=truck-1');
  assert.equal(fingerprintOf(leaf.raw).length, 64);
  assert.ok(leaf.checkPrivateKey(createPrivateKey(held.key)));
});
