/** The desk as a process of its own: what it relays, what it turns away, and what it can not. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect } from 'node:tls';
import { Confirmed, type DeskView, firstReleaseBytes, parseToken, RenewalNonce } from '@portcullis/contract';
import {
  type Credential,
  confirm,
  credentialFileIn,
  enrol,
  exchange,
  findGates,
  KnownTime,
  Link,
  makeKey,
  makeRequest,
  readCredential,
  realSystem,
  renew,
} from '@portcullis/device';
import { z } from 'zod';
import { patienceMs } from '../../../../../test/patience.ts';
import { launchOf, Running, succeeded } from '../../../../../tools/commands.ts';
import { eventually, House, post } from '../../house.ts';

let house: House;
let desk: Running;
let deskHome: string;
let deskUrl: string;
let roots: string;

const startDesk = async () => {
  desk = new Running(launchOf('portcullis', {}), 'start', 'desk', deskHome);
  await desk.line(/^desk listening/, patienceMs);
};

before(async () => {
  house = await House.open((made) => {
    const port = made.basePort + 2;
    deskUrl = `https://localhost:${port}`;
    made.configure('fleet.yaml', (text) => `${text}deskUrl: ${deskUrl}\n`);
  });
  deskHome = join(house.home, 'desk-1');
  roots = readFileSync(join(house.fleet, 'root.pem'), 'utf8');
  const [created] = await house.json<{ token: string }>(
    'token',
    'create',
    'desk-1',
    '--kind',
    'desk',
    '--host',
    'localhost',
  );
  assert.equal(
    parseToken(created?.token ?? '').url,
    `https://localhost:${house.basePort + 1}`,
    'a desk itself comes to the authority',
  );
  await succeeded('portcullis', 'desk', 'join', deskHome, created?.token ?? '', '--port', String(house.basePort + 2));
  const file = join(deskHome, 'desk.yaml');
  writeFileSync(file, `${readFileSync(file, 'utf8')}metrics: { listen: "127.0.0.1:${house.basePort + 5}" }\n`);
  await startDesk();
});
after(async () => {
  await desk?.stop();
  await house?.close();
});

const linkTo = () => new Link({ roots, role: 'enroller' });
const desks = () => house.json<DeskView>('desk', 'list');

test('devices enrol, renew, confirm and ask for gates at the desk, and are told to come back to it', async () => {
  const directory = join(house.home, 'truck-1');
  const [created] = await house.json<{ token: string }>('token', 'create', 'truck-1');
  assert.equal(parseToken(created?.token ?? '').url, deskUrl);
  const first = await enrol({ token: created?.token ?? '', directory });
  assert.equal(first.enrolment, deskUrl);
  const next = await renew({ credential: first, directory });
  assert.equal(next.enrolment, deskUrl);
  const credential = await confirm({ credential: next, directory });
  assert.deepEqual((await findGates({ credential, directory })).gates, first.gates);
  await eventually(async () => ((await desks())[0]?.report?.relayed ?? 0) >= 7, 'the desk tells how much it relayed');
});

test('D7: a device whose clock is a year off learns the time at the desk, by the authority whose signature it is', async () => {
  const time = new KnownTime({ ...realSystem, now: () => Date.now() - 365 * 86_400_000 });
  const { fleet } = readCredential(credentialFileIn(join(deskHome, 'desk')));
  await time.ask({ roots, fleet, enrolment: deskUrl, floor: Date.now() - 86_400_000 });
  assert.ok(Math.abs(time.now() - Date.now()) < 10_000);
  const link = linkTo();
  const any = z.unknown();
  for (const body of [{}, { challenge: 'short' }, { challenge: 'c'.repeat(43), at: '1970-01-01T00:00:00Z' }])
    await assert.rejects(exchange(link, `${deskUrl}/v1/time`, body, any), { code: 'request_malformed' });
  link.close();
});

test("a device of the first release goes on at the authority's own listener, and is told of that one", async () => {
  const directory = join(house.home, 'truck-2');
  const [created] = await house.json<{ token: string; secret: string }>('token', 'create', 'truck-2');
  const own = `https://localhost:${house.basePort + 1}`;
  const key = makeKey();
  const request = makeRequest(key, 'truck-2').toString('base64');
  const link = linkTo();
  const plain = z.looseObject({ certificate: z.string(), enrolment: z.string() });
  const asked = { secret: created?.secret, request };
  await assert.rejects(exchange(link, `${deskUrl}/v1/enrolments`, asked, plain), { code: 'request_malformed' });
  const issued = await exchange(link, `${own}/v1/enrolments`, asked, plain);
  assert.equal(issued.enrolment, own);
  const { nonce } = await exchange(link, `${deskUrl}/v1/renewals/nonce`, {}, RenewalNonce);
  const signature = firstReleaseBytes('confirmation', nonce).toString('base64');
  const confirmation = { certificate: issued.certificate, nonce, signature };
  await assert.rejects(exchange(link, `${deskUrl}/v1/renewals/confirmation`, confirmation, Confirmed), {
    code: 'request_malformed',
  });
  link.close();
  assert.ok(directory);
});

test('what the authority refuses comes back as it said it; what is nothing to relay never reaches it', async () => {
  const link = linkTo();
  const any = z.unknown();
  const challenge = 'c'.repeat(43);
  const request = makeRequest(makeKey(), 'x').toString('base64');
  const unknown = { proofKey: challenge, challenge, request, signature: 'AAAA' };
  const ask = (path: string, body: unknown) => exchange(link, `${deskUrl}${path}`, body, any);
  await assert.rejects(ask('/v1/enrolments', unknown), { code: 'token_refused' });
  await eventually(async () => (await desks())[0]?.report !== null, 'a report');
  for (const [path, body, code] of [
    ['/v1/enrolments', { ...unknown, later: 1 }, 'request_malformed'],
    ['/v1/enrolments', 'no object', 'request_malformed'],
    ['/v1/enrolments', { ...unknown, request: 'A'.repeat(70_000) }, 'request_too_large'],
    ['/v1/status', {}, 'route_unknown'],
    ['/v1/desk/enrolments', {}, 'route_unknown'],
  ] as const) {
    await assert.rejects(ask(path, body), { code });
  }
  link.close();
  const { status, headers } = await post(`${deskUrl}/v1/renewals/nonce?`, { ca: roots }, '{}');
  assert.deepEqual([status, headers['content-type']?.split(';')[0]], [200, 'application/json']);
  const refused = await post(`${deskUrl}/v1/renewals/nonce?x=1`, { ca: roots }, '{}');
  assert.equal(refused.status, 400);
  for (const path of ['/v1/enrolments', '/v1/renewals/nonce', '/v1/time']) {
    const other = await post(`${deskUrl}${path}`, { ca: roots }, '{}', { 'content-type': 'text/plain' });
    assert.deepEqual([other.status, other.headers.accept], [415, 'application/json'], path);
  }
});

test('the address that a desk claims is believed of a desk alone', async () => {
  const body = { from: '192.0.2.1', asked: {} };
  const gate = readCredential(credentialFileIn(join(house.fleet, 'gate')));
  const operator = readCredential(join(house.fleet, 'operator.json'));
  const ask = async (credential: Credential, asked: unknown) => {
    const link = new Link({ roots, role: 'authority', credential });
    const url = `${operator.authority}/v1/desk/renewals/nonce`;
    return exchange(link, url, asked, RenewalNonce).finally(() => link.close());
  };
  const own = readCredential(credentialFileIn(join(deskHome, 'desk')));
  await ask(own, body);
  await assert.rejects(ask(own, { ...body, from: 'localhost' }), { code: 'request_malformed' });
  for (const other of [gate, operator]) await assert.rejects(ask(other, body), { code: 'kind_not_allowed' });
});

test('P13: connections to the desk have a bound, the one that idles longest makes room, and the authority goes on beside', async (context) => {
  await desk.stop();
  const file = join(deskHome, 'desk.yaml');
  const before = readFileSync(file, 'utf8');
  writeFileSync(file, `${before}limits: { connectionsMax: 3, handshakeMs: 60000 }\n`);
  await startDesk();
  const port = house.basePort + 2;
  const silent = Array.from({ length: 3 }, () =>
    connect({ port, host: 'localhost', ca: roots, servername: 'localhost' }),
  );
  context.after(() => {
    for (const socket of silent) socket.destroy();
  });
  await Promise.all(silent.map((socket) => once(socket, 'secureConnect')));
  const ended = Promise.race(silent.map((socket) => once(socket, 'close')));
  const one = connect({ port, host: 'localhost', ca: roots, servername: 'localhost' });
  silent.push(one);
  await Promise.all([once(one, 'secureConnect'), ended]);
  assert.equal(silent.filter(({ closed }) => closed).length, 1);
  const { revision } = (await house.json<{ revision: number }>('attribute', 'set', 'truck-1', 'site=berlin'))[0] ?? {};
  assert.ok(revision);
  const link = linkTo();
  await eventually(
    () =>
      exchange(link, `${deskUrl}/v1/renewals/nonce`, {}, RenewalNonce).then(
        () => true,
        () => false,
      ),
    'there is room for one more',
  );
  link.close();
  for (const socket of silent) socket.destroy();
  await desk.stop();
  writeFileSync(file, before);
  await startDesk();
});

test('while the authority is away the desk says so and lives on; status tells of desk and authority', async () => {
  await house.authority?.stop();
  const link = linkTo();
  await assert.rejects(exchange(link, `${deskUrl}/v1/renewals/nonce`, {}, RenewalNonce), {
    code: 'authority_unreachable',
  });
  const asked = async (path: string) =>
    fetch(`http://127.0.0.1:${house.basePort + 5}${path}`).then(
      (answer) => answer.text(),
      () => undefined,
    );
  assert.deepEqual([await asked('/livez'), await asked('/readyz')], ['alive\n', 'ready\n']);
  assert.match((await asked('/metrics')) ?? '', /^portcullis_desk_turned_away_total \d/m);
  await desk.stop();
  desk = new Running(launchOf('portcullis', {}), 'start', 'desk', deskHome);
  await eventually(async () => (await asked('/livez')) === 'alive\n', 'a desk that waits is alive');
  assert.equal(await asked('/readyz'), 'it waits for the authority and does not listen yet\n');
  await house.startAuthority();
  await desk.line(/^desk listening/, patienceMs);
  assert.equal(await asked('/readyz'), 'ready\n');
  await eventually(
    () =>
      exchange(link, `${deskUrl}/v1/renewals/nonce`, {}, RenewalNonce).then(
        () => true,
        () => false,
      ),
    'the desk relays again',
  );
  link.close();
  await eventually(async () => (await desks())[0]?.report?.url === deskUrl, 'the desk is heard of');
  const status = await house.portcullis('status');
  assert.match(status.out, /desk-1 at https:\/\/localhost:\d+: \d+ connected, \d+ relayed/);
});

test('a desk that is cut off relays nothing any more', async () => {
  await house.change('certificate', 'revoke', 'desk-1');
  const link = linkTo();
  const answer = await link.request({ url: `${deskUrl}/v1/renewals/nonce`, method: 'POST', body: '{}' });
  assert.equal(answer.status, 503);
  link.close();
});
