import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createSqliteStore, type Store, type Writer } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';
import { entryHash } from './entry-hash.ts';
import { type Journal, openJournal, verifyJournal } from './journal.ts';
import { verifyEnd } from './verify-end.ts';

const system: System = { now: () => 1_800_000_000_000, monotonic: () => 0, random: (bytes) => Buffer.alloc(bytes) };
const entries = 8;

/** Eight entries; those at positions 3 and 6 are notes. */
async function written(context: TestContext): Promise<{ store: Store; journal: Journal }> {
  const directory = await mkdtemp(join(tmpdir(), 'portcullis-verify-'));
  const store = await createSqliteStore(directory);
  context.after(async () => {
    await store[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });
  const journal = await openJournal({ store, system });
  for (let position = 1; position <= entries; position++) {
    if (position % 3 === 0) await journal.note({ actor: 'a', action: 'n' }, async () => 0);
    else {
      await journal.change({ actor: 'operator-1', action: 'attributes.change' }, async (transaction) => {
        transaction.attribute(`device-${position}`, 'device', 'status', 'active', false);
      });
    }
  }
  return { store, journal };
}

const at = (db: Writer, position: number) =>
  db.selectFrom('journal').selectAll().where('position', '=', position).executeTakeFirstOrThrow();

const edits = {
  actor: 'somebody-else',
  action: 'attributes.other',
  body: '{"reason":null,"subjects":[]}',
  at: 1_800_000_000_001,
  previousHash: 'f'.repeat(64),
  hash: 'f'.repeat(64),
} as const;

/** Makes the chain whole again from a position on, as somebody who knows how it is made would. */
async function hashAnew(db: Writer, from: number): Promise<void> {
  let { previousHash } = await at(db, from);
  const rows = await db.selectFrom('journal').selectAll().where('position', '>=', from).orderBy('position').execute();
  let last = rows[0];
  for (const row of rows) {
    last = { ...row, previousHash };
    last.hash = entryHash(last);
    previousHash = last.hash;
    await db.updateTable('journal').set(last).where('position', '=', row.position).execute();
  }
  assert.ok(last);
  const made = rows.findLast((row) => row.revision !== null);
  await db
    .updateTable('head')
    .set({ position: last.position, hash: last.hash, revision: made?.revision ?? 0 })
    .execute();
  if (made)
    await db
      .updateTable('head')
      .set({ revisionHash: (await at(db, made.position)).hash })
      .execute();
}

test('a journal that nobody touched verifies, against every head that it ever had', async (context) => {
  const { store, journal } = await written(context);
  const heads = (await journal.entries(0, 100)).flatMap(({ position, revision, hash }) => [
    { position, hash },
    ...(revision === null ? [] : [{ revision, hash }]),
  ]);
  assert.deepEqual(await verifyJournal(store, heads), { entries });
});

for (const [column, value] of Object.entries(edits)) {
  for (const position of [1, 5, entries]) {
    test(`P12: an edit of "${column}" at position ${position} of ${entries} is found without any other head`, async (context) => {
      const { store } = await written(context);
      await store.change((db) =>
        db
          .updateTable('journal')
          .set({ [column]: value })
          .where('position', '=', position)
          .execute(),
      );
      const { broken } = await verifyJournal(store, []);
      assert.equal(broken?.position, position);
    });
  }
}

test('P12: an edit of one letter in a body is found', async (context) => {
  const { store } = await written(context);
  await store.change(async (db) => {
    const { body } = await at(db, 4);
    await db
      .updateTable('journal')
      .set({ body: body.replace('active', 'activf') })
      .where('position', '=', 4)
      .execute();
  });
  assert.deepEqual(await verifyJournal(store, []), {
    entries: 3,
    broken: { position: 4, why: 'its bytes are not those that were hashed' },
  });
});

const cuts: [string, (db: Writer) => Promise<unknown>, number][] = [
  ['the first entry is cut', (db) => db.deleteFrom('journal').where('position', '=', 1).execute(), 1],
  ['an entry in the middle is cut', (db) => db.deleteFrom('journal').where('position', '=', 5).execute(), 5],
  ['the end is cut and the head is not', (db) => db.deleteFrom('journal').where('position', '>', 6).execute(), 7],
  ['everything is cut', (db) => db.deleteFrom('journal').execute(), 1],
  ['two entries change places', swap, 4],
  ['a revision is skipped', skipRevision, 4],
  ['an entry is put in front of the first', (db) => insertCopy(db, 0), 1],
  ['an entry is put after the last', (db) => insertCopy(db, entries + 1), entries + 1],
  ['the head names another revision', (db) => db.updateTable('head').set({ revision: 99 }).execute(), entries + 1],
];

async function swap(db: Writer): Promise<void> {
  const set = (position: number, to: number) =>
    db.updateTable('journal').set({ position: to }).where('position', '=', position).execute();
  await set(4, 100);
  await set(5, 4);
  await set(100, 5);
}

async function skipRevision(db: Writer): Promise<void> {
  await db.updateTable('journal').set({ revision: 500 }).where('position', '=', 4).execute();
  await hashAnew(db, 4);
}

async function insertCopy(db: Writer, position: number): Promise<void> {
  const row = await at(db, 4);
  await db
    .insertInto('journal')
    .values({ ...row, position, revision: 77 })
    .execute();
}

for (const [what, damage, position] of cuts) {
  test(`P12: it is found when ${what}`, async (context) => {
    const { store } = await written(context);
    await store.change(damage);
    assert.equal((await verifyJournal(store, [])).broken?.position, position);
  });
}

for (const held of ['position', 'revision'] as const) {
  test(`P12: a chain made anew after an edit is found by a head that somebody holds by its ${held}`, async (context) => {
    const { store, journal } = await written(context);
    const { position, revision, hash, revisionHash } = journal.head();
    const head = held === 'position' ? { position, hash } : { revision, hash: revisionHash };
    await store.change(async (db) => {
      await db.updateTable('journal').set({ actor: 'nobody' }).where('position', '=', 2).execute();
      await hashAnew(db, 2);
    });
    assert.deepEqual(await verifyJournal(store, []), { entries });
    assert.deepEqual(await verifyJournal(store, [head]), {
      entries: entries - 1,
      broken: { position: entries, why: 'somebody holds another hash of this entry' },
    });
  });

  test(`P12: an end that was cut together with the head is found by a head that somebody holds by its ${held}`, async (context) => {
    const { store, journal } = await written(context);
    const { position, revision, hash, revisionHash } = journal.head();
    const head = held === 'position' ? { position, hash } : { revision, hash: revisionHash };
    await store.change(async (db) => {
      await db.deleteFrom('journal').where('position', '>', 5).execute();
      await hashAnew(db, 1);
    });
    assert.deepEqual(await verifyJournal(store, []), { entries: 5 });
    assert.equal((await verifyJournal(store, [head])).broken?.why, 'entries that somebody saw are missing');
  });
}

test('the end alone is looked at too: whole, edited, cut, and with an end that is older than what others hold', async (context) => {
  const { store, journal } = await written(context);
  const end = (heads: { position: number; hash: string }[] = []) => store.read((db) => verifyEnd(db, heads));
  assert.deepEqual(await end(), { position: entries, lookedFrom: 1, broken: null });
  const [held] = await journal.entries(2, 1);
  assert.equal((await end([{ position: 3, hash: held?.hash ?? '' }])).broken, null);
  assert.equal((await end([{ position: 3, hash: 'f'.repeat(64) }])).broken?.position, 3);
  assert.match((await end([{ position: entries + 1, hash: 'f'.repeat(64) }])).broken?.why ?? '', /are missing/);
  await store.change((db) => db.updateTable('journal').set({ actor: 'thief' }).where('position', '=', 4).execute());
  assert.deepEqual((await end()).broken, { position: 4, why: 'its bytes are not those that were hashed' });
});

test('of a long journal only the last entries are looked at', async (context) => {
  const { store, journal } = await written(context);
  for (let more = 0; more < 250; more++) await journal.note({ actor: 'a', action: 'test' }, async () => undefined);
  const { position, lookedFrom, broken } = await store.read((db) => verifyEnd(db, []));
  assert.deepEqual([position, lookedFrom, broken], [entries + 250, entries + 51, null]);
});

test('P13: it is read in pages that are bounded in bytes, each a read of its own, and what is appended meanwhile is looked at too', async (context) => {
  const { store, journal } = await written(context);
  const append = (text: string) =>
    journal.change({ actor: 'operator-1', action: 'attributes.change' }, async (transaction) => {
      transaction.attribute('device-1', 'device', 'status', text, false);
    });
  for (let count = 0; count < 10; count++) await append('x'.repeat(1_500_000));
  let pages = 0;
  const watched: Pick<Store, 'snapshot'> = {
    async snapshot(work) {
      const result = await store.snapshot(work);
      if (++pages === 2) await append('meanwhile');
      return result;
    },
  };
  assert.deepEqual(await verifyJournal(watched, [journal.head()]), { entries: entries + 11 });
  assert.ok(pages >= 5, `${pages} pages`);
});
