import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import files, { mkdtemp, rm } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { JournalEntryView } from '@portcullis/contract';
import { patienceMs } from '../../../../test/patience.ts';
import { createSqliteStore, openSqliteStore, type Reader, type Store, type Writer } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';
import { type ChangeRecord, type Journal, openJournal, readHeadFile, verifyJournal } from './journal.ts';

const system: System = { now: () => 1_800_000_000_000, monotonic: () => 0, random: (bytes) => Buffer.alloc(bytes) };
const origin = '0'.repeat(64);

interface House {
  store: Store;
  journal: Journal;
  directory: string;
  headFile: string;
}

async function house(context: TestContext): Promise<House> {
  const directory = await mkdtemp(join(tmpdir(), 'portcullis-journal-'));
  const store = await createSqliteStore(directory);
  const headFile = join(directory, 'journal.head');
  const journal = await openJournal({ store, system, headFile });
  context.after(async () => {
    await journal[Symbol.asyncDispose]().catch(() => undefined);
    await store[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });
  return { store, journal, directory, headFile };
}

/** A change that sets one attribute of a device. */
const change = (journal: Journal, subject: string, value = 'active', reason?: string) =>
  journal.change({ actor: 'operator-1', action: 'attributes.change', reason }, async (transaction) => {
    transaction.attribute(subject, 'device', 'status', value, false);
  });

test('a change that comes to nothing that a gate decides by is an entry without a revision, also among others of its turn', async (context) => {
  const { journal } = await house(context);
  const heard: number[] = [];
  journal.onChange(({ revision }) => heard.push(revision));
  const entry = { actor: 'a', action: 'arrival.record', together: true };
  const set = () =>
    journal.change(entry, async (transaction) =>
      transaction.attribute('d1', 'device', 'n', transaction.revision, false),
    );
  const noted = () => journal.change(entry, async (transaction) => transaction.noted({ refused: 'out_of_sequence' }));
  const failing = journal.change(entry, async () => assert.fail('stopped half-way'));
  const done = await Promise.all([set(), noted(), set(), assert.rejects(failing, /half-way/), set()]);
  assert.deepEqual(
    done.map((one) => one?.revision),
    [1, 1, 2, undefined, 3],
  );
  assert.deepEqual(heard, [1, 2, 3]);
  const entries = await journal.entries(0, 10);
  assert.deepEqual(
    entries.map(({ position, revision }) => [position, revision]),
    [
      [1, 1],
      [2, null],
      [3, 2],
      [4, 3],
    ],
  );
  assert.deepEqual(entries[1]?.body, { reason: null, refused: 'out_of_sequence' });
  assert.equal(journal.head().position, 4);
});

test('a change is one revision with its own entry, however many subjects it names', async (context) => {
  const { journal } = await house(context);
  assert.deepEqual(journal.head(), { position: 0, revision: 0, hash: origin, revisionHash: origin });
  const { result, revision } = await journal.change({ actor: 'a', action: 'bulk' }, async (transaction) => {
    transaction.attribute('d1', 'device', 'status', 'active', false);
    transaction.attribute('d1', 'device', 'seal', null, true);
    transaction.certificate('d2', 'gateway', { fingerprint: 'ab', standing: 'revoked', notBefore: 0, notAfter: 1_000 });
    return transaction.revision;
  });
  assert.deepEqual([result, revision], [1, 1]);
  const record = await journal.changeAt(1);
  assert.deepEqual(record?.subjects, [
    {
      subject: 'd1',
      kind: 'device',
      attributes: { status: { value: 'active', public: false }, seal: { value: null, public: true } },
    },
    {
      subject: 'd2',
      kind: 'gateway',
      certificates: [
        {
          fingerprint: 'ab',
          standing: 'revoked',
          notBefore: '1970-01-01T00:00:00.000Z',
          notAfter: '1970-01-01T00:00:01.000Z',
        },
      ],
    },
  ]);
  assert.equal(await journal.hashAt(1), journal.head().hash);
});

test('a note takes a position and no revision, and the head says both', async (context) => {
  const { journal } = await house(context);
  await change(journal, 'd1', 'active', 'because');
  const made = journal.head();
  assert.equal(
    await journal.note({ actor: 'a', action: 'seen', body: { token: 't' } }, async () => 'result'),
    'result',
  );
  const head = journal.head();
  assert.deepEqual([head.position, head.revision, head.revisionHash], [2, 1, made.hash]);
  assert.notEqual(head.hash, made.hash);
  const entries = await journal.entries(0, 10);
  for (const entry of entries) JournalEntryView.parse(entry);
  assert.deepEqual(
    entries.map(({ position, revision, action, body }) => [position, revision, action, body]),
    [
      [1, 1, 'attributes.change', { reason: 'because', subjects: (await journal.changeAt(1))?.subjects }],
      [2, null, 'seen', { reason: null, token: 't' }],
    ],
  );
});

test('a change whose work throws leaves no entry, no gap and no word to followers', async (context) => {
  const { journal, store } = await house(context);
  const heard: number[] = [];
  journal.onChange(({ revision }) => heard.push(revision));
  await change(journal, 'd1');
  await assert.rejects(
    journal.change({ actor: 'a', action: 'bad' }, async ({ db }) => {
      await db.insertInto('settings').values({ name: 'half', value: 'x' }).execute();
      throw new Error('no');
    }),
    /no/,
  );
  await change(journal, 'd2');
  assert.deepEqual(heard, [1, 2]);
  assert.deepEqual(await store.read((db) => db.selectFrom('settings').selectAll().execute()), []);
  assert.deepEqual(await verifyJournal(store, [journal.head()]), { entries: 2 });
});

test('one subject can not have two kinds in one change', async (context) => {
  const { journal } = await house(context);
  const both = journal.change({ actor: 'a', action: 'b' }, async (transaction) => {
    transaction.attribute('x', 'device', 'status', 'a', false);
    transaction.attribute('x', 'gateway', 'status', 'a', false);
  });
  await assert.rejects(both, { code: 'kind_conflict' });
});

test('concurrent changes and notes are told in the order of their revisions, after their commit', async (context) => {
  const { journal, store } = await house(context);
  const heard: number[] = [];
  const committed: Promise<string | undefined>[] = [];
  journal.onChange((record) => {
    heard.push(record.revision);
    assert.equal(journal.head().revision, record.revision);
    committed.push(journal.hashAt(record.revision));
  });
  await Promise.all(
    Array.from({ length: 100 }, (_, index) =>
      index % 3 === 0 ? journal.note({ actor: 'a', action: 'n' }, async () => 0) : change(journal, `d${index}`),
    ),
  );
  assert.deepEqual(
    heard,
    heard.map((_, index) => index + 1),
  );
  assert.ok((await Promise.all(committed)).every((hash) => hash !== undefined));
  assert.deepEqual(await verifyJournal(store, [journal.head()]), { entries: 100 });
});

test('P12: a change names the hash of the revision before it, whatever notes lie between, live as from the store', async (context) => {
  const { journal } = await house(context);
  const told: ChangeRecord[] = [];
  journal.onChange((record) => told.push(record));
  await change(journal, 'd1');
  await journal.note({ actor: 'a', action: 'n' }, async () => 0);
  await change(journal, 'd2');
  await change(journal, 'd3');
  assert.deepEqual(
    told.map(({ previousHash }) => previousHash),
    [origin, await journal.hashAt(1), await journal.hashAt(2)],
  );
  assert.deepEqual(await journal.changes(0, 2), told.slice(0, 2));
  assert.deepEqual(await journal.changes(1, 2), told.slice(1));
});

test('a listener that was taken off hears no more', async (context) => {
  const { journal } = await house(context);
  const heard: number[] = [];
  const stop = journal.onChange(({ revision }) => heard.push(revision));
  await change(journal, 'd1');
  stop();
  await change(journal, 'd1');
  assert.deepEqual(heard, [1]);
});

test('a listener that throws costs neither the answer nor the other listeners: it is a bug, and surfaces as one', async (context) => {
  const { journal } = await house(context);
  const heard: number[] = [];
  journal.onChange(() => {
    throw new Error('a bug');
  });
  journal.onChange(({ revision }) => heard.push(revision));
  const surfaced = Promise.withResolvers<Error>();
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.once('uncaughtException', surfaced.resolve);
  try {
    assert.equal((await change(journal, 'd1')).revision, 1);
    assert.match((await surfaced.promise).message, /a bug/);
  } finally {
    for (const listener of others) process.on('uncaughtException', listener);
  }
  assert.deepEqual(heard, [1]);
});

test('following by cursor: backfill, cut over and live give every revision once and in order, while changes go on', async (context) => {
  const { journal } = await house(context);
  for (let index = 0; index < 40; index++) await change(journal, `before-${index}`);
  const writing = (async () => {
    for (let index = 0; index < 120; index++) await change(journal, `while-${index}`);
  })();
  const seen: number[] = [];
  const live: ChangeRecord[] = [];
  const take = (record: ChangeRecord) => {
    if (record.revision <= (seen.at(-1) ?? 0)) return;
    seen.push(record.revision);
  };
  const stop = journal.onChange((record) => live.push(record));
  for (;;) {
    const page = await journal.changes(seen.at(-1) ?? 0, 7);
    page.forEach(take);
    if ((live[0]?.revision ?? journal.head().revision + 1) <= (seen.at(-1) ?? 0) + 1 || page.length === 0) break;
  }
  for (const record of live.splice(0)) take(record);
  const stopLive = journal.onChange(take);
  stop();
  await writing;
  stopLive();
  assert.deepEqual(
    seen,
    Array.from({ length: 160 }, (_, index) => index + 1),
  );
});

test('what a follower was told live is what the cursor finds later', async (context) => {
  const { journal } = await house(context);
  const told: ChangeRecord[] = [];
  journal.onChange((record) => told.push(record));
  await change(journal, 'd1', 'blocked', 'stolen');
  await journal.note({ actor: 'a', action: 'n' }, async () => 0);
  await change(journal, 'd2');
  assert.deepEqual(await journal.changes(0, 10), told);
  assert.deepEqual(await journal.changes(1, 10), told.slice(1));
  assert.equal(await journal.changeAt(3), undefined);
  assert.equal(await journal.hashAt(0), origin);
  assert.equal(await journal.hashAt(9), undefined);
});

test('a page of the journal holds so many bytes, and one entry at least', async (context) => {
  const { journal } = await house(context);
  for (const bytes of [1_000, 3_000_000, 3_000_000, 9_000_000, 1_000, 1_000]) {
    await change(journal, 'd1', 'x'.repeat(bytes));
  }
  const revisions: number[][] = [];
  for (let after = 0; after < 6; after = revisions.at(-1)?.at(-1) as number) {
    revisions.push((await journal.changes(after, 100)).map(({ revision }) => revision));
  }
  assert.deepEqual(revisions, [[1, 2], [3], [4], [5, 6]]);
  assert.deepEqual(
    (await journal.entries(1, 100)).map(({ position }) => position),
    [2],
  );
  assert.equal(
    await journal.bytesAfter(4, 10),
    (await journal.changes(4, 10)).reduce((sum, { bytes }) => sum + bytes, 0),
  );
});

test('the journal goes on from where it stood', async (context) => {
  const { journal, store, directory } = await house(context);
  await change(journal, 'd1');
  await journal.note({ actor: 'a', action: 'n' }, async () => 0);
  const head = journal.head();
  await journal[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  await using again = await openSqliteStore(directory);
  await using reopened = await openJournal({ store: again, system });
  assert.deepEqual(reopened.head(), head);
  assert.equal((await change(reopened, 'd1')).revision, 2);
  assert.deepEqual(await verifyJournal(again, [head, reopened.head()]), { entries: 3 });
});

test('a store whose journal does not end at its head is not opened', async (context) => {
  const { journal, store } = await house(context);
  await change(journal, 'd1');
  await change(journal, 'd1');
  await store.change((db) => db.deleteFrom('journal').where('position', '=', 2).execute());
  await assert.rejects(openJournal({ store, system }), { code: 'journal_damaged' });
});

async function until(condition: () => boolean): Promise<void> {
  const limit = performance.now() + patienceMs;
  while (!condition()) {
    assert.ok(performance.now() < limit, `the condition did not come true within ${patienceMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('P12: the head is written outside the database soon after a commit, and at closing', async (context) => {
  const { journal, headFile } = await house(context);
  assert.equal(readHeadFile(headFile), undefined);
  await change(journal, 'd1');
  await until(() => readHeadFile(headFile)?.revision === 1);
  assert.deepEqual(readHeadFile(headFile), journal.head());
  await change(journal, 'd1');
  await journal[Symbol.asyncDispose]();
  assert.deepEqual(readHeadFile(headFile), journal.head());
  assert.equal(readFileSync(headFile, 'utf8').split('\n').length, 2);
});

test('P13: a head file that can not be written stops nothing, and is written when it can be', async (context) => {
  const { journal, headFile } = await house(context);
  mkdirSync(`${headFile}.next`);
  const tried = context.mock.method(files, 'unlink');
  syncBuiltinESMExports();
  context.after(() => {
    context.mock.restoreAll();
    syncBuiltinESMExports();
  });
  await change(journal, 'd1');
  await until(() => tried.mock.callCount() > 0);
  assert.ok(!existsSync(headFile));
  rmdirSync(`${headFile}.next`);
  await change(journal, 'd1');
  await until(() => readHeadFile(headFile)?.revision === 2);
  assert.deepEqual(readHeadFile(headFile), journal.head());
});

test('a head file with anything else in it is called damaged', async (context) => {
  const { headFile } = await house(context);
  for (const text of [
    '',
    '{}',
    'not json',
    JSON.stringify({ position: -1, revision: 0, hash: origin, revisionHash: origin }),
  ]) {
    writeFileSync(headFile, text);
    assert.throws(() => readHeadFile(headFile), { code: 'journal_damaged' });
  }
});

test('a head file of a later version is read: members that are not known are ignored', async (context) => {
  const { headFile } = await house(context);
  const head = { position: 1, revision: 0, hash: origin, revisionHash: origin };
  writeFileSync(headFile, JSON.stringify({ ...head, later: 1 }));
  assert.deepEqual(readHeadFile(headFile), head);
});

test('an actor who may not do it any more changes nothing, by the order of commits', async (context) => {
  const { store, journal } = await house(context);
  let allowed = true;
  const entry = {
    actor: 'operator-1',
    action: 'attributes.change',
    // It sees what was committed before, and nothing of what was asked for later.
    async requireAllowed(db: Reader) {
      const { revision } = await db.selectFrom('head').select('revision').executeTakeFirstOrThrow();
      assert.equal(revision, journal.head().revision);
      if (!allowed) throw new Error('not any more');
    },
  };
  const put = (db: Writer, name: string) => db.insertInto('settings').values({ name, value: '' }).execute();
  await journal.change(entry, ({ db }) => put(db, 'one'));
  await journal.note(entry, (db) => put(db, 'two'));
  const before = journal.head();
  allowed = false;
  await assert.rejects(
    journal.change(entry, ({ db }) => put(db, 'three')),
    /not any more/,
  );
  await assert.rejects(
    journal.note(entry, (db) => put(db, 'four')),
    /not any more/,
  );
  assert.deepEqual(journal.head(), before);
  const settings = await store.read((db) => db.selectFrom('settings').select('name').execute());
  assert.deepEqual(settings.map(({ name }) => name).toSorted(), ['one', 'two']);
});
