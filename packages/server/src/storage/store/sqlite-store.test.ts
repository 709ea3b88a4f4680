import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { type Kysely, sql } from 'kysely';
import {
  checkSqliteStore,
  createSqliteStore,
  openSqliteStore,
  type Schema,
  type Store,
  upgradeSqliteStore,
} from '../storage.ts';
import { migrations } from './migrations.ts';
import { storeContract, temporaryDirectory } from './store.contract.ts';

storeContract({
  name: 'sqlite',
  place: async (context) => ({ directory: await temporaryDirectory(context) }),
  create: ({ directory }) => createSqliteStore(directory),
  open: ({ directory }) => openSqliteStore(directory),
});

const countOf = async (store: Store) =>
  (await store.read((db) => db.selectFrom('settings').select('name').execute())).length;

/** Rows of a kilobyte each. */
const fill = (store: Store, from: number, count: number) =>
  store.change(async (db) => {
    for (let index = from; index < from + count; index++) {
      await db
        .insertInto('settings')
        .values({ name: `row ${index}`, value: 'x'.repeat(1_000) })
        .execute();
    }
  });

/** A second process that opens the store and keeps it. */
async function holder(directory: string): Promise<ChildProcess> {
  const door = JSON.stringify(new URL('../storage.ts', import.meta.url).href);
  const code = `const { openSqliteStore } = await import(${door});
    globalThis.store = await openSqliteStore(${JSON.stringify(directory)});
    process.stdout.write('held');
    setInterval(() => {}, 1000);`;
  const options = ['--conditions=portcullis-source', '--input-type=module', '-e', code];
  const child = spawn(process.execPath, options, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

test('a second process is told that the store is held, and kill -9 of the holder frees it', async (context) => {
  const directory = await temporaryDirectory(context);
  const store = await createSqliteStore(directory);
  await fill(store, 0, 3);
  await store[Symbol.asyncDispose]();

  const child = await holder(directory);
  await assert.rejects(openSqliteStore(directory), { code: 'store_locked' });
  child.kill('SIGKILL');
  await once(child, 'exit');

  await using again = await openSqliteStore(directory);
  assert.equal(await countOf(again), 3);
});

test('every connection has the settings that the promises rest on', async (context) => {
  await using store = await createSqliteStore(await temporaryDirectory(context));
  const pragma = async (db: Pick<Kysely<Schema>, 'getExecutor'>, name: string) => {
    const { rows } = await sql.raw<Record<string, unknown>>(`PRAGMA ${name}`).execute(db as Kysely<Schema>);
    return Object.values(rows[0] ?? {})[0];
  };
  await store.change(async (db) => {
    assert.equal(await pragma(db, 'journal_mode'), 'wal');
    assert.equal(await pragma(db, 'synchronous'), 2);
    assert.equal(await pragma(db, 'busy_timeout'), 5_000);
    assert.equal(await pragma(db, 'foreign_keys'), 1);
  });
  const synchronous = (how?: { durable: boolean }) => store.change((db) => pragma(db, 'synchronous'), how);
  assert.deepEqual(
    await Promise.all([synchronous({ durable: false }), synchronous({ durable: false }), synchronous()]),
    [1, 1, 2],
    'P8: what nobody waits for is flushed with the next change that somebody does',
  );
});

test('a connection for reading can not write, whatever the types were told', async (context) => {
  await using store = await createSqliteStore(await temporaryDirectory(context));
  for (const way of ['read', 'snapshot'] as const) {
    await assert.rejects(
      store[way]((db) => (db as Kysely<Schema>).insertInto('settings').values({ name: 'a', value: 'b' }).execute()),
      /readonly/,
    );
  }
});

const damages: [string, (file: string) => void][] = [
  ['is no database at all', (file) => writeFileSync(file, 'x'.repeat(100_000))],
  ['lost its second half', (file) => truncateSync(file, Math.floor(statSync(file).size / 8192) * 4096)],
  ['has foreign bytes in its middle', (file) => overwrite(file, Math.floor(statSync(file).size / 2), 40_000)],
];

function overwrite(file: string, at: number, length: number): void {
  writeSync(openSync(file, 'r+'), Buffer.alloc(length, 0xa5), 0, length, at);
}

for (const [what, damage] of damages) {
  test(`a store that ${what} is called damaged, and nothing holds it afterwards`, async (context) => {
    const directory = await temporaryDirectory(context);
    const store = await createSqliteStore(directory);
    await fill(store, 0, 300);
    await store[Symbol.asyncDispose]();
    damage(join(directory, 'store.db'));
    for (let time = 0; time < 2; time++) {
      await assert.rejects(openSqliteStore(directory), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'store_damaged');
        assert.match(error.message, /store\.db.*restore it from a backup/);
        return true;
      });
    }
  });
}

test('a start looks at all of a file of up to 64 MiB; a larger one is opened, and checked whole where that is asked', async (context) => {
  const directory = await temporaryDirectory(context);
  const store = await createSqliteStore(directory);
  await store.change(async (db) => {
    for (let index = 0; index < 70; index++)
      await db
        .insertInto('settings')
        .values({ name: `big ${index}`, value: 'x'.repeat(1_000_000) })
        .execute();
  });
  await fill(store, 0, 300);
  checkSqliteStore(directory);
  await store[Symbol.asyncDispose]();
  const file = join(directory, 'store.db');
  // The rows that came last are at its end.
  overwrite(file, statSync(file).size - 200_000, 100_000);
  await (await openSqliteStore(directory))[Symbol.asyncDispose]();
  assert.throws(() => checkSqliteStore(directory), { code: 'store_damaged', message: /restore it from a backup/ });
});

test('a lock file that is no lock file is not mistaken for another process', async (context) => {
  const directory = await temporaryDirectory(context);
  await (await createSqliteStore(directory))[Symbol.asyncDispose]();
  writeFileSync(join(directory, 'store.lock'), 'x'.repeat(8_192));
  await assert.rejects(openSqliteStore(directory), { code: 'store_damaged' });
});

function setVersion(directory: string, version: number): void {
  const database = new DatabaseSync(join(directory, 'store.db'));
  database.exec(`PRAGMA user_version = ${version}`);
  database.close();
}

test('a store of another version is not opened, and only an older one is upgraded', async (context) => {
  const directory = await temporaryDirectory(context);
  await (await createSqliteStore(directory))[Symbol.asyncDispose]();
  assert.equal(await upgradeSqliteStore(directory), 0);
  setVersion(directory, 999);
  await assert.rejects(openSqliteStore(directory), { code: 'store_version', message: /use a newer portcullis/ });
  await assert.rejects(upgradeSqliteStore(directory), { code: 'store_version' });
});

test('a store that was made but not migrated says so, and upgrading makes it whole', async (context) => {
  const directory = await temporaryDirectory(context);
  new DatabaseSync(join(directory, 'store.db')).close();
  await assert.rejects(openSqliteStore(directory), { code: 'store_version', message: /portcullis upgrade/ });
  assert.equal(await upgradeSqliteStore(directory), migrations.length);
  await using store = await openSqliteStore(directory);
  assert.equal(await countOf(store), 0);
});

test('an upgraded store knows of each certificate, live and archived, that it is one', async (context) => {
  const directory = await temporaryDirectory(context);
  const database = new DatabaseSync(join(directory, 'store.db'));
  for (const step of migrations.slice(0, 4)) database.exec(step);
  database.exec(`PRAGMA user_version = 4;
    INSERT INTO subjects (id, kind, createdAt, revision) VALUES ('truck-17', 'device', 0, 0);`);
  const columns = 'fingerprint, serial, issuer, subject, purpose, der, notBefore, notAfter, standing';
  const more = 'revision, changedAt, changedBy, issuedAt, confirmed, publicKey';
  const values = `'f', 's', 'i', 'truck-17', 'client', x'30', 0, 1, 'valid', 0, 0, 'init', 0, 1, 'k'`;
  database.exec(`INSERT INTO certificates (${columns}, ${more}) VALUES (${values})`);
  database.exec(`INSERT INTO archivedCertificates (${columns}, ${more}, archivedAt) VALUES (${values}, 0)`);
  database.close();
  assert.equal(await upgradeSqliteStore(directory), migrations.length - 4);
  await using store = await openSqliteStore(directory);
  for (const table of ['certificates', 'archivedCertificates'] as const) {
    const rows = await store.read((db) => db.selectFrom(table).select(['fingerprint', 'form']).execute());
    assert.deepEqual(
      rows.map((row) => ({ ...row })),
      [{ fingerprint: 'f', form: 'certificate' }],
    );
  }
});

test('upgrading makes no store where none is', async (context) => {
  const directory = await temporaryDirectory(context);
  await assert.rejects(upgradeSqliteStore(directory), { code: 'fleet_missing' });
  assert.ok(!existsSync(join(directory, 'store.db')));
});

const pagesMax = (store: Store, pages: number) =>
  store.change((db) => sql.raw(`PRAGMA max_page_count = ${pages}`).execute(db));

test('P13: a full disk refuses what does not fit, loses nothing, and the store goes on when there is room', async (context) => {
  const directory = await temporaryDirectory(context);
  const store = await createSqliteStore(directory);
  await fill(store, 0, 10);
  await pagesMax(store, 100);
  const big = fill(store, 100, 1_000);
  const waiting = store.change((db) => db.insertInto('settings').values({ name: 'small', value: 'x' }).execute());
  await assert.rejects(big, { code: 'disk_full' });
  await waiting;
  assert.equal(await countOf(store), 11);
  await pagesMax(store, 1_000_000);
  await fill(store, 100, 1_000);
  await store[Symbol.asyncDispose]();
  await using again = await openSqliteStore(directory);
  assert.equal(await countOf(again), 1_011);
});

test('the write-ahead log that a long snapshot made grow shrinks again', async (context) => {
  const directory = await temporaryDirectory(context);
  await using store = await createSqliteStore(directory);
  const log = join(directory, 'store.db-wal');
  await store.snapshot(async (db) => {
    await db.selectFrom('settings').select('name').execute();
    await store.change(async (writer) => {
      const value = 'x'.repeat(1_000_000);
      for (let index = 0; index < 80; index++) {
        await writer
          .insertInto('settings')
          .values({ name: `big ${index}`, value })
          .execute();
      }
    });
    assert.ok(statSync(log).size > 80_000_000);
  });
  await fill(store, 0, 1);
  await fill(store, 1, 1);
  assert.ok(statSync(log).size <= 64 * 1024 * 1024, `the log has ${statSync(log).size} bytes`);
  assert.ok(readFileSync(join(directory, 'store.lock')).length === 0);
});
