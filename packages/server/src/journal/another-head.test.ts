import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createSqliteStore } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';
import { type Journal, openJournal } from './journal.ts';

const system: System = { now: () => 1_800_000_000_000, monotonic: () => 0, random: (bytes) => Buffer.alloc(bytes) };
const entry = { actor: 'a', action: 'attributes.change' };

const set = (journal: Journal, subject: string, after = async () => {}) =>
  journal.change(entry, async (transaction) => {
    transaction.attribute(subject, 'device', 'status', 'active', false);
    await after();
  });

test('rule 14: a head under the lock that is not the known one ends the term, and nothing is written on it', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'portcullis-head-'));
  context.after(() => rm(directory, { recursive: true, force: true }));
  await using store = await createSqliteStore(directory);
  await using journal = await openJournal({ store, system });
  await set(journal, 'd1');
  await assert.rejects(set(journal, 'd1', () => assert.fail('rolled back')));
  await set(journal, 'd2');
  assert.equal(store.leads(), true);

  const hash = 'e'.repeat(64);
  await store.change((db) => db.updateTable('head').set({ position: 3, revision: 3, hash }).execute());
  await assert.rejects(set(journal, 'd3'), { code: 'not_leader' });
  const noting = journal.note(entry, async () => undefined);
  await assert.rejects(noting, { code: 'not_leader' });
  assert.equal(store.leads(), false);
  await assert.rejects(store.lost, { code: 'not_leader' });
  assert.equal((await journal.entries(0, 10)).length, 2);
});
