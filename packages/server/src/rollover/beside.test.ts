import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { AlertsQuery, RolloverRequest, type SubjectId } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { openRolledFleet } from '../../test/rolled-fleet.ts';
import type { SignedCertificate } from '../issuance/issuance.ts';
import { fromPem } from '../pki/pki.ts';
import { openLists } from '../revocation/revocation.ts';
import { createLog } from '../telemetry/telemetry.ts';

const [hour, day] = [3_600_000, 86_400_000];
const [first, second] = ['fleet-1 device issuer', 'fleet-1 device-2 issuer'];

/** A gate, and so many devices below the first issuer. */
async function openFleet(context: TestContext, devices: number, perCertificates = 100_000) {
  const house = await openRolledFleet(context, perCertificates);
  const { rollovers, enrolled, clock, by, alerts } = house;
  await rollovers.look();
  await enrolled('gate-1', 'gate');
  for (let number = 1; number <= devices; number++) await enrolled(`truck-${number}`);
  clock.now += hour;
  return {
    ...house,
    async besides() {
      await rollovers.start(by, { what: 'device', beside: true });
      rollovers.heard('gate-1', house.issuance.bundle.version);
      await rollovers.settled();
      await rollovers.advance(by, {});
      return rollovers.advance(by, {});
    },
    live: async () => {
      const { issuers } = await rollovers.list();
      return issuers.filter(({ role }) => role === 'device').map(({ name, state, live }) => [name, state, live]);
    },
    rings: async () => (await alerts.list(AlertsQuery.parse({ kind: 'issuer_filling', open: '1' }))).items,
  };
}

test('an issuer beside another signs once gates hold it; none goes, and nothing is under way any more', async (context) => {
  const { rollovers, issuance, enrolled, by, besides, live } = await openFleet(context, 3);
  const { rollover } = await rollovers.start(by, { what: 'device', beside: true });
  assert.deepEqual([rollover.phase, rollover.leaves, rollover.comes], ['prepared', [], [second]]);
  await assert.rejects(rollovers.advance(by, {}), { code: 'rollover_loses', message: /gate-1/ });
  assert.equal((await enrolled('truck-4')).issuer, first, 'it signs nothing yet');
  await rollovers.abandon(by);
  const { phase, comes } = await besides();
  assert.deepEqual([phase, comes], ['issuing', ['fleet-1 device-3 issuer']]);
  assert.deepEqual(await live(), [
    [first, 'issuing', 4],
    ['fleet-1 device-3 issuer', 'issuing', 0],
  ]);
  await assert.rejects(rollovers.retire(by, { force: true }), { code: 'rollover_not_ready' });
  const { rollover: after } = await rollovers.start(by, { what: 'device' });
  assert.deepEqual(after.leaves, [first, 'fleet-1 device-3 issuer'], 'what follows them follows both');
  await rollovers.advance(by, { without: ['gate-1'] as SubjectId[] });
  await rollovers.advance(by, {});
  assert.equal((await enrolled('truck-5')).issuer, 'fleet-1 device-4 issuer');
  assert.equal(fromPem('CERTIFICATE', issuance.bundle.issuers).length, 4);
});

test('the one with the fewest certificates takes the next, so that renewals level them', async (context) => {
  const { rollovers, enrolled, clock, besides, live } = await openFleet(context, 6);
  await besides();
  const signers: string[] = [];
  for (let number = 1; number <= 8; number++) signers.push((await enrolled(`van-${number}`)).issuer);
  assert.deepEqual(signers.slice(0, 6), Array(6).fill(second));
  assert.deepEqual(new Set(signers.slice(6)), new Set([first, second]));
  assert.deepEqual(await live(), [
    [first, 'issuing', 7],
    [second, 'issuing', 7],
  ]);
  clock.now += 31 * day;
  await rollovers.look();
  for (let number = 1; number <= 6; number++) await enrolled(`truck-${number}`);
  assert.deepEqual(await live(), [
    [first, 'issuing', 3],
    [second, 'issuing', 3],
  ]);
  clock.now += 3_649 * day - 360 * day;
  assert.equal((await enrolled('van-1')).issuer, second, 'one that ends within a year takes nothing');
});

test('from 80 % on the issuers ring, by a command that settles it', async (context) => {
  const { rollovers, enrolled, besides, rings } = await openFleet(context, 7, 10);
  await rollovers.look();
  assert.deepEqual(await rings(), []);
  await enrolled('truck-8');
  await rollovers.look();
  const [alert] = await rings();
  assert.deepEqual(alert?.detail, { live: 8, room: 10, issuers: 1 });
  assert.match(alert.says, /^"fleet-1 device issuer" have 8 .* of 10 .*"portcullis rollover start device --beside"/);
  await besides();
  await rollovers.look();
  assert.deepEqual(await rings(), []);
});

test('what was signed under either is verified by the bundle, and each has a complete list and a delegate of its own', async (context) => {
  const { issuance, enrolled, besides, store, journal, system, revocation, by } = await openFleet(context, 2);
  await besides();
  const cut: SignedCertificate[] = [];
  for (let number = 1; number <= 4; number++) cut.push(await enrolled(`van-${number}`));
  assert.deepEqual(new Set(cut.map(({ issuer }) => issuer)), new Set([first, second]));
  const told = fromPem('CERTIFICATE', issuance.bundle.issuers).map((der) => new X509Certificate(der));
  for (const { pem } of cut) {
    const leaf = new X509Certificate(pem);
    const above = told.filter((one) => leaf.checkIssued(one) && leaf.verify(one.publicKey));
    assert.equal(above.length, 1, 'a leaf alone has its issuer in the bundle');
  }
  const log = createLog({ role: 'authority', level: 'silent' });
  await using lists = await openLists({ store, journal, issuers: issuance.issuers, system, log });
  for (const { subject } of cut) await revocation.change(by, { action: 'revoke', subject } as never);
  await lists.settled();
  for (const [key, name] of [
    ['issuer-device', first],
    ['issuer-device-2', second],
  ] as const) {
    const list = lists.current().find(({ issuer }) => issuer === key);
    assert.equal(list?.entries, cut.filter(({ issuer }) => issuer === name).length, name);
  }
  const request = makeRequest(makeKey(), 'anybody');
  for (const { fingerprint: answersFor, role, name } of issuance.issuers()) {
    const asked = { subject: 'desk-1', kind: 'desk', request, answersFor } as const;
    const delegate = await issuance.issue(await issuance.check(asked));
    if (role === 'device') assert.equal(delegate.issuer, name, 'a desk answers in the name of each');
  }
});

test('beside is of issuers for devices, with keys as they have', () => {
  for (const body of [{ what: 'root' }, { what: 'infrastructure' }, { what: 'device', keys: 'p-384' }]) {
    assert.equal(RolloverRequest.safeParse({ ...body, beside: true }).success, false, JSON.stringify(body));
  }
  assert.equal(RolloverRequest.safeParse({ what: 'device', beside: true, elsewhere: true }).success, true);
});
