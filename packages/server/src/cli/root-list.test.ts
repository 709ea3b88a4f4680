import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FleetName } from '@portcullis/contract';
import { askRoot, parseRootAnswer, parseRootRequest, storeFleet, takeAnswer } from '../issuance/issuance.ts';
import { fileKeys } from '../keys/keys.ts';
import { fromPem, isListOf, readCertificate, readList } from '../pki/pki.ts';
import { createSqliteStore } from '../storage/storage.ts';
import { realSystem } from '../telemetry/telemetry.ts';
import { answerAt, listAt, makeRootDirectory } from './root-directory.ts';

const fleet = FleetName.parse('fleet-1');
const listIn = (text: string) => readList(fromPem('X509 CRL', text)[0] ?? Buffer.alloc(0));

async function openRoot(context: TestContext) {
  const home = mkdtempSync(join(tmpdir(), 'portcullis-root-list-'));
  context.after(() => rmSync(home, { recursive: true, force: true }));
  const at = (name: string) => join(home, name);
  mkdirSync(at('keys'));
  const keys = fileKeys(at('keys'));
  const { request } = await askRoot({ keys, fleet });
  writeFileSync(at('request.json'), JSON.stringify(request));
  const asked = parseRootRequest(JSON.stringify(request));
  const root = await makeRootDirectory(at('root'), asked, { algorithm: 'p-256' });
  await answerAt(at('root'), at('request.json'), at('answer.json'));
  const answer = parseRootAnswer(readFileSync(at('answer.json'), 'utf8'));
  return { at, keys, root, answer };
}

test('the answer of a root brings its list, and a fleet begins with it', async (context) => {
  const { at, keys, root, answer } = await openRoot(context);
  const taken = (text: typeof answer) => takeAnswer(text, { keys, fleet, now: Date.now() });
  const { begun } = await taken(answer);
  const list = readList(begun.list ?? Buffer.alloc(0));
  assert.ok(isListOf(list, root.certificate));
  assert.ok(list.nextUpdate - Date.now() > 360 * 86_400_000);
  mkdirSync(at('store'));
  await using store = await createSqliteStore(at('store'));
  await storeFleet(store, begun, realSystem);
  const rows = await store.read((db) => db.selectFrom('revocationLists').select(['issuer', 'number']).execute());
  assert.deepEqual(
    rows.map(({ issuer, number }) => [issuer, number]),
    [['root', list.number]],
  );

  const other = await openRoot(context);
  await assert.rejects(taken({ ...answer, list: other.answer.list }), {
    code: 'file_unusable',
    message: /its root did not sign its list/,
  });
});

test("an issuer names the list of the root that signed it, under the name that a later root's key has at the fleet", async (context) => {
  const { at, keys } = await openRoot(context);
  const issuers = [{ key: 'issuer-device-2', role: 'device' as const, name: 'fleet-1 device-2 issuer' }];
  const publicUrl = 'http://desk.example.org:8449';
  const { request } = await askRoot({ keys, fleet, publicUrl, issuers, root: { name: 'fleet-1 root-2' } });
  writeFileSync(at('later.json'), JSON.stringify(request));
  await makeRootDirectory(at('root-2'), parseRootRequest(JSON.stringify(request)), { algorithm: 'p-256' });
  await answerAt(at('root-2'), at('later.json'), at('later-answer.json'));
  const [issuer] = parseRootAnswer(readFileSync(at('later-answer.json'), 'utf8')).issuers;
  const { raw, infoAccess } = new X509Certificate(issuer?.certificate ?? '');
  assert.ok(raw.includes('http://desk.example.org:8449/crl/root-2.crl'));
  assert.match(infoAccess ?? '', /\/ca\/root-2\.cer/);
});

test('each list of a root has a higher number, and all that was revoked before', async (context) => {
  const { at, answer } = await openRoot(context);
  const [device, infrastructure] = answer.issuers.map(({ certificate }) => certificate) as [string, string];
  writeFileSync(at('device.pem'), device);
  const serial = readCertificate(device).serial;
  const first = listIn(answer.list ?? '');
  await listAt(at('root'), at('2.pem'), { revoke: [at('device.pem')], days: 30 });
  await listAt(at('root'), at('3.pem'), { revoke: [], days: 365 });
  const [second, third] = [listIn(readFileSync(at('2.pem'), 'utf8')), listIn(readFileSync(at('3.pem'), 'utf8'))];
  assert.ok(first.number < second.number && second.number < third.number);
  assert.deepEqual(
    [first, second, third].map(({ entries }) => entries.map((one) => one.serial)),
    [[], [serial], [serial]],
  );
  assert.ok(second.nextUpdate < Date.now() + 31 * 86_400_000);

  const strange = await openRoot(context);
  await assert.rejects(listAt(strange.at('root'), strange.at('2.pem'), { revoke: [at('device.pem')], days: 30 }), {
    code: 'file_unusable',
    message: '"fleet-1 root" did not sign "fleet-1 device issuer"',
  });
  writeFileSync(at('both.pem'), device + infrastructure);
  await assert.rejects(listAt(at('root'), at('4.pem'), { revoke: [at('both.pem')], days: 30 }), {
    message: /one certificate in PEM/,
  });
  await assert.rejects(listAt(at('root'), at('3.pem'), { revoke: [], days: 30 }), { message: /is there already/ });
});
