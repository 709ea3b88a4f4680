import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AlertsQuery, PortcullisError } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { eventually } from '../../test/house.ts';
import { openRolledFleet } from '../../test/rolled-fleet.ts';
import type { Issuance } from '../issuance/issuance.ts';
import { fromPem } from '../pki/pki.ts';
import { openLists } from '../revocation/revocation.ts';
import { createLog } from '../telemetry/telemetry.ts';
import { FillMark } from './fill-mark.ts';
import type { Rollovers } from './rollover.ts';

const hour = 3_600_000;
const [first, second] = ['fleet-1 device issuer', 'fleet-1 device-2 issuer'];
const perCertificates = 10;

/** A gate, and an authority that makes the next issuer by itself. `others`: whether other machines may lead. */
async function openFleet(context: TestContext, others = { mayLead: false }) {
  const house = await openRolledFleet(context, perCertificates);
  const { enrolled, clock, journal, alerts } = house;
  await enrolled('gate-1', 'gate');
  clock.now += hour;
  let { issuance, rollovers } = house;
  const minds = () => rollovers.makesNext({ isAlone: async () => !others.mayLead });
  minds();
  let devices = 0;
  return {
    ...house,
    others,
    now: (): { issuance: Issuance; rollovers: Rollovers } => ({ issuance, rollovers }),
    async restart() {
      await rollovers[Symbol.asyncDispose]();
      ({ issuance, rollovers } = await house.restarted());
      minds();
    },
    /** So many more devices; resolves to who signed for them. */
    async come(count: number) {
      const signers: string[] = [];
      for (let number = 1; number <= count; number++)
        signers.push((await enrolled(`truck-${++devices}`, 'device', 'client', issuance)).issuer);
      return signers;
    },
    async gateHolds() {
      rollovers.heard('gate-1', issuance.bundle.version);
      await rollovers.settled();
    },
    async state() {
      const { issuers, items } = await rollovers.list();
      const devices = issuers.filter(({ role }) => role === 'device');
      return { phase: items[0]?.phase, issuers: devices.map(({ name, state, live }) => [name, state, live]) };
    },
    async rings() {
      const { items } = await alerts.list(AlertsQuery.parse({ kind: 'issuer_filling', open: '1' }));
      return items.map(({ says }) => says);
    },
    async journaled() {
      const entries = await journal.entries(0, 500);
      return entries
        .filter(({ action }) => action.startsWith('rollovers.'))
        .map(({ action, actor }) => [action, actor]);
    },
  };
}

test('at 80 % the next issuer is made by itself, gates are told, and once the first is full it signs', async (context) => {
  const { now, come, gateHolds, state, rings, journaled, restart, clock } = await openFleet(context);
  const { rollovers } = now();
  await come(7);
  await rollovers.look();
  assert.deepEqual(await state(), { phase: undefined, issuers: [[first, 'issuing', 7]] });
  assert.deepEqual(await rings(), []);

  assert.deepEqual(await come(1), [first]);
  await rollovers.look();
  const made = [
    [first, 'issuing', 8],
    [second, 'next', 0],
  ];
  assert.deepEqual(await state(), { phase: 'prepared', issuers: made });
  const [says, ...more] = await rings();
  assert.match(says ?? '', /have 8 .* of 10 .*"fleet-1 device-2 issuer" was made .* signs once they are full: back up/);
  assert.deepEqual(more, []);

  await restart();
  await gateHolds();
  assert.deepEqual(await state(), { phase: 'trusted', issuers: made });
  assert.deepEqual(await come(1), [first], 'there is room');
  await now().rollovers.look();
  assert.equal((await state()).phase, 'trusted');
  await restart();
  assert.deepEqual(await come(1), [first]);
  await now().rollovers.look();
  assert.deepEqual(await state(), {
    phase: 'issuing',
    issuers: [
      [first, 'issuing', 10],
      [second, 'issuing', 0],
    ],
  });
  assert.deepEqual(await rings(), [], 'there is room again');
  assert.deepEqual(await come(3), [second, second, second]);
  const itself = 'authority';
  assert.deepEqual(await journaled(), [
    ['rollovers.start', itself],
    ['rollovers.advance', itself],
    ['rollovers.advance', itself],
  ]);
  clock.now += hour;
  await now().rollovers.look();
  assert.equal((await state()).issuers.length, 2, 'one at a time');
});

test('who was enrolled before and after is verified by the bundle, and each issuer has its own list and answers', async (context) => {
  const fleet = await openFleet(context);
  const { now, enrolled, come, gateHolds, store, journal, system, revocation, by } = fleet;
  const before = await enrolled('van-1');
  await come(9);
  await now().rollovers.look();
  await gateHolds();
  const { issuance } = now();
  const after = await enrolled('van-2');
  assert.deepEqual([before.issuer, after.issuer], [first, second]);
  const told = fromPem('CERTIFICATE', issuance.bundle.issuers).map((der) => new X509Certificate(der));
  for (const { pem } of [before, after]) {
    const leaf = new X509Certificate(pem);
    assert.equal(told.filter((one) => leaf.checkIssued(one) && leaf.verify(one.publicKey)).length, 1);
  }
  const log = createLog({ role: 'authority', level: 'silent' });
  await using lists = await openLists({ store, journal, issuers: issuance.issuers, system, log });
  for (const { subject } of [before, after]) await revocation.change(by, { action: 'revoke', subject } as never);
  await lists.settled();
  for (const key of ['issuer-device', 'issuer-device-2'])
    assert.equal(lists.current().find(({ issuer }) => issuer === key)?.entries, 1, key);
  const request = makeRequest(makeKey(), 'anybody');
  for (const { fingerprint: answersFor, role, name } of issuance.issuers()) {
    if (role !== 'device') continue;
    const asked = { subject: 'desk-1', kind: 'desk', request, answersFor } as const;
    assert.equal((await issuance.issue(await issuance.check(asked))).issuer, name);
  }
});

test('many who enrol between two looks are counted as they come', async (context) => {
  const { now, come, gateHolds, state } = await openFleet(context);
  await now().rollovers.look();
  // A gate tells what it holds at each turn: what is on disk is in the bundle a moment later.
  const reaches = (phase: string) =>
    eventually(async () => {
      await gateHolds();
      return (await state()).phase === phase;
    }, `it is ${phase}`);
  await come(8);
  await reaches('trusted');
  await come(2);
  await reaches('issuing');
  await eventually(async () => (await come(1))[0] === second, 'it signs');
});

test('where the root is not here the alert names the command, and goes on by itself once it is', async (context) => {
  const { now, come, state, rings, directory } = await openFleet(context);
  const [here, away] = [join(directory, 'keys/root.pem'), join(directory, 'root.pem')];
  // This process opened it when it started: what is in its memory is not used.
  renameSync(here, away);
  await come(8);
  await now().rollovers.look();
  assert.deepEqual((await state()).issuers, [[first, 'issuing', 8]]);
  const asks = /^"fleet-1 device issuer" have 8 .*"portcullis rollover start device --beside" makes another issuer/;
  assert.match((await rings()).join('\n'), asks);
  renameSync(away, here);
  await now().rollovers.look();
  assert.equal((await state()).phase, 'prepared');
  assert.match((await rings()).join('\n'), /^[^\n]*was made beside them[^\n]*$/);
});

test('where another machine may lead, which would lack the key, nothing is made by itself, and nothing begins to sign', async (context) => {
  const { now, come, state, rings, others, gateHolds } = await openFleet(context, { mayLead: true });
  await come(8);
  await now().rollovers.look();
  assert.equal((await state()).phase, undefined);
  assert.match((await rings()).join('\n'), /"portcullis rollover start device --beside"/);
  others.mayLead = false;
  await now().rollovers.look();
  await gateHolds();
  assert.equal((await state()).phase, 'trusted');
  others.mayLead = true;
  await come(2);
  await now().rollovers.look();
  assert.equal((await state()).phase, 'trusted');
  assert.match((await rings()).join('\n'), /"fleet-1 device-2 issuer" does not sign yet: another authority may lead/);
  await now().rollovers.advance({ actor: 'operator-1' }, {});
  assert.deepEqual(await come(1), [second]);
});

test('full, and a gate does not hold the bundle, or the key is not here: the alert says it, and nothing signs that nobody can start with', async (context) => {
  const { now, come, state, rings, gateHolds, directory, restart, by } = await openFleet(context);
  await come(10);
  await now().rollovers.look();
  assert.equal((await state()).phase, 'prepared');
  assert.match((await rings()).join('\n'), /does not sign yet: 1 do not hold version 2 of the bundle: gate-1/);
  assert.deepEqual(await come(1), [first], 'nothing is refused');
  const key = join(directory, 'keys/issuer-device-2.pem');
  renameSync(key, `${key}.away`);
  await gateHolds();
  assert.equal((await state()).phase, 'trusted');
  await assert.rejects(now().rollovers.advance(by, { force: true }), {
    code: 'key_unusable',
    message: /issuer-device-2/,
  });
  await restart();
  await now().rollovers.look();
  assert.equal((await state()).phase, 'trusted');
  renameSync(`${key}.away`, key);
  await now().rollovers.look();
  assert.equal((await state()).phase, 'issuing');
});

test('what came by itself gives way to what somebody starts, and is not made again after somebody took it back', async (context) => {
  const { now, come, state, rings, by, journaled } = await openFleet(context);
  const { rollovers } = now();
  await come(8);
  await rollovers.look();
  await assert.rejects(rollovers.start(by, { what: 'device', beside: true }), { code: 'rollover_under_way' });
  const { rollover } = await rollovers.start(by, { what: 'infrastructure' });
  assert.deepEqual([rollover.number, rollover.phase, rollover.byItself], [2, 'prepared', false]);
  const { items } = await rollovers.list();
  assert.deepEqual([items[1]?.phase, items[1]?.byItself], ['abandoned', true]);
  assert.deepEqual((await state()).issuers, [[first, 'issuing', 8]]);
  await rollovers.look();
  assert.match((await rings()).join('\n'), /"portcullis rollover start device --beside"/, 'one is under way');
  await rollovers.abandon(by);
  await rollovers.look();
  assert.equal((await state()).issuers[1]?.[0], 'fleet-1 device-3 issuer');
  await rollovers.abandon(by);
  await rollovers.look();
  assert.deepEqual([(await state()).phase, (await rings()).length], ['abandoned', 1]);
  assert.deepEqual((await journaled()).at(-1), ['rollovers.abandon', by.actor]);
});

test('what fails is tried once for each start, since it may leave a key behind; the alert asks for it', async (context) => {
  const { now, come, state, rings, restart, keys } = await openFleet(context);
  const { create } = keys;
  let tried = 0;
  keys.create = async () => {
    tried += 1;
    throw new PortcullisError('key_unusable', 'no room');
  };
  await come(8);
  for (let looks = 0; looks < 3; looks++) await now().rollovers.look();
  assert.equal(tried, 1);
  assert.match((await rings()).join('\n'), /"portcullis rollover start device --beside"/);
  keys.create = create;
  await restart();
  await now().rollovers.look();
  assert.equal((await state()).phase, 'prepared');
});

test('it is counted anew once for each share that may be reached, and not for each certificate', () => {
  const mark = new FillMark(1_000);
  const issue = (count: number) => Array.from({ length: count }, () => mark.issued()).filter(Boolean).length;
  assert.equal(issue(5_000), 0, 'nothing was counted yet');
  mark.counting();
  mark.counted({ live: 700, room: 1_000, names: [] });
  assert.deepEqual([issue(99), issue(1), issue(5_000)], [0, 1, 0]);
  mark.counting();
  mark.counted({ live: 799, room: 1_000, names: [] });
  assert.deepEqual([issue(9), issue(1)], [0, 1], 'renewals are counted twice until then');
  mark.counting();
  mark.counted({ live: 900, room: 1_000, names: [] });
  assert.deepEqual([issue(99), issue(1)], [0, 1]);
  mark.counting();
  mark.counted({ live: 1_200, room: 1_000, names: [] });
  assert.equal(issue(5_000), 0);
  mark.counting();
  assert.equal(issue(150), 0);
  assert.equal(mark.counted({ live: 700, room: 1_000, names: [] }), true, 'what came meanwhile may not be counted');
  assert.equal(issue(5_000), 0, 'it is about to be counted');
});
