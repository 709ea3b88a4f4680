import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FleetName } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { asking } from '../../test/asking.ts';
import { certificateRow, openRecords, putSubject, startedAt } from '../../test/records.ts';
import { fileKeys } from '../keys/keys.ts';
import { makeFleet, openIssuance } from './issuance.ts';
import { Serials } from './serials.ts';

test('a serial is used once, wherever it is kept: reserved, with its certificate, or in the archive', async (context) => {
  const records = await openRecords(context);
  const { directory, store, system } = records;
  mkdirSync(join(directory, 'keys'));
  const keys = fileKeys(join(directory, 'keys'));
  await makeFleet({ store, keys, system, fleet: FleetName.parse('fleet-1') });
  const fixed = { ...system, random: (bytes: number) => Buffer.alloc(bytes, 7) };
  const issuance = await openIssuance({ store, keys, system: fixed });
  await putSubject(records, 'truck-1');
  const request = makeRequest(makeKey(), 'truck-1');
  const issue = async () =>
    issuance.issue(await issuance.check({ subject: 'truck-1', kind: 'device', request, asking }));
  const { serial, issuer } = await issue();
  await assert.rejects(issue());
  await store.change((db) => db.deleteFrom('serials').execute());
  const row = certificateRow('truck-1', 'its row', { serial, issuer });
  await store.change((db) => db.insertInto('certificates').values(row).execute());
  await assert.rejects(issue(), /drawn before/);
  await store.change(async (db) => {
    await db.deleteFrom('certificates').execute();
    await db
      .insertInto('archivedCertificates')
      .values({ ...row, archivedAt: startedAt })
      .execute();
  });
  await assert.rejects(issue(), /drawn before/);
});

/** The changes of a store are counted; `random` gives what a test has prepared, then chance. */
async function counting(context: TestContext, prepared: string[] = []) {
  const { store, system } = await openRecords(context);
  const changes = { count: 0 };
  const counted: typeof store = Object.create(store, {
    change: {
      value: (...words: Parameters<typeof store.change>) => {
        changes.count++;
        return store.change(...words);
      },
    },
  });
  const random = (bytes: number) =>
    Buffer.from(prepared.shift()?.repeat(bytes) ?? randomBytes(bytes).toString('hex'), 'hex');
  const serials = new Serials(counted, { ...system, random });
  const kept = async () => {
    const rows = await store.read((db) => db.selectFrom('serials').select('serial').execute());
    return new Set(rows.map(({ serial }) => serial));
  };
  const take = async () => (await serials.take('issuer-device')).toString('hex');
  return { take, kept, changes };
}

test('serials that are wanted at once are kept together, in one change; of two that are the same one is kept', async (context) => {
  const { take, kept, changes } = await counting(context, ['4a', '4b', '4a', '4c']);
  const settled = await Promise.allSettled(Array.from({ length: 4 }, take));
  assert.deepEqual(
    settled.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'rejected'],
  );
  assert.equal(changes.count, 1);
  assert.deepEqual(await kept(), new Set(['4a', '4b', '4c'].map((byte) => byte.repeat(16))));
});

test('whoever comes after others finds a serial that is on disk already: never one of somebody else', async (context) => {
  const { take, kept, changes } = await counting(context);
  const taken: string[] = [];
  for (let count = 0; count < 300; count++) {
    const serial = await take();
    assert.ok((await kept()).has(serial), 'it is durable before it is given');
    taken.push(serial);
  }
  assert.equal(new Set(taken).size, taken.length);
  assert.ok(changes.count < 20, `${changes.count} changes`);
  assert.ok((await kept()).size <= 2 * taken.length + 1);
});

test('one that could not be kept is nobody’s: who waits is told, and the next tries again', async (context) => {
  const { store, system } = await openRecords(context);
  let full = true;
  const failing: typeof store = Object.create(store, {
    change: {
      value: (...words: Parameters<typeof store.change>) =>
        full ? Promise.reject(new Error('the disk is full')) : store.change(...words),
    },
  });
  const serials = new Serials(failing, system);
  await assert.rejects(serials.take('issuer-device'), /the disk is full/);
  full = false;
  assert.equal((await serials.take('issuer-device')).length, 16);
});
