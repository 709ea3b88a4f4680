import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { patienceMs } from '../../../../test/patience.ts';
import { temporaryDirectory } from '../../test/certificates.ts';
import { startEnrolment } from '../../test/enrolment.ts';
import { refused, until } from '../../test/servers.ts';
import { replaceFile } from '../durable.ts';
import { realSystem, type System } from '../system.ts';
import { beforeRenewal, type Credential, credentialFileIn, pairOf, readCredential } from './credential.ts';
import { enrol } from './enrol.ts';
import { KnownTime } from './known-time.ts';
import type { Proof } from './prove.ts';
import { confirm, renew } from './renew.ts';
import { Renewing } from './renewing.ts';

const authority = await startEnrolment();

async function enrolled() {
  const directory = join(temporaryDirectory(), 'device');
  const credential = await enrol({ token: authority.token, directory });
  return { directory, credential, stored: () => readCredential(credentialFileIn(directory)) };
}

test('a renewal brings another key and certificate, which the old key signed for and the new one confirms', async () => {
  const { directory, credential, stored } = await enrolled();
  const next = await renew({ credential, directory });
  assert.notEqual(next.key, credential.key);
  assert.notEqual(next.certificate, credential.certificate);
  assert.equal(next.unconfirmed, true);
  assert.deepEqual(next.previous, pairOf(credential));
  assert.deepEqual(stored(), next);
  const done = await confirm({ credential: next, directory });
  assert.equal(authority.confirmed.at(-1), next.certificate);
  assert.deepEqual([done.unconfirmed, done.previous], [undefined, undefined]);
  assert.deepEqual(stored(), done);
});

test('members that a later authority answers are ignored, in what is answered and on disk', async (context) => {
  authority.wishes.more = { hint: 'later', key: 'not the key', unconfirmed: 'no', nested: { a: [1] } };
  context.after(() => {
    authority.wishes.more = {};
  });
  const { directory, credential, stored } = await enrolled();
  assert.deepEqual(stored(), credential);
  assert.equal(credential.unconfirmed, undefined);
  const next = await renew({ credential, directory });
  assert.match(next.key, /PRIVATE KEY/);
  assert.deepEqual(await confirm({ credential: next, directory }), stored());
  const file = credentialFileIn(directory);
  replaceFile(file, JSON.stringify({ ...stored(), hint: 'later' }));
  assert.equal(readCredential(file).certificate, next.certificate);
});

test('confirming what is confirmed asks nothing', async () => {
  const { directory, credential } = await enrolled();
  const before = authority.server.requests.length;
  assert.equal(await confirm({ credential, directory }), credential);
  assert.equal(authority.server.requests.length, before);
});

test('a lost answer to a renewal leaves the old pair in force, and the next try uses the same key', async () => {
  const { directory, credential, stored } = await enrolled();
  authority.wishes.instead = [{ status: 0 }, 'break'];
  await assert.rejects(renew({ credential, directory }), { code: 'server_unreachable' });
  assert.deepEqual(stored(), credential);
  // Without the header, whose length follows the signature's, and without the signature, which is another each time.
  const keys = () =>
    authority.server.requests
      .filter(({ path }) => path === '/v1/renewals')
      .map(({ body }) => (JSON.parse(body) as { request: string }).request.slice(4, 150));
  await renew({ credential, directory });
  assert.equal(keys().at(-1), keys().at(-2));
});

test('a renewal that is refused leaves the old pair in force', async () => {
  const { directory, credential, stored } = await enrolled();
  authority.wishes.instead = [{ status: 0 }, refused(403, 'renewal_refused')];
  await assert.rejects(renew({ credential, directory }), { code: 'renewal_refused' });
  assert.deepEqual(stored(), credential);
});

test('a renewed certificate of somebody else is not adopted', async () => {
  const { directory, credential, stored } = await enrolled();
  authority.wishes.leaf = { uri: 'device/truck-18' };
  await assert.rejects(renew({ credential, directory }), { code: 'answer_malformed' });
  authority.wishes.leaf = {};
  assert.deepEqual(stored(), credential);
});

function renewingOf(
  directory: string,
  first: Credential,
  system: System = realSystem,
  prove: () => Proof = () => ({ gate: 'https://gate.example' }),
) {
  let credential = first;
  const failures: string[] = [];
  const used: string[] = [];
  const renewing = new Renewing({
    directory,
    system,
    time: new KnownTime(system),
    credential: () => credential,
    adopt: (next) => {
      credential = next;
    },
    prove: async () => prove(),
    use: async ({ certificate }) => {
      used.push(certificate);
    },
    adoptGates: (next) => {
      credential = next;
    },
    onFailure: ({ code }) => failures.push(code),
  });
  after(() => renewing.stop());
  return { renewing, failures, used, current: () => credential };
}

const systemAt = (milliseconds: number, random: System['random'] = (bytes) => Buffer.alloc(bytes)): System => ({
  ...realSystem,
  now: () => milliseconds,
  random,
});

test('K4: of a renewal in 400 days nothing is asked before its time, and a machine that slept over it renews within a minute of waking', async (context) => {
  const { directory, credential } = await enrolled();
  const pause = globalThis.setTimeout;
  const asleepMs = 400 * 86_400_000;
  const clock = { now: Date.now() };
  const renewAfter = new Date(clock.now + asleepMs).toISOString();
  const far = { ...credential, renewAfter, notAfter: new Date(clock.now + 2 * asleepMs).toISOString() };
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { renewing, failures, current } = renewingOf(directory, far, { ...systemAt(0), now: () => clock.now });
  renewing.start();
  // Had it been set for 400 days, it would have fired at once; and it does not run while a machine sleeps.
  for (let minutes = 0; minutes < 10; minutes++) {
    context.mock.timers.tick(60_000);
    await new Promise(setImmediate);
  }
  assert.deepEqual([current(), failures], [far, []]);
  clock.now += asleepMs;
  context.mock.timers.tick(60_000);
  const begun = performance.now();
  while (current().unconfirmed || current().certificate === far.certificate) {
    assert.ok(performance.now() - begun < patienceMs, 'it renews');
    await new Promise<void>((resolve) => pause(resolve, 10));
    context.mock.timers.tick(1);
  }
  assert.deepEqual([authority.confirmed.at(-1), failures], [current().certificate, []]);
});

test('what is due is renewed and confirmed without being asked to', async () => {
  const { directory, credential } = await enrolled();
  const { renewing, current } = renewingOf(directory, credential, systemAt(Date.parse(credential.renewAfter) + 1));
  authority.wishes.renewAfterMs = 400 * 86_400_000;
  renewing.start();
  await until('a confirmed renewal', () => current() !== credential && current().unconfirmed === undefined);
  authority.wishes.renewAfterMs = 15 * 86_400_000;
  assert.equal(authority.confirmed.at(-1), current().certificate);
  await renewing.stop();
});

test('a start with a renewed and unconfirmed pair confirms it', async () => {
  const { directory, credential } = await enrolled();
  const next = await renew({ credential, directory });
  const { renewing, current } = renewingOf(directory, next);
  renewing.start();
  await until('the confirmation', () => current().unconfirmed === undefined);
  assert.equal(current().certificate, next.certificate);
});

test('a failed renewal is tried again', async () => {
  const { directory, credential } = await enrolled();
  const { renewing, failures, current } = renewingOf(
    directory,
    credential,
    systemAt(Date.parse(credential.renewAfter)),
  );
  authority.wishes.instead = ['break', { status: 503, body: {} }];
  authority.wishes.renewAfterMs = 400 * 86_400_000;
  renewing.start();
  await until('a renewal', () => current() !== credential && current().unconfirmed === undefined);
  authority.wishes.renewAfterMs = 15 * 86_400_000;
  assert.deepEqual(failures, ['server_unreachable', 'answer_malformed']);
});

test('a time that is 400 days away asks for nothing now, and no timer is longer than an hour (FIELD-NOTES K4)', async (t) => {
  authority.wishes.renewAfterMs = 400 * 86_400_000;
  const { directory, credential } = await enrolled();
  authority.wishes.renewAfterMs = 15 * 86_400_000;
  const { renewing } = renewingOf(directory, credential, systemAt(Date.now()));
  const set = t.mock.method(globalThis, 'setTimeout');
  const before = authority.server.requests.length;
  renewing.start();
  assert.equal(set.mock.calls[0]?.arguments[1], 60_000);
  set.mock.restore();
  await renewing.stop();
  assert.equal(authority.server.requests.length, before);
});

test('stopping ends a renewal that hangs, and adopts nothing', async () => {
  const { directory, credential, stored } = await enrolled();
  const { renewing, failures, current } = renewingOf(
    directory,
    credential,
    systemAt(Date.parse(credential.renewAfter)),
  );
  authority.wishes.instead = ['hang'];
  const before = authority.server.requests.length;
  renewing.start();
  await until('a request', () => authority.server.requests.length > before);
  await renewing.stop();
  assert.equal(current(), credential);
  assert.deepEqual(stored(), credential);
  assert.deepEqual(failures, []);
});

const others = ['https://gate-2.example:8443', 'https://gate-3.example:8443'];

test('where no gate can be used others are asked for, and noted on disk; the pair stays', async () => {
  authority.wishes.gates = [];
  const { directory, credential, stored } = await enrolled();
  const { renewing, current, failures } = renewingOf(directory, credential, systemAt(Date.now()));
  renewing.start();
  authority.wishes.gates = others;
  renewing.askForGates();
  renewing.askForGates();
  await until('other gates', () => current() !== credential);
  assert.deepEqual(current(), { ...credential, gates: others });
  assert.deepEqual(stored(), current());
  assert.deepEqual(failures, []);
  authority.wishes.gates = [];
});

test('asking for gates slows down while it brings nothing, and begins anew once a gate was found', async (t) => {
  const { directory, credential } = await enrolled();
  let clock = 0;
  const system = systemAt(Date.now(), (bytes) => Buffer.alloc(bytes, 0xff));
  const { renewing } = renewingOf(directory, credential, { ...system, monotonic: () => clock });
  /** The timer that asking sets, in seconds, and what it does. */
  const asked = () => {
    const set = t.mock.method(globalThis, 'setTimeout', () => undefined as never);
    renewing.askForGates();
    renewing.askForGates();
    set.mock.restore();
    assert.equal(set.mock.callCount(), 1, 'asked for twice, it is done once');
    const { arguments: given } = set.mock.calls[0] as unknown as { arguments: [() => void, number] };
    return { look: given[0], seconds: Math.round(given[1] / 1_000) };
  };
  for (const expected of [10, 20, 40]) {
    const { look, seconds } = asked();
    assert.equal(seconds, expected);
    clock += expected * 1_000;
    const before = authority.server.requests.length;
    look();
    await renewing.settled(AbortSignal.timeout(60_000));
    assert.deepEqual(
      authority.server.requests.slice(before).map(({ path }) => path),
      ['/v1/renewals/nonce', '/v1/renewals/gates'],
    );
  }
  renewing.gatesFound();
  assert.equal(asked().seconds, 10);
});

test('a renewal that is due is waited for, one that fails or hangs no longer than that or than asked', async () => {
  const { directory, credential } = await enrolled();
  const due = systemAt(Date.parse(credential.renewAfter));
  const { renewing, current } = renewingOf(directory, credential, due);
  authority.wishes.renewAfterMs = 400 * 86_400_000;
  renewing.start();
  await renewing.settled(AbortSignal.timeout(60_000));
  authority.wishes.renewAfterMs = 15 * 86_400_000;
  assert.equal(authority.confirmed.at(-1), current().certificate);

  const failing = renewingOf(directory, credential, due);
  authority.wishes.instead = [refused(403, 'renewal_refused')];
  failing.renewing.start();
  await failing.renewing.settled(AbortSignal.timeout(60_000));
  assert.deepEqual(failing.failures, ['renewal_refused']);
  await failing.renewing.stop();

  const hanging = renewingOf(directory, credential, due);
  authority.wishes.instead = ['hang'];
  hanging.renewing.start();
  await hanging.renewing.settled(AbortSignal.timeout(300));
  await hanging.renewing.stop();
  assert.equal(hanging.current(), credential);

  const idle = renewingOf(directory, credential);
  idle.renewing.start();
  await idle.renewing.settled(AbortSignal.timeout(60_000));
});

const away = { why: 'no answer', reached: false };
const refusing = { why: 'certificate expired', reached: true };
const hour = 3_600_000;

/** A renewed pair that is not confirmed yet, whose own time begins now. */
async function unproven() {
  const { directory, credential, stored } = await enrolled();
  Object.assign(authority.wishes, { gates: ['https://gate.example'], renewAfterMs: 400 * 24 * hour });
  const next = await renew({ credential, directory });
  Object.assign(authority.wishes, { gates: [], renewAfterMs: 15 * 24 * hour });
  const issuedAt = +new X509Certificate(next.certificate).validFromDate + hour;
  return { directory, credential, next, stored, issuedAt };
}

for (const [what, proof] of [
  ['refuse it', refusing],
  ['are away', away],
] as const) {
  test(`D9: a renewed pair is neither used nor confirmed while gates ${what}; the old one stays, on disk too`, async () => {
    const { directory, credential, next, stored, issuedAt } = await unproven();
    const before = authority.confirmed.length;
    const { renewing, failures, used } = renewingOf(directory, next, systemAt(issuedAt + 23 * hour), () => proof);
    renewing.start();
    await renewing.settled(AbortSignal.timeout(60_000));
    assert.deepEqual([failures, used, authority.confirmed.length], [['server_unreachable'], [], before]);
    assert.deepEqual(pairOf(beforeRenewal(stored())), pairOf(credential));
    await renewing.stop();
  });
}

test('D9: gates that are away hold a renewed pair up for a day, gates that refuse it until the old one ends', async () => {
  const { directory, next, issuedAt } = await unproven();
  const at = async (system: System, proof: Proof) => {
    const { renewing, used } = renewingOf(directory, next, system, () => proof);
    renewing.start();
    await renewing.settled(AbortSignal.timeout(60_000));
    await renewing.stop();
    return used.length;
  };
  const end = Date.parse(next.previous?.notAfter ?? '');
  assert.equal(await at(systemAt(issuedAt + 25 * hour), refusing), 0);
  assert.equal(await at(systemAt(end - 1_000), refusing), 0);
  assert.equal(await at(systemAt(issuedAt + 25 * hour), away), 1);
  assert.equal(await at(systemAt(end), refusing), 1);
});

test('who is told when to come again does not come sooner, however often the clock is looked at', async (t) => {
  const { directory, credential } = await enrolled();
  let clock = 0;
  const system = { ...systemAt(Date.parse(credential.renewAfter)), monotonic: () => clock };
  const { renewing, failures } = renewingOf(directory, credential, system);
  authority.wishes.instead = [
    { status: 0 },
    { ...refused(429, 'renewal_too_soon'), headers: { 'retry-after': '300' } },
  ];
  const set = t.mock.method(globalThis, 'setTimeout');
  renewing.start();
  await renewing.settled(AbortSignal.timeout(60_000));
  await until('the next look', () => set.mock.calls.some(({ arguments: [, ms] }) => ms === 60_000));
  assert.deepEqual(failures, ['renewal_too_soon']);
  const asked = authority.server.requests.length;
  const look = async () => {
    set.mock.calls.findLast(({ arguments: [, ms] }) => ms === 60_000)?.arguments[0]();
    await new Promise(setImmediate);
  };
  for (clock = 60_000; clock < 300_000; clock += 60_000) await look();
  assert.equal(authority.server.requests.length, asked);
  await look();
  await until('the next try', () => authority.server.requests.length > asked);
  await renewing.stop();
});

test('D7: by a clock that is before its own certificate nothing is renewed before the time is known; then what is due is', async () => {
  const { directory, credential } = await enrolled();
  const { renewing, current } = renewingOf(directory, credential, { ...systemAt(0), monotonic: () => 0 });
  authority.wishes.time = () => Date.parse(credential.renewAfter) + 1;
  authority.wishes.renewAfterMs = 400 * 86_400_000;
  const asked = authority.server.requests.length;
  renewing.start();
  await until('a confirmed renewal', () => current() !== credential && current().unconfirmed === undefined);
  await renewing.stop();
  Object.assign(authority.wishes, { time: Date.now, renewAfterMs: 15 * 86_400_000 });
  assert.equal(authority.server.requests[asked]?.path, '/v1/time');
});
