import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openRecords, putSubject } from '../../../test/records.ts';
import { kept } from './kept.ts';

test('a kept statement is compiled once, and takes other values at each call: null, text that looks like SQL, numbers', async (context) => {
  const records = await openRecords(context);
  await putSubject(records, 'truck-1');
  await putSubject(records, 'truck-2');
  let compiled = 0;
  const setUrl = kept<{ id: string; url: string | null }>(['id', 'url'], (db, of) => {
    compiled++;
    return db.updateTable('subjects').set({ url: of.url }).where('id', '=', of.id);
  });
  const urlsOf = () =>
    records.store
      .read((db) => db.selectFrom('subjects').select('url').orderBy('id').execute())
      .then((rows) => rows.map(({ url }) => url));
  const text = `'; DELETE FROM "subjects"; --`;
  await records.store.change(async (db) => {
    await setUrl(db, { id: 'truck-1', url: text });
    await setUrl(db, { id: 'truck-2', url: 'https://localhost' });
  });
  assert.deepEqual(await urlsOf(), [text, 'https://localhost']);
  await records.store.change((db) => setUrl(db, { id: 'truck-1', url: null }));
  assert.deepEqual(await urlsOf(), [null, 'https://localhost']);
  assert.equal(compiled, 1);
});

test('each store has a text of its own', async (context) => {
  const adapters = new Set<object>();
  const count = kept<object, { id: string }>([], (db) => {
    adapters.add(db.getExecutor().adapter);
    return db.selectFrom('subjects').select('id');
  });
  for (const many of [1, 2]) {
    const records = await openRecords(context);
    for (let index = 0; index < many; index++) await putSubject(records, `truck-${index}`);
    for (let again = 0; again < 2; again++)
      assert.equal((await records.store.change((db) => count(db, {}))).length, many);
  }
  assert.equal(adapters.size, 2);
});
