import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createSqliteStore } from '../storage/storage.ts';
import { Horizon } from './horizon.ts';

test('rule 19: where the database may have lost what was stored of leases, a lease of ours is waited for at least, once', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'portcullis-horizon-'));
  context.after(() => rm(directory, { recursive: true, force: true }));
  await using store = await createSqliteStore(directory);
  const lose = () =>
    store.change((db) => db.insertInto('settings').values({ name: 'leasesUnknown', value: '' }).execute());
  const read = async (leaseMs: number) => (await Horizon.read(store, leaseMs)).milliseconds;
  assert.equal(await read(5_000), 0);
  await lose();
  assert.equal(await read(5_000), 5_000);
  assert.equal(await read(9_000), 5_000, 'it is stored, and was said once');
  await lose();
  assert.equal(await read(1_000), 5_000, 'what is stored is a lower bound');
});

test('rule 6: a lease whose horizon could not be kept is not granted, and one that could be later is', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'portcullis-horizon-'));
  context.after(() => rm(directory, { recursive: true, force: true }));
  await using store = await createSqliteStore(directory);
  const horizon = await Horizon.read(store, 5_000);
  const full = context.mock.method(store, 'change', () => Promise.reject(new Error('the disk is full')));
  for (const _ of [1, 2]) await assert.rejects(horizon.cover(5_000), /the disk is full/);
  full.mock.restore();
  await horizon.cover(5_000);
  assert.equal((await Horizon.read(store, 0)).milliseconds, 5_000);
});
