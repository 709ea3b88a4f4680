import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { applyChangesets, generationIn, readGeneration } from './changesets.ts';
import { createSqliteStore, openSqliteStore } from './sqlite-store.ts';

function place(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-changesets-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

let named = 0;
const capture = { newId: () => String(++named).padStart(16, '0') };
const put = (name: string, value: string) => ({ name, value });

test('what transactions did is done again to a copy, and what was rolled back is not among it', async (context) => {
  const [directory, copy] = [place(context), place(context)];
  await (await createSqliteStore(directory))[Symbol.asyncDispose]();
  const first = await openSqliteStore(directory, capture);
  await first.change((db) => db.insertInto('settings').values(put('before', '1')).execute());
  await first[Symbol.asyncDispose]();
  cpSync(directory, copy, { recursive: true });
  const { last } = readGeneration(copy) ?? assert.fail();
  const store = await openSqliteStore(directory, capture);
  await store.change((db) =>
    db
      .insertInto('settings')
      .values([put('one', '1'), put('two', '2')])
      .execute(),
  );
  await assert.rejects(
    store.change(async (db) => {
      await db.insertInto('settings').values(put('never', '')).execute();
      throw new Error('rolled back');
    }),
  );
  const together = ['a', 'b', 'c'].map((name) =>
    store.changeTogether(async (db) => {
      await db.insertInto('settings').values(put(name, '')).execute();
      if (name === 'b') throw new Error('b alone');
    }),
  );
  assert.deepEqual(
    (await Promise.allSettled(together)).map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  await store.change((db) => db.updateTable('settings').set({ value: '3' }).where('name', '=', 'two').execute(), {
    durable: false,
  });
  await store.change((db) => db.deleteFrom('settings').where('name', '=', 'before').execute());
  await store.change(async () => undefined);
  const kept = await store.read((db) =>
    db.selectFrom('changesets').selectAll().where('number', '>', last).orderBy('number').execute(),
  );
  const settings = (db: Parameters<Parameters<typeof store.read>[0]>[0]) =>
    db.selectFrom('settings').selectAll().orderBy('name').execute();
  const expected = await store.read(settings);
  await store[Symbol.asyncDispose]();
  assert.equal(kept.length, 4, 'one of each that changed something, those together in one');
  applyChangesets(
    copy,
    kept.map(({ bytes }) => bytes),
  );
  const again = await openSqliteStore(copy, capture);
  assert.deepEqual(await again.read(settings), expected);
  await again[Symbol.asyncDispose]();
  assert.throws(() => applyChangesets(copy, [kept[0]?.bytes as Uint8Array]), { code: 'store_damaged' });
});

test('a generation goes on where nothing was left out, and another begins where something was', async (context) => {
  const directory = place(context);
  await (await createSqliteStore(directory))[Symbol.asyncDispose]();
  const generation = async (captures: boolean) => {
    const store = await openSqliteStore(directory, captures ? capture : undefined);
    const found = await store.read(generationIn);
    await store[Symbol.asyncDispose]();
    return found;
  };
  const first = await generation(true);
  assert.match(String(first), /^[0-9a-f]{16}\.v\d+$/);
  assert.equal(await generation(true), first);
  assert.equal(await generation(false), undefined);
  assert.notEqual(await generation(true), first);
});

test('every table has a key: a row without one would be in no changeset', async (context) => {
  const directory = place(context);
  await (await createSqliteStore(directory))[Symbol.asyncDispose]();
  const database = new DatabaseSync(join(directory, 'store.db'));
  context.after(() => database.close());
  const tables = database
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .all();
  for (const { name } of tables) {
    const columns = database.prepare(`SELECT pk FROM pragma_table_info('${String(name)}')`).all();
    assert.ok(
      columns.some(({ pk }) => Number(pk) > 0),
      String(name),
    );
  }
});
