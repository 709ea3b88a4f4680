import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { localNames, TestAuthority, temporaryDirectory } from '../../test/certificates.ts';
import { startEnrolment } from '../../test/enrolment.ts';
import { startServer } from '../../test/servers.ts';
import { credentialFileIn, readCredential } from './credential.ts';
import { enrol } from './enrol.ts';
import { exportCredential } from './export.ts';
import { prove } from './prove.ts';

const authority = await startEnrolment();
const newDirectory = () => join(temporaryDirectory(), 'device');
const pendingIn = (directory: string) =>
  (JSON.parse(readFileSync(join(directory, 'pending.json'), 'utf8')) as { key: string }).key;
const requestsIn = () => authority.server.requests.map(({ body }) => (JSON.parse(body) as { request: string }).request);

test('P1: a token becomes one file of key, certificate and trust, and the key never travelled', async () => {
  const directory = newDirectory();
  const credential = await enrol({ token: `${authority.token}\n`, directory });
  assert.deepEqual(readdirSync(directory), ['credential.json']);
  assert.equal(statSync(credentialFileIn(directory)).mode & 0o777, 0o600);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  assert.deepEqual(readCredential(credentialFileIn(directory)), credential);
  assert.ok(new X509Certificate(credential.certificate).checkPrivateKey(createPrivateKey(credential.key)));
  const secret = createPrivateKey(credential.key).export({ format: 'jwk' }).d ?? '';
  const sent = authority.server.requests.map(({ body }) => body).join('');
  for (const encoding of ['base64', 'hex', 'base64url', 'latin1'] as const) {
    assert.equal(sent.includes(Buffer.from(secret, 'base64url').toString(encoding)), false);
  }
});

test('an answer that is lost is asked for again with the same request, and burns nothing', async () => {
  const directory = newDirectory();
  authority.wishes.instead = ['break'];
  const before = authority.server.requests.length;
  await assert.rejects(enrol({ token: authority.token, directory }), { code: 'server_unreachable' });
  const key = pendingIn(directory);
  assert.equal(existsSync(credentialFileIn(directory)), false);
  const credential = await enrol({ token: authority.token, directory });
  assert.equal(credential.key, key);
  const publicKeys = requestsIn()
    .slice(before)
    // Without the header, whose length follows the signature's, and without the signature, which is another each time.
    .map((request) => request.slice(4, 150));
  assert.equal(publicKeys.length, 2);
  assert.equal(publicKeys[0], publicKeys[1]);
});

test('a token that is refused leaves no credential and says so by its code', async () => {
  const directory = newDirectory();
  authority.wishes.instead = [
    { status: 403, body: { type: 'about:blank', title: 'no', status: 403, reason: 'token_refused' } },
  ];
  await assert.rejects(enrol({ token: authority.token, directory }), { code: 'token_refused' });
  assert.equal(existsSync(credentialFileIn(directory)), false);
});

test('whose kind of key is not taken makes one that is, as the refusal says, and asks once more', async () => {
  const [directory, before] = [newDirectory(), authority.server.requests.length];
  const problem = { type: 'about:blank', title: 'no' };
  const refusal = (expected: string[]) => ({
    status: 422,
    body: { ...problem, status: 422, reason: 'key_refused', expected },
  });
  const asked = (more: object = {}) => enrol({ token: authority.token, directory, ...more });
  authority.wishes.instead = [refusal(['ml-dsa-44']), refusal(['ml-dsa-65'])];
  await assert.rejects(asked(), { code: 'key_refused' });
  assert.equal(createPrivateKey(pendingIn(directory)).asymmetricKeyType, 'ml-dsa-44');
  authority.wishes.instead = [refusal(['ml-dsa-44'])];
  await assert.rejects(asked({ keys: 'ml-dsa-87' }), { code: 'key_refused' });
  assert.equal(createPrivateKey(pendingIn(directory)).asymmetricKeyType, 'ml-dsa-87', 'as it was told');
  authority.wishes.instead = [refusal(['rsa-1024'])];
  await assert.rejects(asked(), { code: 'key_refused' });
  assert.equal(authority.server.requests.length - before, 4);
});

for (const [what, leaf] of [
  ['another subject', { uri: 'device/truck-18' }],
  ['a subject that begins with the same name', { uri: 'device/truck-17b' }],
  ['another kind', { uri: 'operator/truck-17' }],
  ['another fleet', { uri: 'spiffe://other/device/truck-17' }],
  ['nobody', { uri: '', alternatives: ['DNS:truck-17'] }],
] as const) {
  test(`a certificate of ${what} is not adopted`, async () => {
    const directory = newDirectory();
    authority.wishes.leaf =
      leaf.uri === ''
        ? { ...leaf, uri: 'https://example.com/', alternatives: [...(leaf.alternatives ?? [])] }
        : { uri: leaf.uri };
    try {
      await assert.rejects(enrol({ token: authority.token, directory }), { code: 'answer_malformed' });
    } finally {
      authority.wishes.leaf = {};
    }
    assert.equal(existsSync(credentialFileIn(directory)), false);
  });
}

test('a certificate for another key is not adopted, and an earlier credential stays', async () => {
  const directory = newDirectory();
  const earlier = await enrol({ token: authority.token, directory });
  const other = authority.issued.values().next().value ?? '';
  const body = { ...earlier, key: undefined, certificate: other };
  authority.wishes.instead = [{ status: 200, body }];
  await assert.rejects(enrol({ token: authority.token, directory, replace: true }), { code: 'answer_malformed' });
  assert.deepEqual(readCredential(credentialFileIn(directory)), earlier);
});

test('P2: nothing is sent to a server that the root of the token does not vouch for (FIELD-NOTES D5)', async () => {
  const foreign = new TestAuthority('plant root');
  const pair = foreign.issue({ uri: 'authority/authority', alternatives: localNames, purposes: ['serverAuth'] });
  const gateCert = authority.fleet.gate.certificate + authority.fleet.infrastructureIssuer.certificate;
  for (const options of [
    { key: pair.key, cert: pair.certificate + foreign.certificate },
    { key: authority.fleet.gate.key, cert: gateCert },
  ]) {
    const poser = await startServer(options, () => ({ status: 200, body: {} }));
    const asked = enrol({ token: authority.tokenFor(poser.url), directory: newDirectory() });
    await assert.rejects(asked, { code: 'server_not_verified' });
    assert.equal(poser.applicationBytes(), 0);
  }
});

for (const token of [
  '',
  'hello',
  'e30',
  `${'A'.repeat(20_000)}`,
  Buffer.from('{"url":"http://x"}').toString('base64url'),
]) {
  test(`what is not a token (${token.length} characters) is wrong usage and makes nothing`, async () => {
    const directory = newDirectory();
    await assert.rejects(enrol({ token, directory }), (error: Error & { code: string }) => {
      assert.equal(error.code, 'usage');
      return token === '' || !error.message.includes(token);
    });
    assert.equal(existsSync(directory), false);
  });
}

test('a new pair is proven by a handshake with a gate; a gate that is down or refuses disproves nothing', async () => {
  const { fleet } = authority;
  const options = {
    key: fleet.gate.key,
    cert: fleet.gate.certificate + fleet.infrastructureIssuer.certificate,
    ca: fleet.root.certificate + fleet.deviceIssuer.certificate,
    requestCert: true,
  };
  const gate = await startServer(options, () => ({ status: 404 }));
  const down = await startServer(options, () => ({ status: 404 }));
  await down.close();
  authority.wishes.gates = [down.url, gate.url];
  const credential = await enrol({ token: authority.token, directory: newDirectory() });
  assert.deepEqual(await prove(credential), { gate: gate.url });
  await gate.close();
  assert.match(JSON.stringify(await prove(credential)), /can not be reached/);
  assert.deepEqual(await prove({ ...credential, gates: [] }), { why: 'no gate is known', reached: false });
  authority.wishes.gates = [];
});

test('export writes exactly three files, each for its owner alone', async () => {
  const credential = await enrol({ token: authority.token, directory: newDirectory() });
  const directory = join(temporaryDirectory(), 'pem');
  exportCredential(credential, directory);
  assert.deepEqual(readdirSync(directory).sort(), ['cert.pem', 'key.pem', 'root.pem']);
  const textOf = (name: string) => readFileSync(join(directory, name), 'utf8');
  assert.equal(textOf('cert.pem'), credential.certificate + credential.issuer);
  assert.equal(textOf('key.pem'), credential.key);
  assert.equal(textOf('root.pem'), credential.roots);
  assert.equal(statSync(join(directory, 'key.pem')).mode & 0o777, 0o600);
});
