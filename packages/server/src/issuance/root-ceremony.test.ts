import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FleetName, type KeyAlgorithm } from '@portcullis/contract';
import { fileKeys } from '../keys/keys.ts';
import { fromPem, toPem } from '../pki/pki.ts';
import { createSqliteStore } from '../storage/storage.ts';
import { realSystem } from '../telemetry/telemetry.ts';
import {
  answerRequest,
  askRoot,
  makeRoot,
  openIssuance,
  parseRootAnswer,
  parseRootRequest,
  type RootAnswer,
  storeFleet,
  takeAnswer,
} from './issuance.ts';

const fleet = FleetName.parse('fleet-1');

function keysOf(context: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-root-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  mkdirSync(join(directory, 'keys'));
  return { directory, keys: fileKeys(join(directory, 'keys')) };
}

/** Two machines, and what is carried between them. */
async function ceremony(context: TestContext, of: { issuers?: KeyAlgorithm; root?: KeyAlgorithm } = {}) {
  const [here, there] = [keysOf(context), keysOf(context)];
  const asked = await askRoot({
    keys: here.keys,
    fleet,
    publicUrl: 'http://fleet.example.org:8449',
    algorithm: of.issuers,
  });
  const root = await makeRoot({ keys: there.keys, system: realSystem, fleet, algorithm: of.root });
  const carried = parseRootRequest(JSON.stringify(asked.request));
  const answered = await answerRequest(root, carried, realSystem);
  return { here, there, asked, root, answered, answer: parseRootAnswer(JSON.stringify(answered.answer)) };
}

test('a fleet whose root is on another machine issues, and that machine alone has the key of its root', async (context) => {
  const { here, there, asked, answered, answer } = await ceremony(context);
  assert.deepEqual(asked.keys, answered.keys, 'both machines show the same hashes');
  assert.deepEqual(readdirSync(join(there.directory, 'keys')), ['root.pem']);
  const { begun, root: shown } = await takeAnswer(answer, { keys: here.keys, fleet, now: Date.now() });
  assert.equal(shown.name, 'fleet-1 root');
  const home = mkdtempSync(join(tmpdir(), 'portcullis-root-store-'));
  context.after(() => rmSync(home, { recursive: true, force: true }));
  const store = await createSqliteStore(home);
  await storeFleet(store, begun, realSystem);
  const issuance = await openIssuance({ store, keys: here.keys, system: realSystem });
  assert.deepEqual(
    issuance.issuers().map(({ key, signer }) => [key, signer !== undefined]),
    [
      ['issuer-device', true],
      ['issuer-infrastructure', true],
      ['root', false],
    ],
  );
  assert.deepEqual(readdirSync(join(here.directory, 'keys')).toSorted(), [
    'issuer-device.pem',
    'issuer-infrastructure.pem',
  ]);
  await store[Symbol.asyncDispose]();
});

test('a root of ML-DSA-87 signs issuers of ML-DSA-65', async (context) => {
  const { here, answer } = await ceremony(context, { issuers: 'ml-dsa-65', root: 'ml-dsa-87' });
  const { begun } = await takeAnswer(answer, { keys: here.keys, fleet, now: Date.now() });
  const types = [begun.root, ...begun.issuers.map(({ certificate }) => certificate)].map(
    (der) => new X509Certificate(der).publicKey.asymmetricKeyType,
  );
  assert.deepEqual(types, ['ml-dsa-87', 'ml-dsa-65', 'ml-dsa-65']);
});

test('an answer is taken for the keys that asked, by the root that signed it, while it is good', async (context) => {
  const first = await ceremony(context);
  const other = await ceremony(context);
  const take = (answer: RootAnswer, now = Date.now()) => takeAnswer(answer, { keys: first.here.keys, fleet, now });
  const { answer } = first;
  const [device, infrastructure] = answer.issuers as [RootAnswer['issuers'][number], RootAnswer['issuers'][number]];
  const swapped = [
    { ...device, certificate: infrastructure.certificate },
    { ...infrastructure, certificate: device.certificate },
  ];
  for (const [changed, now, said] of [
    [{ ...answer, fleet: FleetName.parse('fleet-2') }, undefined, /it is for fleet-2, and this is fleet-1/],
    [{ ...answer, root: device.certificate }, undefined, /is no root/],
    [{ ...answer, root: `${answer.root}${answer.root}` }, undefined, /one certificate of "root"/],
    [{ ...answer, root: other.answer.root }, undefined, /its root did not sign "fleet-1 device issuer"/],
    [{ ...answer, issuers: swapped }, undefined, /it names "fleet-1 infrastructure issuer" where/],
    [other.answer, undefined, /is for another key: it answers an earlier request/],
    [answer, Date.now() + 30 * 365 * 86_400_000, /is not now: look at the clocks/],
    [answer, Date.now() - 86_400_000, /is not now/],
  ] as const) {
    await assert.rejects(take(changed as RootAnswer, now), { code: 'file_unusable', message: said });
  }
  await take(answer);
});

test('a later issuer is signed by the same request, under a name of its own', async (context) => {
  const { asked, root } = await ceremony(context);
  const [first] = asked.request.issuers as [(typeof asked.request.issuers)[number]];
  const later = { ...first, key: 'issuer-device-2', name: 'fleet-1 second device issuer' };
  const request = parseRootRequest(JSON.stringify({ ...asked.request, issuers: [later] }));
  const { answer, keys } = await answerRequest(root, request, realSystem);
  assert.deepEqual(
    keys.map(({ name }) => name),
    [later.name],
  );
  assert.equal(answer.issuers[0]?.key, 'issuer-device-2');
});

test('what is carried is checked to its last member', async (context) => {
  const { asked, answer, root } = await ceremony(context);
  const { request } = asked;
  for (const [text, said] of [
    ['', /it is not JSON/],
    ['{}', /"format"/],
    [JSON.stringify({ ...request, more: 1 }), /more/],
    [JSON.stringify({ ...request, issuers: [] }), /"issuers"/],
    [JSON.stringify({ ...request, publicUrl: 'https://fleet.example.org' }), /"publicUrl"/],
    [JSON.stringify(answer), /"format"/],
  ] as const) {
    assert.throws(() => parseRootRequest(text), { code: 'file_unusable', message: said });
  }
  const [first, second] = request.issuers as [(typeof request.issuers)[number], (typeof request.issuers)[number]];
  for (const [changed, said] of [
    [{ key: first.key }, /asks twice for "issuer-device"/],
    [{ name: first.name }, /asks twice for "fleet-1 device issuer"/],
    [{ name: 'fleet-2 device issuer' }, /no name of an issuer of fleet-1/],
    [{ name: 'fleet-1 root' }, /no name of an issuer of fleet-1/],
    [{ request: 'nothing' }, /no request in PEM for "issuer-infrastructure"/],
  ] as const) {
    const refused = parseRootRequest(JSON.stringify({ ...request, issuers: [first, { ...second, ...changed }] }));
    await assert.rejects(answerRequest(root, refused, realSystem), { code: 'file_unusable', message: said });
  }
  const [der] = fromPem('CERTIFICATE REQUEST', first.request) as [Buffer];
  der[der.length - 1] = (der.at(-1) as number) ^ 1;
  const bits = toPem('CERTIFICATE REQUEST', der);
  const damaged = { ...request, issuers: [{ ...first, request: bits }, second] };
  await assert.rejects(answerRequest(root, damaged, realSystem), (error: { code: string }) =>
    error.code.startsWith('request_'),
  );
});
