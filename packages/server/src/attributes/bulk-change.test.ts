import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { AttributesRequest, PortcullisError } from '@portcullis/contract';
import { sql } from 'kysely';
import { eventually } from '../../test/house.ts';
import { openRecords, putSubject, type Records, startedAt } from '../../test/records.ts';
import { openJournal, verifyJournal } from '../journal/journal.ts';
import { openAttributes } from './attributes.ts';

const by = { actor: 'operator-1', reason: 'recall' };
const many = Array.from({ length: 1_200 }, (_, index) => `device-${String(index).padStart(4, '0')}`);
const [first, last] = [many[0] as string, many[1_199] as string];

const request = (asked: object) => AttributesRequest.parse(asked);
const change = ({ attributes }: Records, asked: object) => attributes.change(by, request(asked));
const off = { subjects: many, set: { status: 'off' } };

/** Records of many devices, each with `status=active`. */
async function open(context: TestContext): Promise<Records> {
  const records = await openRecords(context);
  await putSubject(records, first);
  const made = { kind: 'device', createdAt: startedAt, revision: 1, hosts: null, url: null };
  const value = { name: 'status', value: '"active"', visibility: 'private', revision: 1 };
  const set = { changedAt: startedAt, changedBy: 'operator-1', reason: null };
  await records.store.change(async (db) => {
    const rest = many.slice(1);
    await db
      .insertInto('subjects')
      .values(rest.map((id) => ({ id, ...made })))
      .execute();
    await db
      .insertInto('attributes')
      .values(rest.map((subject) => ({ subject, ...value, ...set })))
      .execute();
  });
  return records;
}

const status = async ({ attributes }: Pick<Records, 'attributes'>, subject: string) => {
  const [found] = (await attributes.read(subject)).attributes;
  return [found?.value, found?.revision];
};

const left = ({ store }: Records) =>
  store.read(async (db) => ({
    drafts: (await db.selectFrom('drafts').selectAll().execute()).length,
    parts: (await db.selectFrom('draftParts').select('number').execute()).length,
  }));

/** Something that happens when all parts are there and before the commit. */
function beforeCommit({ journal }: Records, work: () => Promise<unknown>): void {
  const stop = journal.drafts.watch({
    onProgress: () => undefined,
    async held() {
      stop();
      await work();
    },
  });
}

test('P7: a change of many is one revision, with one small entry; its parts come before it and are bounded', async (context) => {
  const records = await open(context);
  const { journal } = records;
  const head = journal.head();
  const done = await change(records, off);
  assert.deepEqual(done, { revision: head.revision + 1, changed: 1_200 });
  assert.equal(journal.head().position, head.position + 1);
  const [entry] = await journal.entries(head.position, 1);
  const text = JSON.stringify(entry?.body);
  assert.ok(text.length < 600, text);
  assert.match(text, /^\{"reason":"recall","draft":\{"id":"[0-9a-f]{32}","parts":\d+,/);
  const record = await journal.changeAt(done.revision);
  assert.ok(record?.draft);
  const subjects: string[] = [];
  for await (const deltas of journal.deltasOf(record)) {
    assert.ok(JSON.stringify(deltas).length < 70_000);
    subjects.push(...deltas.map(({ subject }) => subject));
  }
  assert.deepEqual(subjects, many);
  const way = await journal.bytesAfter(head.revision, 10);
  assert.ok(way > 1_200 * 50, `a gate that is behind has its parts before it too, and not ${way} bytes`);
  for (const subject of [first, last]) assert.deepEqual(await status(records, subject), ['off', done.revision]);
  const history = await records.attributes.history(last, { limit: 10 });
  assert.deepEqual(
    history.items.map(({ value, revision, reason }) => [value, revision, reason]),
    [['off', done.revision, 'recall']],
  );
  assert.deepEqual(await verifyJournal(records.store, []), { entries: journal.head().position });
});

test('a single change never waits for one of many: it is before it in the history, and the other is put over it', async (context) => {
  const records = await open(context);
  let single = 0;
  beforeCommit(records, async () => {
    single = (await change(records, { subjects: [last], set: { status: 'lost' } })).revision;
    await change(records, { subjects: [first], set: { status: 'off' } });
  });
  const { revision, changed } = await change(records, off);
  assert.deepEqual([revision, changed], [single + 2, 1_200]);
  assert.deepEqual(await status(records, last), ['off', revision]);
  const { items } = await records.attributes.history(last, { limit: 10 });
  assert.deepEqual(
    items.map(({ value }) => value),
    ['lost', 'off'],
  );
  assert.equal((await records.attributes.history(first, { limit: 10 })).items.length, 3, 'told once for each revision');
});

test('what was changed to what is asked for, and what is changed away from it, is right by the order of commits', async (context) => {
  const records = await open(context);
  await change(records, { subjects: [last], set: { status: 'off' } });
  beforeCommit(records, () => change(records, { subjects: [last], set: { status: 'active' } }));
  const { revision, changed } = await change(records, off);
  assert.equal(changed, 1_200, 'that one too, though it was so when it was looked at');
  assert.deepEqual(await status(records, last), ['off', revision]);
});

test('P15: what was made private meanwhile stays so, at the gates too, also where its value is the one that is asked for', async (context) => {
  const records = await open(context);
  await change(records, { subjects: [last], set: { status: 'active' }, visibility: 'public' });
  beforeCommit(records, () => change(records, { subjects: [last], set: { status: 'off' }, visibility: 'private' }));
  const { revision } = await change(records, off);
  const [found] = (await records.attributes.read(last)).attributes;
  assert.deepEqual([found?.value, found?.visibility, found?.revision], ['off', 'private', revision]);
  const told = (await records.journal.changeAt(revision))?.subjects.map(({ subject, attributes }) => [
    subject,
    attributes,
  ]);
  assert.deepEqual(told, [[last, { status: { value: 'off', public: false } }]], 'it lies over what its part says');
});

test('a name gets no other type while values of it are on their way into the rows', async (context) => {
  const records = await open(context);
  const { attributes, store } = records;
  await change(records, { subjects: [first], set: { seal: 'x' } });
  await change(records, { subjects: [first], unset: ['seal'] });
  let retyped: Promise<unknown> = Promise.resolve();
  beforeCommit(records, async () => {
    // Asked for while the commit waits for the writer.
    const { promise, resolve } = Promise.withResolvers<void>();
    void store.change(() => promise);
    setTimeout(() => {
      retyped = attributes.retype(by, { name: 'seal', type: 'number' }).catch((error) => error.code);
      resolve();
    }, 20);
  });
  await change(records, { subjects: many, set: { seal: 'good' } });
  assert.equal(await retyped, 'attribute_type_conflict');
});

const refusals: [string, object, (records: Records) => Promise<unknown>, string][] = [
  [
    'one of its subjects was touched after the revision that it is on condition of',
    { ...off, ifRevision: 1 },
    (records) => change(records, { subjects: [last], set: { seal: 'broken' } }),
    'precondition_failed',
  ],
  [
    'a value is another by then',
    { ...off, ifValues: { status: 'active' } },
    (records) => change(records, { subjects: [last], set: { status: 'lost' } }),
    'precondition_failed',
  ],
  ['a subject was retired', off, ({ revocation }) => revocation.retire(by, last), 'subject_retired'],
  [
    'what is to be unset is gone',
    { subjects: many, unset: ['status'] },
    (records) => change(records, { subjects: [last], unset: ['status'] }),
    'attribute_unknown',
  ],
];
for (const [what, asked, meanwhile, code] of refusals) {
  test(`it is refused at its commit, and nothing is left of it, where ${what}`, async (context) => {
    const records = await open(context);
    beforeCommit(records, () => meanwhile(records));
    await assert.rejects(change(records, asked), { code });
    assert.deepEqual(await status(records, first), ['active', 1]);
    assert.deepEqual(await left(records), { drafts: 0, parts: 0 });
    assert.equal(records.journal.drafts.current, undefined);
    const others = { subjects: many.slice(0, -1), set: { status: 'off' } };
    assert.equal((await change(records, others)).changed, 1_199, 'the next one finds nothing in its way');
  });
}

test('of many that are so already nothing is stored: the newest revision among them answers', async (context) => {
  const records = await open(context);
  const { revision } = await change(records, off);
  assert.deepEqual(await change(records, off), { revision, changed: 0 });
  assert.deepEqual((await left(records)).drafts, 1);
});

test('rule 17: the retry of one of many prepares nothing, and is answered though what it was on condition of holds no more', async (context) => {
  const records = await open(context);
  const asked = request({ ...off, ifRevision: records.journal.head().revision, ifValues: { status: 'active' } });
  const ask = () => records.attributes.change({ ...by, request: { id: 'request-1', hash: '' } }, asked);
  const first = await ask();
  let parts = 0;
  records.journal.drafts.watch({ onProgress: () => parts++ });
  assert.deepEqual(await ask(), first);
  assert.deepEqual([parts, records.journal.head().revision], [0, first.revision]);
});

test('all unknown names are told at once, and nothing is left of what was prepared', async (context) => {
  const records = await open(context);
  const subjects = ['ghost-1', ...many, 'ghost-2'];
  await assert.rejects(change(records, { subjects, set: { status: 'off' } }), {
    code: 'subject_unknown',
    message: 'the fleet has no subject "ghost-1", "ghost-2"; nothing was changed',
  });
  assert.deepEqual(await left(records), { drafts: 0, parts: 0 });
});

test('who changes one of its subjects before its rows are in place finds them there', async (context) => {
  const records = await open(context);
  const stop = records.journal.onChange(() => {
    stop();
    // Right after the commit, before any row was merged.
    after = change(records, { subjects: [last], set: { status: 'found' } });
  });
  let after: ReturnType<typeof change> | undefined;
  const { revision } = await change(records, off);
  assert.deepEqual(await after, { revision: revision + 1, changed: 1 });
  assert.deepEqual(await status(records, last), ['found', revision + 1]);
  const { items } = await records.attributes.history(last, { limit: 10 });
  assert.deepEqual(
    items.map(({ value }) => value),
    ['off', 'found'],
  );
});

test('nobody waits for one that changes subjects of many parts before their rows are in place', async (context) => {
  const records = await open(context);
  const ended: string[] = [];
  const note = (what: string) => () => void ended.push(what);
  const stop = records.journal.onChange(() => {
    stop();
    const spread = { subjects: many.filter((_, index) => index % 100 === 0), set: { status: 'found' } };
    changes = [
      change(records, spread).then(note('spread')),
      records.revocation.retire(by, many[1] as string).then(note('retired')),
    ];
  });
  let changes: Promise<unknown>[] = [];
  const { revision } = await change(records, off);
  await Promise.all(changes);
  assert.deepEqual(ended, ['retired', 'spread']);
  assert.deepEqual(await status(records, first), ['found', revision + 2]);
  assert.deepEqual(await status(records, last), ['off', revision]);
});

test('nobody reads a part of it alone', async (context) => {
  const records = await open(context);
  const seen = new Set<string>();
  const reading = async () => {
    for (let count = 0; count < 10_000; count++) {
      const { items } = await records.attributes.list({ limit: 1_000 } as never);
      seen.add(
        items
          .map(({ attributes }) => String(attributes[0]?.value))
          .join()
          .replaceAll(/(\w+)(,\1)+/g, '$1'),
      );
      if (seen.has('off')) return;
      await turn();
    }
  };
  await Promise.all([change(records, off), reading()]);
  assert.deepEqual([...seen].toSorted(), ['active', 'off']);
});

test('P8: a process that dies after the commit leaves rows to be merged; the next one does it before it reads', async (context) => {
  const records = await open(context);
  const stop = records.journal.onChange(() => {
    stop();
    void records.attributes[Symbol.asyncDispose]();
  });
  const { revision } = await change(records, off);
  const attributes = await openAttributes({ ...records, declared: {} });
  for (const subject of [first, last]) assert.deepEqual(await status({ attributes }, subject), ['off', revision]);
  assert.equal((await attributes.history(last, { limit: 10 })).items.length, 1);
});

test('a draft ends with its process: nothing is left of it at the next start', async (context) => {
  const records = await open(context);
  const draft = await records.journal.drafts.begin();
  await draft.add([
    { subject: first, kind: 'device', attributes: { status: { value: 'off', public: false } } } as never,
  ]);
  assert.deepEqual(await left(records), { drafts: 1, parts: 1 });
  const next = await openJournal({ store: records.store, system: records.system });
  assert.deepEqual(await left(records), { drafts: 0, parts: 0 });
  await next[Symbol.asyncDispose]();
  assert.deepEqual(await status(records, first), ['active', 1]);
});

const pagesMax = ({ store }: Records, pages: number) =>
  store.change((db) => sql.raw(`PRAGMA max_page_count = ${pages}`).execute(db));

test('P13: where its rows find no room whoever reads is told so, also who asked before; with room again it goes on by itself', async (context) => {
  const records = await open(context);
  const asked = Promise.withResolvers<unknown>();
  const stop = records.journal.onChange(() => {
    stop();
    void pagesMax(records, 1);
    status(records, first).catch(asked.resolve);
  });
  const { revision } = await change(records, off);
  assert.equal(((await asked.promise) as { code: string }).code, 'disk_full');
  await assert.rejects(status(records, last), { code: 'disk_full' });
  await pagesMax(records, 1_000_000);
  await eventually(async () => (await status(records, last).catch(() => []))[1] === revision, 'it is there');
});

test('P13: what a full disk kept from being dropped is removed by the next one', async (context) => {
  const records = await open(context);
  const { store } = records;
  beforeCommit(records, async () => {
    const refused = async () => {
      throw new PortcullisError('disk_full', 'the disk is full');
    };
    const full = context.mock.method(store, 'change', refused);
    setTimeout(() => full.mock.restore(), 50);
  });
  await assert.rejects(change(records, off), { code: 'disk_full' });
  assert.equal((await left(records)).drafts, 1);
  await eventually(() => change(records, off).then(Boolean, () => false), 'there is room');
  assert.equal((await left(records)).drafts, 1, 'its own');
});

test('P12: an edited, missing or added part is found', async (context) => {
  const records = await open(context);
  const { revision } = await change(records, off);
  const record = await records.journal.changeAt(revision);
  const found = async (sql: (store: Records['store']) => Promise<unknown>) => {
    await sql(records.store);
    return (await verifyJournal(records.store, [])).broken;
  };
  const parts = records.store.read((db) => db.selectFrom('draftParts').selectAll().orderBy('number').execute());
  const [, second] = await parts;
  assert.ok(second);
  const set = (value: object) => (store: Records['store']) =>
    store.change((db) => db.updateTable('draftParts').set(value).where('number', '=', 2).execute());
  const position = record?.position;
  const body = second.body.replace('"off"', '"on"');
  assert.deepEqual(await found(set({ body })), { position, why: 'part 2 of its change is not what was hashed' });
  const hash = 'a'.repeat(64);
  assert.deepEqual(await found(set({ body: second.body, hash })), {
    position,
    why: 'part 2 of its change is not what was hashed',
  });
  await set({ body: second.body, hash: second.hash })(records.store);
  const added = { ...second, number: (record?.draft?.parts as number) + 1, merged: 0 };
  assert.deepEqual(await found((store) => store.change((db) => db.insertInto('draftParts').values(added).execute())), {
    position,
    why: 'a part was added to its change',
  });
  const remove = (store: Records['store']) =>
    store.change((db) => db.deleteFrom('draftParts').where('number', '=', 2).execute());
  assert.deepEqual(await found(remove), { position, why: 'part 2 of its change is missing' });
});
