/** A captured desk can not become a device, nor give a device another fleet: whatever it swaps is refused by name. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { formatToken, parseToken } from '@portcullis/contract';
import {
  type Credential,
  confirm,
  credentialFileIn,
  enrol,
  findGates,
  KnownTime,
  makeKey,
  makeRequest,
  readCredential,
  realSystem,
  renew,
} from '@portcullis/device';
import { House } from '../../house.ts';
import { forge } from '../man-in-the-middle/interception.ts';
import { type Body, type CapturedDesk, captureDesk } from './captured.ts';

let house: House;
let desk: CapturedDesk;
let root: string;

before(async () => {
  house = await House.open();
  const authority = `https://localhost:${house.basePort + 1}`;
  root = readCredential(credentialFileIn(join(house.fleet, 'gate'))).roots;
  const forged = await forge(house.fleet, { issuer: 'issuer-infrastructure', kind: 'desk', subject: 'desk-1' });
  desk = await captureDesk(forged, authority, root);
});
afterEach(() => desk.calm());
after(async () => {
  desk.close();
  await house.close();
});

/** A token whose bearer comes to the desk. */
async function tokenFor(subject: string): Promise<string> {
  const { token } = (await house.json<{ token: string }>('token', 'create', subject))[0] as { token: string };
  return formatToken({ ...parseToken(token), url: desk.url });
}

async function enrolled(subject: string): Promise<{ directory: string; credential: Credential }> {
  const directory = join(house.home, subject);
  const credential = await enrol({ token: await tokenFor(subject), directory });
  return { directory, credential: { ...credential, enrolment: desk.url } };
}

/** What the desk would have a certificate for. */
const own = () => makeRequest(makeKey(), 'truck-1').toString('base64');
const certificatesOf = (subject: string) =>
  house.json<{ standing: string }>('certificate', 'list', '--subject', subject);

test('through a desk that behaves a device enrols, renews, confirms and learns of gates; its secret never passes', async () => {
  const token = await tokenFor('truck-1');
  const directory = join(house.home, 'truck-1');
  const first = { ...(await enrol({ token, directory })), enrolment: desk.url };
  const next = { ...(await renew({ credential: first, directory })), enrolment: desk.url };
  const confirmed = await confirm({ credential: next, directory });
  assert.deepEqual((await findGates({ credential: confirmed, directory })).gates, first.gates);
  const { secret } = parseToken(token);
  const passed = JSON.stringify(desk.seen);
  for (const encoding of ['base64', 'base64url', 'hex'] as const) {
    assert.equal(passed.includes(Buffer.from(secret, 'base64url').toString(encoding)), false);
  }
});

test('a desk that asks for its own key in the name of a device gets nothing, and burns nothing', async () => {
  const token = await tokenFor('truck-2');
  const directory = join(house.home, 'truck-2');
  desk.asks = (asked) => ({ ...asked, request: own() });
  await assert.rejects(enrol({ token, directory }), { code: 'token_refused' });
  desk.asks = (asked) => ({ ...asked, challenge: 'c'.repeat(43) });
  await assert.rejects(enrol({ token, directory }), { code: 'token_refused' });
  assert.deepEqual(await certificatesOf('truck-2'), []);
  desk.calm();
  await enrol({ token, directory });
});

test('what a desk saw of an enrolment gets it no certificate for a key of its own, neither as it came nor as of the first release', async () => {
  await enrolled('truck-3');
  const { asked } = desk.seen.at(-1) ?? assert.fail('nothing passed');
  const token = await tokenFor('truck-4');
  desk.asks = () => ({ ...asked, request: own() });
  await assert.rejects(enrol({ token, directory: join(house.home, 'truck-4') }), { code: 'token_refused' });
  desk.asks = () => ({ secret: asked.proofKey, request: own() });
  await assert.rejects(enrol({ token, directory: join(house.home, 'truck-4') }), { code: 'token_refused' });
  assert.equal((await certificatesOf('truck-3')).length, 1);
});

test('a desk can not renew a device to a key of its own, nor confirm or ask with a signature for something else', async () => {
  const device = await enrolled('truck-5');
  desk.asks = (asked, path) => (path === '/v1/renewals' ? { ...asked, request: own() } : asked);
  await assert.rejects(renew(device), { code: 'renewal_refused' });
  desk.asks = ({ challenge: _, ...asked }, path) => (path === '/v1/renewals' ? asked : { challenge: _, ...asked });
  await assert.rejects(renew(device), { code: 'renewal_refused' }, 'as if it were of the first release');
  desk.calm();
  await findGates(device);
  const { asked } = desk.seen.at(-1) ?? assert.fail('nothing passed');
  desk.asks = (_, path) => (path === '/v1/renewals/confirmation' ? asked : _);
  await assert.rejects(confirm({ ...device, credential: { ...device.credential, unconfirmed: true } }), {
    code: 'renewal_refused',
  });
  assert.equal((await certificatesOf('truck-5')).length, 1);
});

const payloadOf = (answer: Record<string, unknown>) =>
  JSON.parse(Buffer.from(String(answer.payload), 'base64').toString()) as object;
const withPayload = (members: object) => (answer: Record<string, unknown>) => ({
  ...answer,
  payload: Buffer.from(JSON.stringify({ ...payloadOf(answer), ...members })).toString('base64'),
});

test('a device takes no leaf, bundle or gates that a desk put into the answer, and no answer to something before', async () => {
  const { directory, credential } = await enrolled('truck-6');
  const older = desk.seen.at(-1)?.answer ?? assert.fail('nothing passed');
  const token = await tokenFor('truck-7');
  const fresh = join(house.home, 'truck-7');
  const refused = { code: 'answer_not_verified' };
  for (const tells of [
    withPayload({ certificate: credential.certificate }),
    withPayload({ roots: credential.issuer }),
    withPayload({ gates: [desk.url] }),
    withPayload({ enrolment: 'https://localhost:1' }),
    () => older,
  ]) {
    desk.tells = (answer, path) => (path.endsWith('/nonce') ? answer : tells(answer));
    await assert.rejects(enrol({ token, directory: fresh }), refused);
    await assert.rejects(renew({ directory, credential }), refused);
    await assert.rejects(findGates({ directory, credential }), refused);
  }
  assert.equal(existsSync(credentialFileIn(fresh)), false);
  desk.tells = payloadOf as never;
  await assert.rejects(enrol({ token, directory: fresh }), { code: 'answer_malformed' });
  desk.calm();
  await enrol({ token, directory: fresh });
});

test('D7: a desk tells a device no other time than the authority signed for this very question', async () => {
  const { fleet } = readCredential(credentialFileIn(join(house.fleet, 'gate')));
  const time = new KnownTime({ ...realSystem, now: () => 0 });
  const floor = Date.now() - 86_400_000;
  const ask = () => time.ask({ roots: root, fleet, enrolment: desk.url, floor });
  const told = new Date(floor + 3_600_000).toISOString();
  for (const [words, tells, asks] of [
    ['another time', withPayload({ at: told }), undefined],
    ['the answer of before', () => desk.seen.find(({ path }) => path === '/v1/time')?.answer ?? {}, undefined],
    ['an answer to its own question', (answer: Body) => answer, () => ({ challenge: 'c'.repeat(43) })],
  ] as const) {
    desk.calm();
    Object.assign(desk, { tells, ...(asks && { asks }) });
    await assert.rejects(ask(), { code: 'answer_not_verified' }, words);
    assert.equal(time.isCorrected, false);
  }
  desk.calm();
  await ask();
  assert.ok(Math.abs(time.now() - Date.now()) < 10_000);
});
