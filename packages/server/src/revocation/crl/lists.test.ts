import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { AsnConvert } from '@peculiar/asn1-schema';
import { CertificateList } from '@peculiar/asn1-x509';
import { openIssuing } from '../../../test/issuing-records.ts';
import { type Records, subjectId } from '../../../test/records.ts';
import type { Signer } from '../../keys/keys.ts';
import { createLog } from '../../telemetry/telemetry.ts';
import { backdateMs, type Lists, lifetimeMs, openLists, type RevocationList } from './lists.ts';

const day = 86_400_000;
const by = { actor: 'operator-1' };

async function openHouse(context: TestContext) {
  const house = await openIssuing(context);
  const { store, journal, system, issuance } = house;
  const log = createLog({ role: 'authority', level: 'silent' });
  const open = async () => {
    const lists = await openLists({ store, journal, issuers: issuance.issuers, system, log });
    context.after(() => lists[Symbol.asyncDispose]());
    await lists.settled();
    return lists;
  };
  return { ...house, open };
}

const listOf = (lists: Lists, issuer = 'issuer-device') =>
  lists.current().find((one) => one.issuer === issuer) as RevocationList;

function serialsOn({ der }: RevocationList): string[] {
  const { tbsCertList } = AsnConvert.parse(Buffer.from(der), CertificateList);
  return (tbsCertList.revokedCertificates ?? []).map(({ userCertificate }) =>
    Buffer.from(userCertificate).toString('hex'),
  );
}

const seconds = (milliseconds: number) => Math.floor(milliseconds / 1_000);

const changed = (records: Records, action: 'revoke' | 'suspend' | 'resume', subject: string) =>
  records.revocation.change(by, { action, subject: subjectId(subject) } as never);

test('each issuer has a list of its own, the root too, with the times that readers want', async (context) => {
  const house = await openHouse(context);
  const lists = await house.open();
  assert.deepEqual(
    lists
      .current()
      .map(({ issuer, number, entries }) => [issuer, number, entries])
      .toSorted(),
    [
      ['issuer-device', seconds(house.clock.now), 0],
      ['issuer-infrastructure', seconds(house.clock.now) + 1, 0],
      ['root', seconds(house.clock.now), 0],
    ],
  );
  const { thisUpdate, nextUpdate } = listOf(lists);
  assert.equal(thisUpdate, house.clock.now - backdateMs);
  assert.equal(nextUpdate, house.clock.now + lifetimeMs.device);
});

test('revoked and suspended ones are on it; who is resumed leaves it; who is superseded never was', async (context) => {
  const house = await openHouse(context);
  const [one, two] = [await house.device('truck-1'), await house.device('truck-2')];
  await house.device('truck-3');
  const lists = await house.open();
  const first = listOf(lists, 'issuer-infrastructure').number;
  assert.deepEqual(serialsOn(listOf(lists)), []);
  await changed(house, 'suspend', 'truck-1');
  await changed(house, 'revoke', 'truck-2');
  await lists.settled();
  assert.deepEqual(serialsOn(listOf(lists)).toSorted(), [one, two].toSorted());
  await changed(house, 'resume', 'truck-1');
  await lists.settled();
  assert.deepEqual(serialsOn(listOf(lists)), [two]);
  assert.equal(listOf(lists).number, first + 2);
  assert.equal(listOf(lists, 'issuer-infrastructure').number, first, 'nothing happened there');
});

test('by itself a second after a revocation, and at half of its life', async (context) => {
  const house = await openHouse(context);
  const serial = await house.device('truck-1');
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const lists = await house.open();
  await changed(house, 'revoke', 'truck-1');
  assert.deepEqual(serialsOn(listOf(lists)), [], 'a revocation waits for no list');
  // Followers are told after the commit.
  const passed = async (ms: number, until: () => boolean) => {
    for (context.mock.timers.tick(ms); !until(); context.mock.timers.tick(ms))
      await new Promise((resolve) => setImmediate(resolve));
  };
  await passed(1_000, () => serialsOn(listOf(lists)).length > 0);
  assert.deepEqual(serialsOn(listOf(lists)), [serial]);
  const { number } = listOf(lists);
  house.clock.now += lifetimeMs.device / 2 + 1;
  await passed(60_000, () => listOf(lists).number > number);
  assert.equal(listOf(lists).thisUpdate, house.clock.now - backdateMs);
});

test('who ended stands on one more list, and then on none (RFC 5280 §3.3)', async (context) => {
  const house = await openHouse(context);
  const serial = await house.device('truck-1');
  const lists = await house.open();
  await changed(house, 'revoke', 'truck-1');
  await lists.settled();
  house.clock.now += 31 * day;
  await lists.settled();
  assert.deepEqual(serialsOn(listOf(lists)), [serial]);
  house.clock.now += day;
  await lists.settled();
  assert.deepEqual(serialsOn(listOf(lists)), []);
});

test('P9: a clock that was ahead for a while and is put back takes nobody off the list', async (context) => {
  const house = await openHouse(context);
  const serial = await house.device('truck-1');
  await changed(house, 'revoke', 'truck-1');
  const lists = await house.open();
  assert.deepEqual(serialsOn(listOf(lists)), [serial]);
  house.clock.now += 40 * day;
  await lists.settled();
  house.clock.now -= 40 * day;
  await lists.settled();
  assert.equal(listOf(lists).thisUpdate, house.clock.now - backdateMs);
  assert.deepEqual(serialsOn(listOf(lists)), [serial]);
});

test('P9: who was revoked and archived while the clock was ahead is on the list again once that is put back', async (context) => {
  const house = await openHouse(context);
  const [serial, superseded] = [await house.device('truck-1'), await house.device('truck-2')];
  await changed(house, 'revoke', 'truck-1');
  const lists = await house.open();
  house.clock.now += 400 * day;
  await house.store.change(async (db) => {
    const rows = await db.selectFrom('certificates').selectAll().where('serial', 'in', [serial, superseded]).execute();
    const archived = rows.map((row) => ({ ...row, archivedAt: house.clock.now }));
    for (const row of archived) if (row.serial === superseded) row.standing = 'superseded';
    await db.insertInto('archivedCertificates').values(archived).execute();
    await db.deleteFrom('certificates').where('serial', 'in', [serial, superseded]).execute();
  });
  await lists.settled();
  await lists.settled();
  assert.deepEqual(serialsOn(listOf(lists)), []);
  house.clock.now -= 400 * day;
  await lists.settled();
  assert.deepEqual(serialsOn(listOf(lists)), [serial]);
  await lists[Symbol.asyncDispose]();
  assert.deepEqual(serialsOn(listOf(await house.open())), [serial], 'also over a restart');
});

test('P9: a store that is older gives no number twice, nor with a clock that was ahead when the newest were given', async (context) => {
  const house = await openHouse(context);
  await house.device('truck-1');
  const lists = await house.open();
  const numbers = () => ['issuer-device', 'issuer-infrastructure'].map((issuer) => listOf(lists, issuer).number);
  const copy = () => house.store.read((db) => db.selectFrom('revocationLists').selectAll().execute());
  const old = await copy();
  house.clock.now += 400 * day;
  await lists.settled();
  const [given = 0, ahead = 0] = numbers();
  await lists[Symbol.asyncDispose]();
  house.clock.now -= 399 * day;
  await house.store.change(async (db) => {
    await db.deleteFrom('revocationLists').execute();
    await db.insertInto('revocationLists').values(old).execute();
  });
  const later = await house.open();
  const laterNumbers = () => ['issuer-device', 'issuer-infrastructure'].map((one) => listOf(later, one).number);
  assert.equal(laterNumbers()[0], seconds(house.clock.now), 'the clock alone is above what was lost in time');
  later.given(Math.max(given, ahead));
  await later.settled();
  assert.ok(Math.min(...laterNumbers()) > Math.max(given, ahead), 'what a desk gave out is told by the desk');
  const reached = laterNumbers();
  later.given(reached[0] as number);
  await later.settled();
  assert.deepEqual(laterNumbers(), reached, 'what is here already makes no other list');
  later.given(seconds(house.clock.now + 30 * 366 * day));
  await later.settled();
  assert.deepEqual(laterNumbers(), reached, 'no desk brings numbers to their end');
});

test('its number goes on after a restart, and what was made before is there at once', async (context) => {
  const house = await openHouse(context);
  const serial = await house.device('truck-1');
  const before = await house.open();
  await changed(house, 'revoke', 'truck-1');
  await before.settled();
  await before[Symbol.asyncDispose]();
  const { number, der } = listOf(before);
  const again = await openLists({
    ...house,
    issuers: () => [],
    log: createLog({ role: 'authority', level: 'silent' }),
  });
  assert.ok(Buffer.from(listOf(again).der).equals(der));
  await again[Symbol.asyncDispose]();
  const after = await house.open();
  assert.ok(listOf(after).number > number);
  assert.deepEqual(serialsOn(listOf(after)), [serial]);
  assert.notEqual(before.mark, after.mark);
});

test('a list that can not be signed now leaves the one before, and no other without', async (context) => {
  const house = await openHouse(context);
  await house.device('truck-1');
  const { store, journal, system } = house;
  let broken = false;
  const breakable = ({ sign, ...signer }: Signer): Signer => ({
    ...signer,
    sign: async (bytes) => {
      if (broken) throw new Error('the token is gone');
      return sign(bytes);
    },
  });
  const issuers = () =>
    house.issuance.issuers().map((issuer) => ({
      ...issuer,
      signer: issuer.signer && issuer.role === 'device' ? breakable(issuer.signer) : issuer.signer,
    }));
  const log = createLog({ role: 'authority', level: 'silent' });
  const lists = await openLists({ store, journal, issuers, system, log });
  context.after(() => lists[Symbol.asyncDispose]());
  await lists.settled();
  const before = listOf(lists).number;
  broken = true;
  await changed(house, 'revoke', 'truck-1');
  house.clock.now += day;
  await lists.settled();
  assert.equal(listOf(lists).number, before);
  assert.equal(listOf(lists, 'issuer-infrastructure').number, seconds(house.clock.now));
  broken = false;
  await lists.settled();
  assert.equal(listOf(lists).entries, 1);
});

test('what is revoked while a list is being signed comes on the next, without waiting for the next look', async (context) => {
  const house = await openHouse(context);
  const serials = [await house.device('truck-1'), await house.device('truck-2')];
  const { store, journal, system } = house;
  let held: PromiseWithResolvers<void> | undefined;
  let asked = 0;
  const issuers = () =>
    house.issuance.issuers().map(({ signer, ...issuer }) => ({ ...issuer, signer: signer && waiting(signer) }));
  const waiting = ({ sign, ...signer }: Signer): Signer => ({
    ...signer,
    sign: async (bytes) => {
      asked++;
      await held?.promise;
      return sign(bytes);
    },
  });
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const log = createLog({ role: 'authority', level: 'silent' });
  const lists = await openLists({ store, journal, issuers, system, log });
  context.after(() => lists[Symbol.asyncDispose]());
  await lists.settled();
  const turns = async (until: () => boolean) => {
    while (!until()) await new Promise((resolve) => setImmediate(resolve));
  };
  held = Promise.withResolvers();
  asked = 0;
  await changed(house, 'revoke', 'truck-1');
  for (; asked === 0; context.mock.timers.tick(1_000)) await new Promise((resolve) => setImmediate(resolve));
  await changed(house, 'revoke', 'truck-2');
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  context.mock.timers.tick(1_000);
  held.resolve();
  await turns(() => listOf(lists).entries === 2);
  assert.deepEqual(serialsOn(listOf(lists)).toSorted(), serials.toSorted());
});
