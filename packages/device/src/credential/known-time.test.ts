/** A machine whose clock is wrong, with the real OpenSSL of this process: what is passed in is the system's time as the device sees it. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { localNames, TestAuthority, type Wish } from '../../test/certificates.ts';
import { startEnrolment } from '../../test/enrolment.ts';
import { fleet, gateOptions, makeCredential } from '../../test/gate.ts';
import { acknowledged, startServer } from '../../test/servers.ts';
import { Link } from '../link/link.ts';
import { realSystem } from '../system.ts';
import { KnownTime } from './known-time.ts';

const authority = await startEnrolment(fleet);
const [hour, day, year] = [3_600_000, 86_400_000, 365 * 86_400_000];
const real = () => Date.now();

/** A clock that is off by so much, and can be set or stand still. */
function machine(offMs: number) {
  const clock = { offMs, asleepMs: 0 };
  const system = {
    ...realSystem,
    now: () => real() + clock.offMs,
    monotonic: () => performance.now() - clock.asleepMs,
  };
  return { clock, time: new KnownTime(system) };
}

const authorityOf = (floor = real() - day) => ({
  ...{ roots: fleet.root.certificate, fleet: 'plant', enrolment: authority.server.url, floor },
});

for (const [what, offMs] of [
  ['in 1970', -real()],
  ['ten years ahead', 10 * year],
] as const) {
  test(`D7: a machine ${what} learns the right time from the authority's signature, and judges servers by it`, async () => {
    const { time } = machine(offMs);
    assert.deepEqual([time.isCorrected, time.moment()], [false, undefined]);
    await time.ask(authorityOf());
    assert.ok(Math.abs(time.now() - real()) < 10_000);
    assert.deepEqual([time.isCorrected, Number(time.moment()?.from) - time.now() < 1_000], [true, true]);
  });
}

test('a clock that is right stays what servers are judged by', async () => {
  const { time } = machine(30_000);
  await time.ask(authorityOf());
  assert.deepEqual([time.isCorrected, time.moment()], [false, undefined]);
});

test('what was told is forgotten once the clock is set, or the machine has slept', async () => {
  for (const change of [{ offMs: 0 }, { asleepMs: hour }]) {
    const { clock, time } = machine(-year);
    await time.ask(authorityOf());
    assert.equal(time.isCorrected, true);
    Object.assign(clock, change);
    assert.deepEqual([time.isCorrected, time.moment()], [false, undefined]);
  }
});

test('no time is believed that is before what the device knows, or at which its signer is not valid', async (context) => {
  context.after(() => {
    authority.wishes.time = real;
  });
  const { time } = machine(-year);
  for (const [at, floor, message] of [
    [real() - 2 * hour, real() - hour, /is before what this device knows/],
    [real() + 60 * day, real() - hour, /not valid/],
    [real() - 20 * day, real() - 30 * day, /not valid/],
  ] as const) {
    authority.wishes.time = () => at;
    await assert.rejects(time.ask(authorityOf(floor)), { code: 'answer_not_verified', message });
    assert.equal(time.isCorrected, false);
  }
});

test('a carrier of the time whose whole chain was over before what the device knows is told nothing', async () => {
  const { time } = machine(-year);
  const before = authority.server.requests.length;
  const asked = time.ask(authorityOf(real() + 60 * day));
  await assert.rejects(asked, { code: 'server_not_verified', message: /not valid at the time that is known/ });
  assert.equal(authority.server.requests.length, before);
});

const credential = makeCredential([]);
const leaf = (wish: Wish) =>
  fleet.infrastructureIssuer.issue({
    ...{ uri: 'gate/gate-1', alternatives: localNames, purposes: ['serverAuth'] },
    ...wish,
  });
const soon = { from: 1, until: 2 };

/** Judged by the time of tomorrow, of which OpenSSL here knows nothing. */
async function judged(wish: Wish, issuer = fleet.infrastructureIssuer.certificate, at = real() + 1.5 * day) {
  const pair = leaf(wish);
  const server = await startServer({ ...gateOptions, key: pair.key, cert: pair.certificate + issuer }, acknowledged);
  const moment = () => ({ from: at, until: at });
  const link = new Link({ roots: fleet.root.certificate, fleet: 'plant', role: 'gate', credential, moment });
  try {
    return await link.request({ url: `${server.url}/`, method: 'POST', body: '{"_id":"a"}' });
  } finally {
    link.close();
    if (server.requests.length === 0) assert.equal(server.applicationBytes(), 0);
  }
}

test('P2: by a time that is known a gate is taken that OpenSSL, by the clock alone, would not take', async () => {
  assert.equal((await judged(soon)).status, 202);
});

const foreign = new TestAuthority('plant infrastructure issuer');
const infrastructure = new X509Certificate(fleet.infrastructureIssuer.certificate);
const posers: [what: string, wish: Wish, at?: number | undefined, issuer?: string][] = [
  ['is over at that time', { from: -2, until: -1 }],
  ['is not begun at that time, and valid by the clock', {}, real() - 5 * day],
  ['is of a device', { ...soon, uri: 'device/truck-1' }],
  ['is of another host', { ...soon, alternatives: ['DNS:elsewhere.example'] }],
  ['is of another fleet', { ...soon, uri: 'spiffe://other/gate/gate-1' }],
  ['serves nobody', { ...soon, purposes: ['clientAuth'] }],
  ['comes without its issuer', soon, undefined, ''],
  ['is by an issuer that is over at that time', soon, +infrastructure.validToDate + day],
];
for (const [what, wish, at, issuer] of posers) {
  test(`P2: by a time that is known, not a byte goes to a gate whose certificate ${what}`, async () => {
    await assert.rejects(judged(wish, issuer, at), { code: 'server_not_verified', message: /nothing was sent/ });
  });
}

test('P2: a forged leaf under the issuer of the fleet is none, whatever the time', async () => {
  const forged = foreign.issue({
    ...{ uri: 'gate/gate-1', alternatives: localNames, purposes: ['serverAuth'] },
    ...soon,
  });
  const cert = forged.certificate + fleet.infrastructureIssuer.certificate;
  const server = await startServer({ ...gateOptions, key: forged.key, cert }, acknowledged);
  const moment = () => ({ from: real() + 1.5 * day, until: real() + 1.5 * day });
  const link = new Link({ roots: fleet.root.certificate, fleet: 'plant', role: 'gate', moment });
  await assert.rejects(link.request({ url: server.url }), { code: 'server_not_verified' });
  link.close();
  assert.equal(server.applicationBytes(), 0);
});
