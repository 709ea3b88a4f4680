/** A key that a sensor shares with the authority: who is told what of it, by commands and by the authority's HTTP. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type CertificateView, KeyContext, type KeyCredentialCreated, type Kind } from '@portcullis/contract';
import { credentialFileIn, enrol, Link, parseAnswer, problemOf, readCredential } from '@portcullis/device';
import { deriveContext } from '../../../src/oscore/oscore.ts';
import { contextMark } from '../../../src/pki/pki.ts';
import { House } from '../../house.ts';
import { Operator } from '../../operator.ts';

const idContext = '0102030405060708';
const bytes = (hex: string) => Buffer.from(hex, 'hex');

let house: House;
let operator: Operator;
const links = new Map<Kind, Link>();

before(async () => {
  house = await House.open();
  operator = new Operator(house.fleet);
  links.set('operator', operator.link);
  links.set('device', linkOf(await house.device('truck-17')));
  const [made] = await house.json<{ token: string }>('token', 'create', 'gate-2', '--kind', 'gate');
  const directory = join(house.home, 'gate-2');
  await enrol({ token: made?.token as string, directory });
  links.set('gate', linkOf(directory));
});
after(async () => {
  for (const link of links.values()) link.close();
  await house?.close();
});

function linkOf(directory: string): Link {
  const credential = readCredential(credentialFileIn(directory));
  const { roots, fleet } = credential;
  return new Link({ roots, fleet, role: 'authority', credential });
}

async function contextFor(kind: Kind, query: string) {
  const url = `${operator.credential.authority}/v1/key-contexts?${query}`;
  const answer = await (links.get(kind) as Link).request({ url, method: 'GET', timeoutMs: 60_000 });
  return answer.status === 200 ? KeyContext.parse(parseAnswer(answer)) : problemOf(answer).code;
}
const asked = ({ keyId }: KeyCredentialCreated) => `keyId=${keyId}&idContext=${idContext}`;

async function made(...words: string[]): Promise<KeyCredentialCreated> {
  const [one] = await house.json<KeyCredentialCreated>('token', 'create', ...words, '--credential', 'oscore');
  return one as KeyCredentialCreated;
}

test('a key credential is made by one command, and its secret is on standard output alone', async () => {
  const said: string[] = [];
  house.authority?.onLine((line) => said.push(line));
  const ended = await house.portcullis('token', 'create', 'sensor-1', '--credential', 'oscore');
  assert.equal(ended.status, 0, ended.error);
  const [, secret = ''] = /^master secret +([0-9a-f]{32})$/m.exec(ended.out) ?? [];
  const [, salt = ''] = /^master salt +([0-9a-f]{16})$/m.exec(ended.out) ?? [];
  assert.match(ended.out, /^key id \(sender id\) +[0-9a-f]{2}$/m);
  assert.match(ended.out, /^server id \(recipient id\) +00$/m);
  assert.ok(secret && salt);
  assert.equal(ended.error, 'sensor-1 is new: device with status="active"; the secret is shown this once\n');
  const journal = JSON.stringify(await house.json('journal', 'show'));
  for (const word of [secret, salt]) assert.ok(!journal.includes(word) && !said.some((line) => line.includes(word)));
  for (const name of readdirSync(join(house.fleet, 'authority'), { recursive: true, withFileTypes: true })) {
    if (!name.isFile()) continue;
    const file = readFileSync(join(name.parentPath, name.name));
    assert.ok(!file.includes(secret) && !file.includes(bytes(secret)), name.name);
  }
});

test('many are made of a file, each printed when it is made', async () => {
  const file = join(house.home, 'sensors');
  writeFileSync(file, 'cold-1\n{"subject":"cold-2","attributes":{"site":"north"}}\n\nsensor-1\ncold-3\n');
  const words = ['token', 'create', '--credential', 'oscore', '--from', file, '--attribute', 'line=4'];
  const ended = await house.portcullis(...words);
  assert.equal(ended.status, 1, 'sensor-1 has one');
  assert.match(ended.error, /"sensor-1" has the key credential .*--replace/);
  assert.match(ended.out, /^cold-1 [0-9a-f]{2} 00 [0-9a-f]{32} [0-9a-f]{16}\ncold-2 [0-9a-f]{2} 00 \S+ \S+\n$/);
  const subject = await house.portcullis('subject', 'show', 'cold-2');
  for (const value of [/site +"north"/, /line +4/, /status +"active"/]) assert.match(subject.out, value);
});

test('wrong words are said before anything is made', async () => {
  const wrong: [words: string[], code: string][] = [
    [['sensor-2', '--credential', 'psk'], 'usage'],
    [['sensor-2', '--replace'], 'usage'],
    [['sensor-2', '--credential', 'oscore', '--expires', '1h'], 'usage'],
    [['--credential', 'oscore'], 'usage'],
    [['sensor-2', '--credential', 'oscore', '--kind', 'gate'], 'usage'],
    [['gate-1', '--credential', 'oscore'], 'kind_conflict'],
    [['sensor-1', '--credential', 'oscore'], 'key_credential_exists'],
  ];
  for (const [words, code] of wrong) {
    const { out } = await house.portcullis('token', 'create', ...words, '--json');
    assert.equal(JSON.parse(out).error, code, `${words.join(' ')}: ${out}`);
  }
  assert.deepEqual(await house.json('credential', 'list', 'sensor-1', '--standing', 'superseded'), []);
});

test('a gate alone is given contexts, and what it is given the sensor can derive', async () => {
  const one = await made('sensor-3');
  const given = await contextFor('gate', asked(one));
  assert.ok(typeof given === 'object');
  const { senderKey, recipientKey, commonIv } = deriveContext({
    ...{ masterSecret: bytes(one.masterSecret), salt: bytes(one.masterSalt), idContext: bytes(idContext) },
    ...{ senderId: bytes(one.keyId), recipientId: bytes(one.serverId) },
  });
  assert.deepEqual(
    [given.recipientKey, given.senderKey, given.commonIv],
    [senderKey, recipientKey, commonIv].map((key) => key.toString('hex')),
  );
  const ofAnother = Buffer.concat([contextMark('gate-1'), Buffer.alloc(20)]).toString('hex');
  assert.equal(await contextFor('gate', `keyId=${one.keyId}&idContext=${ofAnother}`), 'id_context_not_allowed');
  for (const kind of ['operator', 'device'] as const)
    assert.equal(await contextFor(kind, asked(one)), 'kind_not_allowed');
});

test('a key credential has no leaf: what is asked for by its fingerprint is a standing alone', async () => {
  const one = await made('sensor-6');
  const at = async (path: string) => {
    const url = `${operator.credential.authority}/v1/certificates/${one.fingerprint}${path}`;
    return operator.link.request({ url, method: 'GET', timeoutMs: 60_000 });
  };
  assert.equal(problemOf(await at('/leaf')).code, 'certificate_unknown');
  const shown = await house.json<CertificateView>('certificate', 'show', one.fingerprint);
  assert.deepEqual(
    shown.map(({ form, serial, standing }) => [form, serial, standing]),
    [['oscore', one.keyId, 'valid']],
  );
});

test('what is no question for a context is refused, and asks nothing of the store', async () => {
  const wrong = [
    ...['', 'keyId=', 'keyId=00', `keyId=&idContext=${idContext}`, `keyId=zz&idContext=${idContext}`],
    ...[`keyId=AB&idContext=${idContext}`, `keyId=abc&idContext=${idContext}`, `keyId=${'ab'.repeat(8)}&idContext=00`],
    ...['keyId=ab&idContext=', `keyId=ab&idContext=${'00'.repeat(100)}`, 'keyId=ab&idContext=00&more=1'],
    ...['keyId=ab&keyId=ac&idContext=00', `keyId=ab%00&idContext=00`],
  ];
  for (const query of wrong) assert.equal(await contextFor('gate', query), 'request_malformed', query);
  assert.equal(await contextFor('gate', `keyId=00&idContext=${idContext}`), 'key_credential_unknown');
});

test('what commands say of certificates they say of key credentials: lists, cuts, and back', async () => {
  const one = await made('sensor-4');
  const standing = async () => {
    const [row] = await house.json<CertificateView>('credential', 'list', 'sensor-4', '--form', 'oscore');
    assert.equal(row?.fingerprint, one.fingerprint);
    return row.standing;
  };
  assert.equal((await house.change('credential', 'suspend', 'sensor-4')).confirmed, true);
  assert.equal(await standing(), 'suspended');
  assert.equal(await contextFor('gate', asked(one)), 'key_credential_unknown');
  await house.change('certificate', 'resume', one.fingerprint);
  assert.equal(typeof (await contextFor('gate', asked(one))), 'object');
  await house.change('credential', 'revoke', one.fingerprint);
  assert.equal(await standing(), 'revoked');
  assert.equal(await contextFor('gate', asked(one)), 'key_credential_unknown');
  const table = await house.portcullis('credential', 'list', 'sensor-4');
  assert.match(table.out, /FORM.*\nsensor-4 +device +oscore +revoked/);
});

test('a gate that is cut is given no context', async () => {
  const one = await made('sensor-5');
  await house.change('certificate', 'revoke', 'gate-2');
  assert.equal(await contextFor('gate', asked(one)), 'not_authenticated');
});
