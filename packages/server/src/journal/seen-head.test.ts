import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createSqliteStore, openSqliteStore } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';
import { acceptRestored, type Journal, newlySeen, openJournal, readHeadFile, writeHeadFile } from './journal.ts';

const system: System = { now: () => 1_800_000_000_000, monotonic: () => 0, random: (bytes) => Buffer.alloc(bytes) };

async function place(context: TestContext): Promise<{ directory: string; headFile: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'portcullis-seen-'));
  context.after(() => rm(directory, { recursive: true, force: true }));
  return { directory, headFile: join(directory, 'journal.head') };
}

const set = (journal: Journal, value: string) =>
  journal.change({ actor: 'operator-1', action: 'attributes.change' }, async (transaction) => {
    transaction.attribute('d1', 'device', 'status', value, false);
  });

/** The same beginning, and then what is given. */
async function filled(directory: string, headFile: string, values: string[]): Promise<void> {
  await using store = await (values[0] === 'first' ? createSqliteStore(directory) : openSqliteStore(directory));
  await using journal = await openJournal({ store, system, headFile });
  for (const value of values) await set(journal, value);
}

test('P9: a store that lacks the last head that was seen, or has another entry there, is not led until that is accepted', async (context) => {
  const { directory, headFile } = await place(context);
  await filled(directory, headFile, ['first']);
  await copyFile(join(directory, 'store.db'), join(directory, 'backup.db'));
  await copyFile(headFile, join(directory, 'backup.head'));
  await filled(directory, headFile, ['second']);
  const seen = readHeadFile(headFile);
  const open = () => filled(directory, headFile, []);
  await open();

  // The store alone is that of the backup.
  await copyFile(join(directory, 'backup.db'), join(directory, 'store.db'));
  await assert.rejects(open(), { code: 'revision_regressed', message: /ends before entry 2; .*accept-restore/ });
  // Changed further it is as long, and another.
  await filled(directory, join(directory, 'another.head'), ['other']);
  await assert.rejects(open(), { code: 'revision_regressed', message: /another entry at 2/ });
  assert.deepEqual(readHeadFile(headFile), seen, 'what was seen is not forgotten by itself');

  assert.equal(await acceptRestored(headFile), true);
  assert.equal(await acceptRestored(headFile), false);
  await open();
  assert.equal(readHeadFile(headFile)?.position, 2);
  assert.ok((await readdir(directory)).includes('journal.head.before-restore-1'));
});

test('a backup with its own head is led as it is, and so is a store that has no head beside it', async (context) => {
  const { directory, headFile } = await place(context);
  await filled(directory, headFile, ['first']);
  await copyFile(join(directory, 'store.db'), join(directory, 'backup.db'));
  await copyFile(headFile, join(directory, 'backup.head'));
  await filled(directory, headFile, ['second']);
  await copyFile(join(directory, 'backup.db'), join(directory, 'store.db'));
  await copyFile(join(directory, 'backup.head'), headFile);
  await filled(directory, headFile, ['third']);
  await rm(headFile);
  await filled(directory, headFile, []);
});

test('who waits holds what it sees, and keeps what it saw where that is behind it', async (context) => {
  const { directory, headFile } = await place(context);
  const watched = join(directory, 'watched.head');
  await filled(directory, headFile, ['first', 'second']);
  const look = async () => {
    await using store = await openSqliteStore(directory);
    const head = await store.read((db) => newlySeen(db, watched));
    if (head) await writeHeadFile(watched, head);
  };
  await look();
  const seen = readHeadFile(watched);
  assert.deepEqual(seen, readHeadFile(headFile));
  await copyFile(join(directory, 'store.db'), join(directory, 'backup.db'));
  await filled(directory, headFile, ['third']);
  await look();
  assert.equal(readHeadFile(watched)?.position, 3);
  await copyFile(join(directory, 'backup.db'), join(directory, 'store.db'));
  await assert.rejects(look(), { code: 'revision_regressed' });
  assert.equal(readHeadFile(watched)?.position, 3);
});
