/**
 * The disk takes no more of a file, for a while, of a process that runs on: what the kernel says of a file that would get larger than the process may
 * make it (EFBIG), in the place of any write that fails and is not for want of space. What that does to the two files of SQLite.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { readAll, requestOf, writeOf } from '../../src/storage/sink/sink.contract.ts';
import { openSqliteSink } from '../../src/storage/sink.ts';
import { createSqliteStore, openSqliteStore, type Store } from '../../src/storage/storage.ts';
import { temporaryDirectory } from '../../src/storage/store/store.contract.ts';

const able = spawnSync('prlimit', ['--version']).status === 0;
const skip = able || process.env.CI === 'true' ? false : 'it needs prlimit (util-linux): NOT TESTED HERE';

/** Bytes that a file of this process may have, or "unlimited". */
const limit = (bytes: number | 'unlimited') =>
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`]);

async function whileWritesFail(work: () => Promise<void>): Promise<void> {
  limit(4_096);
  try {
    await work();
  } finally {
    limit('unlimited');
  }
}

const put = (store: Store, name: string) =>
  store.change((db) =>
    db
      .insertInto('settings')
      .values({ name, value: 'x'.repeat(10_000) })
      .execute(),
  );
const namesOf = async (store: Store) =>
  (await store.read((db) => db.selectFrom('settings').select('name').where('name', 'like', 'put %').execute())).map(
    ({ name }) => name,
  );

test('P8: a change whose write fails is answered as a failure, and is not there; the store goes on when the disk does', {
  skip,
}, async (context) => {
  const directory = await temporaryDirectory(context);
  const store = await createSqliteStore(directory);
  await put(store, 'put 1');
  await whileWritesFail(async () => {
    for (const name of ['put 2', 'put 3']) await assert.rejects(put(store, name));
    assert.deepEqual(await namesOf(store), ['put 1'], 'it is read all the while');
  });
  await put(store, 'put 4');
  assert.deepEqual(await namesOf(store), ['put 1', 'put 4']);
  await store[Symbol.asyncDispose]();
  await using again = await openSqliteStore(directory);
  assert.deepEqual(await namesOf(again), ['put 1', 'put 4']);
});

test('P8: readings whose write fails are acknowledged to nobody, and are not there; the sink goes on when the disk does', {
  skip,
}, async (context) => {
  const directory = join(await temporaryDirectory(context));
  const sink = await openSqliteSink(directory);
  const batch = (number: number, looked: number) =>
    writeOf(number, [requestOf([[`r${number}`, { text: 'x'.repeat(10_000) }]])], { looked, proven: looked });
  await sink.write(batch(1, 0));
  await whileWritesFail(async () => {
    for (const number of [2, 3]) await assert.rejects(sink.write(batch(number, 1)));
    await assert.rejects(sink.mark({ looked: 1, quarantine: [], proven: 1, unproven: [] }));
  });
  await sink.write(batch(4, 1));
  await sink.mark({ looked: 4, quarantine: [], proven: 4, unproven: [] });
  const ids = async () => (await readAll(sink)).map(({ id }) => id);
  assert.deepEqual(await ids(), ['r1', 'r4']);
  await sink[Symbol.asyncDispose]();
  await using again = await openSqliteSink(directory);
  assert.deepEqual(
    (await readAll(again)).map(({ id }) => id),
    ['r1', 'r4'],
  );
});
