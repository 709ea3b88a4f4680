import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { JournalHash } from '@portcullis/contract';
import { createSqliteStore, openSqliteStore, readSqliteStore } from '../storage/storage.ts';
import type { Manifest } from './manifest.ts';
import { replay } from './replay.ts';
import { nameOf, type Segment, segmentBytes } from './segments.ts';

const head = { position: 1, revision: 1, hash: JournalHash.parse('a'.repeat(64)) };
const ofFleet = { fleet: 'fleet-1' } as Manifest;
const generation = '0123456789abcdef';

const put =
  (name: string) => (db: Parameters<Parameters<Awaited<ReturnType<typeof openSqliteStore>>['change']>[0]>[0]) =>
    db.insertInto('settings').values({ name, value: '1' }).execute();

/** A copy of a store, and what three transactions did after it was made. */
async function house(context: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-replay-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const [home, copy, shipped] = ['home', 'copy', 'shipped'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  for (const one of [home, shipped]) mkdirSync(one);
  await (await createSqliteStore(home))[Symbol.asyncDispose]();
  const open = () => openSqliteStore(home, { newId: () => generation });
  const before = await open();
  await before.change(put('before'));
  await before[Symbol.asyncDispose]();
  cpSync(home, copy, { recursive: true });
  const store = await open();
  for (const name of ['one', 'two', 'three']) await store.change(put(name));
  const rows = await store.read((db) => db.selectFrom('changesets').selectAll().orderBy('number').execute());
  const [{ value: id } = { value: '' }] = await store.read((db) =>
    db.selectFrom('settings').selectAll().where('name', '=', 'changesetGeneration').execute(),
  );
  await store[Symbol.asyncDispose]();
  const place = (first: number, count: number, other: Partial<Segment> = {}) => {
    const some = rows.filter(({ number }) => number >= first && number < first + count);
    const made = {
      fleet: 'fleet-1',
      generation: id,
      first,
      head,
      changesets: some.map(({ bytes }) => bytes),
      ...other,
    };
    writeFileSync(join(shipped, nameOf({ generation: id, first })), segmentBytes(made));
  };
  const names = async () => {
    const found = await readSqliteStore(copy).snapshot((db) => db.selectFrom('settings').select('name').execute());
    return found.map(({ name }) => name).toSorted();
  };
  return { copy, shipped, place, names, firstNew: Math.max(...rows.map(({ number }) => number)) - 2 };
}

test('what was shipped after the copy is done to it, in order; what it holds already is not done again', async (context) => {
  const { copy, shipped, place, names, firstNew } = await house(context);
  place(firstNew - 1, 2);
  place(firstNew + 1, 2);
  const { segments, transactions } = await replay(copy, ofFleet, shipped);
  assert.deepEqual([segments, transactions], [2, 3]);
  assert.deepEqual(await names(), ['before', 'one', 'three', 'two']);
});

test('a gap is refused, by what is missing', async (context) => {
  const { copy, shipped, place, firstNew } = await house(context);
  place(firstNew, 1);
  place(firstNew + 2, 1);
  const missing = new RegExp(`${firstNew + 1} to ${firstNew + 1} are missing`);
  await assert.rejects(replay(copy, ofFleet, shipped), { code: 'backup_damaged', message: missing });
});

test('what another fleet shipped is refused', async (context) => {
  const { copy, shipped, place, firstNew } = await house(context);
  place(firstNew, 1, { fleet: 'fleet-2' });
  await assert.rejects(replay(copy, ofFleet, shipped), { code: 'backup_damaged', message: /another history/ });
});

test('what does not follow what is in the copy is refused', async (context) => {
  const { copy, shipped, place, firstNew } = await house(context);
  place(firstNew, 3);
  // A row that the first of them would put there.
  const store = await openSqliteStore(copy, { newId: () => generation });
  await store.change(put('one'), { captured: false });
  await store[Symbol.asyncDispose]();
  await assert.rejects(replay(copy, ofFleet, shipped), { code: 'backup_damaged', message: /does not follow/ });
});

test('a place that is not there is said by its name', async (context) => {
  const { copy, shipped } = await house(context);
  await assert.rejects(replay(copy, ofFleet, join(shipped, 'none')), { code: 'file_unusable', message: /none/ });
});
