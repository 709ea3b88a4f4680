/** The same rule for everyone: operators, gates and devices are judged at each request, and what lasts at each change that touches them. */
import assert from 'node:assert/strict';
import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:https';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { firstReleaseBytes, GateList, RenewalNonce, TokenCreated } from '@portcullis/contract';
import {
  type Credential,
  confirm,
  credentialFileIn,
  enrol,
  exchange,
  findGates,
  Link,
  readCredential,
  renew,
  writeCredential,
} from '@portcullis/device';
import { z } from 'zod';
import { Running, succeeded } from '../../../../../tools/commands.ts';
import { decided, eventually, House, type Pem, readingsUrl } from '../../house.ts';
import { Operator } from '../../operator.ts';
import { requireInForce } from '../faults/scene.ts';
import { BareGate } from './bare-gate.ts';

/** Chosen when the house is made. */
let leaseMs = 0;
let house: House;
let operator: Operator;
/** A second gate as a process. */
let gateTwo: Running;
let gateTwoPort = 0;
const running = new Set<Running>();

before(async () => {
  house = await House.open((made) => {
    leaseMs = made.lease(2_000).leaseMs;
    made.configure('fleet.yaml', (text) => `${text}leaseMs: ${leaseMs}\n`);
  });
  operator = new Operator(house.fleet);
  gateTwoPort = house.basePort + 2;
});
after(async () => {
  operator?.close();
  for (const one of running) await one.stop();
  await house?.close();
});

function start(...words: string[]): Running {
  const one = new Running('portcullis', ...words);
  running.add(one);
  return one;
}

async function token(subject: string, kind = 'device'): Promise<string> {
  const url = `${operator.credential.authority}/v1/tokens`;
  const asked = { tokens: [{ subject, kind, attributes: kind === 'device' ? { status: 'active' } : {} }] };
  const made = await exchange(operator.link, url, asked, z.looseObject({ tokens: z.array(TokenCreated) }));
  return made.tokens[0]?.token as string;
}

interface Enrolled extends Pem {
  credential: Credential;
  directory: string;
}

async function enrolled(subject: string, kind = 'device'): Promise<Enrolled> {
  const directory = join(house.home, subject);
  const credential = await enrol({ token: await token(subject, kind), directory });
  const { key, certificate, issuer, roots } = credential;
  return { credential, directory, key, cert: certificate + issuer, ca: roots };
}

/** Adds an operator; resolves to the directory that commands take as its fleet. */
async function addOperator(name: string): Promise<string> {
  const { directory, credential } = await enrolled(name, 'operator');
  writeCredential(join(directory, 'operator.json'), credential);
  return directory;
}

const gateTwoUrl = () => `https://localhost:${gateTwoPort}/v1/streams/telemetry/readings`;
const statusAt = async (url: string, pem: Pem) => (await decided(url, pem, '{}')).status;

/** Resolves once it is over, and fails when it is not within the time. */
async function ends(what: Promise<unknown>, words: string): Promise<void> {
  let over = false;
  void what.then(() => {
    over = true;
  });
  await eventually(() => over, words);
}

test('A8: the watch of a suspended operator ends, that of another operator goes on', async () => {
  const [anna, bert] = await Promise.all([addOperator('anna'), addOperator('bert')]);
  const [cut, left] = [start('watch', '--fleet', anna), start('watch', '--fleet', bert)];
  const ended = new Promise((resolve) => cut.process.once('exit', resolve));
  const device = await enrolled('truck-1');
  const seen = new Set<Running>();
  for (const watch of [cut, left]) watch.onLine(() => seen.add(watch));
  const bothSee = async () => (await statusAt(readingsUrl(house), device)) === 202 && seen.size === 2;
  await eventually(bothSee, 'both watch the readings');
  await operator.stand('suspend', 'anna');
  await ends(ended, 'the watch of the suspended operator has ended');
  await cut.line(/ended the stream: this operator's certificate is not admitted any more \(not_authenticated\)$/);
  assert.equal(cut.process.exitCode, 1);
  await operator.set('truck-1', { status: 'off' });
  assert.equal(await statusAt(readingsUrl(house), device), 403);
  await left.line(/attribute_not_expected/);
  assert.equal(left.process.exitCode, null);
});

interface Asked {
  status: number;
  /** Tells connections apart. */
  port: number | undefined;
  connection: string | undefined;
}

function ask(agent: Agent): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const asked = get(`${operator.credential.authority}/v1/gates`, { agent }, (answer) => {
      const { statusCode: status = 0, headers } = answer;
      const port = answer.socket.localPort;
      answer.resume().on('end', () => resolve({ status, port, connection: headers.connection }));
    });
    asked.on('error', reject);
  });
}

test('P6: an open connection of a suspended operator is refused at its next request and ends; resumed, the operator is back at once', async () => {
  const { key, certificate, issuer, roots } = readCredential(join(await addOperator('carla'), 'operator.json'));
  const agent = new Agent({ key, cert: certificate + issuer, ca: roots, keepAlive: true, maxSockets: 1 });
  const before = await ask(agent);
  assert.equal(before.status, 200);
  await operator.stand('suspend', 'carla');
  const refused = await ask(agent);
  assert.deepEqual(refused, { status: 403, port: before.port, connection: 'close' });
  await operator.stand('resume', 'carla');
  const again = await ask(agent);
  assert.equal(again.status, 200);
  assert.notEqual(again.port, before.port);
  agent.destroy();
});

test('P7: a revoked gate loses its feed at once and gets no lease, and the receipt waits out the lease that is running', async () => {
  const gate = new BareGate((await enrolled('gate-bare', 'gate')).credential);
  const feed = await gate.feed();
  assert.ok(feed);
  const leaseSent = performance.now();
  assert.equal((await gate.renew()).granted, true);
  let receiptGiven = 0;
  const receipt = operator.stand('revoke', 'gate-bare').then((given) => {
    receiptGiven = performance.now();
    return given;
  });
  let receiptGivenByThen = 0;
  void feed.ended.then(() => {
    receiptGivenByThen = receiptGiven;
  });
  await ends(feed.ended, 'the feed has ended');
  assert.equal(receiptGivenByThen, 0, 'the feed ends before the lease does');
  await assert.rejects(gate.renew(), { code: 'not_authenticated' });
  assert.equal(await gate.feed(), undefined);
  const { confirmed, gates } = await receipt;
  assert.ok(receiptGiven - leaseSent >= leaseMs, `given ${receiptGiven - leaseSent} ms after the lease was asked for`);
  assert.equal(confirmed, true);
  assert.equal(gates.find(({ gate }) => gate === 'gate-bare')?.outcome, 'lease_expired');
  assert.ok(gates.some(({ gate }) => gate === 'gate-1'));
  await assert.rejects(gate.renew(), { code: 'not_authenticated' }, 'nor afterwards');
  assert.equal(await gate.feed(), undefined, 'it is told nothing any more');
  const later = await operator.set('truck-1', { status: 'active' });
  const named = later.gates.map((one) => one.gate as string);
  assert.deepEqual([later.confirmed, named.includes('gate-bare')], [true, false]);
  gate.close();
});

test('a gate that renews its certificate goes on with the new one, and the old one ends', async () => {
  const directory = join(house.home, 'gate-2');
  await succeeded(
    'portcullis',
    'gate',
    'join',
    directory,
    await token('gate-2', 'gate'),
    '--port',
    String(gateTwoPort),
  );
  const file = credentialFileIn(join(directory, 'gate'));
  const first = readCredential(file);
  const due = { ...first, renewAfter: '2020-01-01T00:00:00.000Z' };
  writeFileSync(file, JSON.stringify(due));
  gateTwo = start('start', 'gate', directory);
  await gateTwo.line(/^gate listening/);
  const held = () => JSON.parse(readFileSync(file, 'utf8')) as Credential;
  await eventually(() => held().certificate !== first.certificate && !held().unconfirmed, 'renewed and confirmed');
  const old = new BareGate(first);
  assert.equal(await old.feed(), undefined, 'the superseded certificate has no feed');
  await assert.rejects(old.renew(), { code: 'not_authenticated' });
  old.close();
  const device = await enrolled('truck-2');
  requireInForce(await operator.set('truck-2', { status: 'off' }), 'gate-1', 'gate-2');
  assert.equal(await statusAt(gateTwoUrl(), device), 403);
  await operator.set('truck-2', { status: 'active' });
  assert.equal(await statusAt(gateTwoUrl(), device), 202);
});

const refusedRenewal = { code: 'renewal_refused' };

test('P6: a suspended device is refused at twenty reconnects to each gate and at every renewal; resumed, it renews', async () => {
  const device = await enrolled('truck-3');
  await operator.stand('suspend', 'truck-3');
  for (let tries = 0; tries < 20; tries++) {
    assert.equal(await statusAt(readingsUrl(house), device), 403);
    assert.equal(await statusAt(gateTwoUrl(), device), 403);
    if (tries % 10 === 0) await assert.rejects(renew(device), refusedRenewal);
  }
  assert.deepEqual(
    readCredential(credentialFileIn(device.directory)),
    device.credential,
    'the device keeps what it has',
  );
  await operator.stand('resume', 'truck-3');
  const next = await confirm({ ...device, credential: await renew(device) });
  assert.notEqual(next.certificate, device.credential.certificate);
  const renewed = { key: next.key, cert: next.certificate + next.issuer, ca: next.roots };
  assert.deepEqual(
    [await statusAt(readingsUrl(house), renewed), await statusAt(readingsUrl(house), device)],
    [202, 403],
  );
});

test('where gates are is told to who proves the key of a valid certificate, and to nobody else', async () => {
  const device = await enrolled('truck-6');
  const { enrolment, certificate, key, roots } = device.credential;
  const stale = { ...device, credential: { ...device.credential, gates: ['https://gone.example:8443'] } };
  const found = await findGates(stale);
  assert.ok([house.gateUrl, `https://localhost:${gateTwoPort}`].every((url) => found.gates.includes(url)));
  assert.ok(!found.gates.includes('https://gone.example:8443'));
  assert.deepEqual(found.mqttGates, [house.mqttUrl], 'and of those that take MQTT where they do');
  assert.deepEqual(readCredential(credentialFileIn(device.directory)), found);

  const link = new Link({ roots, role: 'authority' });
  const other = await enrolled('truck-7');
  const { nonce } = await exchange(link, `${enrolment}/v1/renewals/nonce`, {}, RenewalNonce);
  const signed = (pem: string, bytes: Buffer) => sign('sha256', bytes, createPrivateKey(pem)).toString('base64');
  const asked = { certificate, nonce, signature: signed(key, firstReleaseBytes('gates', nonce)) };
  const ask = (more: object) => exchange(link, `${enrolment}/v1/renewals/gates`, { ...asked, ...more }, GateList);
  assert.deepEqual((await ask({})).gates, found.gates);
  for (const [more, code] of [
    [{ signature: signed(other.credential.key, firstReleaseBytes('gates', nonce)) }, 'renewal_refused'],
    [{ signature: signed(key, firstReleaseBytes('confirmation', nonce)) }, 'renewal_refused'],
    [{ nonce: 'n'.repeat(40) }, 'renewal_refused'],
    [{ later: true }, 'request_malformed'],
    [{ signature: undefined }, 'request_malformed'],
  ] as const) {
    await assert.rejects(ask(more), { code });
  }
  const secondGate = `https://localhost:${gateTwoPort}`;
  await operator.stand('suspend', 'gate-2');
  assert.ok(!(await ask({})).gates.includes(secondGate), 'a gate that is cut off is named to nobody');
  assert.ok(!(await enrolled('truck-8')).credential.gates.includes(secondGate));
  await operator.stand('resume', 'gate-2');
  assert.ok((await ask({})).gates.includes(secondGate));
  for (const action of ['suspend', 'revoke'] as const) {
    await operator.stand(action, 'truck-6');
    await assert.rejects(findGates(stale), refusedRenewal);
    await assert.rejects(ask({}), refusedRenewal);
  }
  link.close();
});

test('P9: a renewal that was under way when its device was suspended can not be confirmed', async () => {
  const device = await enrolled('truck-4');
  const credential = await renew(device);
  await operator.stand('suspend', 'truck-4');
  await assert.rejects(confirm({ ...device, credential }), refusedRenewal);
  const pending = { key: credential.key, cert: credential.certificate + credential.issuer, ca: credential.roots };
  assert.deepEqual(
    [await statusAt(readingsUrl(house), pending), await statusAt(readingsUrl(house), device)],
    [403, 403],
  );
});

test('P9: a revoked device is refused every renewal, also after authority and gate were started again', async () => {
  const device = await enrolled('truck-5');
  await operator.stand('revoke', 'truck-5');
  for (let tries = 0; tries < 3; tries++) await assert.rejects(renew(device), refusedRenewal);
  await house.gate?.stop();
  await house.authority?.stop();
  await house.startAuthority();
  await house.startGate();
  await assert.rejects(renew(device), refusedRenewal);
  assert.equal(await statusAt(readingsUrl(house), device), 403);
  await eventually(async () => (await statusAt(gateTwoUrl(), device)) === 403, 'the other gate refuses it');
});
