import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AttributeHistoryView, type AttributeName, AttributesRequest, SubjectView } from '@portcullis/contract';
import { openRecords, putSubject, type Records, startedAt, subjectId } from '../../test/records.ts';
import { openAttributes } from './attributes.ts';

const by = { actor: 'operator-1', reason: 'because' };

const change = (records: Records, request: unknown, who: { actor: string; reason?: string } = by) =>
  records.attributes.change(who, AttributesRequest.parse(request));

const valuesOf = async (records: Records, subject: string) =>
  Object.fromEntries((await records.attributes.read(subject)).attributes.map(({ name, value }) => [name, value]));

test('a change sets typed values, says who and why, and is one revision', async (context) => {
  const records = await openRecords(context);
  await putSubject(records, 'truck-17');
  records.clock.now += 5_000;
  const { revision } = await change(records, {
    subjects: ['truck-17'],
    set: { status: 'blocked', clearance: 2.5, armed: true },
  });
  assert.equal(revision, 2);
  const view = SubjectView.parse(await records.attributes.read('truck-17'));
  assert.equal(view.revision, 2);
  assert.equal(view.createdAt, new Date(startedAt).toISOString());
  assert.deepEqual(
    view.attributes.map(({ name, type, value, visibility }) => [name, type, value, visibility]),
    [
      ['armed', 'boolean', true, 'private'],
      ['clearance', 'number', 2.5, 'private'],
      ['status', 'string', 'blocked', 'private'],
    ],
  );
  assert.deepEqual(view.attributes[2], {
    name: 'status',
    type: 'string',
    value: 'blocked',
    visibility: 'private',
    revision: 2,
    changedAt: new Date(startedAt + 5_000).toISOString(),
    changedBy: 'operator-1',
    reason: 'because',
  });
});

test('what gates are told is exactly what changed', async (context) => {
  const records = await openRecords(context);
  await putSubject(records, 'a');
  await putSubject(records, 'b', 'gateway');
  const { revision } = await change(records, {
    subjects: ['b', 'a', 'b'],
    set: { seal: 'x' },
    unset: ['status'],
    visibility: 'public',
  });
  const record = await records.journal.changeAt(revision);
  const attributes = { seal: { value: 'x', public: true }, status: { value: null, public: false } };
  assert.deepEqual(record?.subjects, [
    { subject: 'b', kind: 'gateway', attributes },
    { subject: 'a', kind: 'device', attributes },
  ]);
  assert.equal(record?.reason, 'because');
});

test('the first use of a name fixes its type in the whole fleet', async (context) => {
  const records = await openRecords(context);
  await putSubject(records, 'a');
  await putSubject(records, 'b');
  await change(records, { subjects: ['a'], set: { clearance: 2 } });
  for (const value of ['2', true]) {
    await assert.rejects(change(records, { subjects: ['b'], set: { clearance: value } }), {
      code: 'attribute_type_conflict',
      detail: { name: 'clearance', expected: 'number', found: typeof value },
    });
  }
  await assert.rejects(putSubject(records, 'c', 'device', { clearance: 'high' }), { code: 'attribute_type_conflict' });
  await assert.rejects(records.attributes.read('c'), { code: 'subject_unknown' });
  await change(records, { subjects: ['a'], unset: ['clearance'] });
  await assert.rejects(change(records, { subjects: ['a'], set: { clearance: 'high' } }), {
    code: 'attribute_type_conflict',
  });
});

test('a name gets another type where no value stands in the way; it is in the journal, and no revision', async (context) => {
  const records = await openRecords(context, { level: 'number' });
  for (const subject of ['a', 'b', 'c']) await putSubject(records, subject);
  await change(records, { subjects: ['a', 'b'], set: { version: 1.1 } });
  const asked = { name: 'version', type: 'string' } as const;
  await assert.rejects(records.attributes.retype(by, asked), {
    code: 'attribute_type_conflict',
    message: /"a" \(1\.1\), "b" \(1\.1\) stand in the way/,
  });
  await change(records, { subjects: ['a'], unset: ['version'] });
  await assert.rejects(records.attributes.retype(by, asked), { message: /^"b" \(1\.1\) stands in the way/ });
  // What is retired keeps its record as it was, and can never be told to give it up.
  await records.store.change((db) => db.updateTable('subjects').set({ retired: 1 }).where('id', '=', 'b').execute());
  const { revision } = records.journal.head();
  assert.deepEqual(await records.attributes.retype(by, asked), { changed: 1 });
  assert.deepEqual(await records.attributes.retype(by, asked), { changed: 0 });
  const [entry] = (await records.journal.entries(0, 100)).slice(-1);
  assert.deepEqual(
    [records.journal.head().revision, entry?.action, entry?.body],
    [revision, 'attributes.retype', { reason: 'because', name: 'version', from: 'number', to: 'string' }],
  );
  await change(records, { subjects: ['c'], set: { version: '1.10' } });
  assert.deepEqual(await valuesOf(records, 'c'), { status: 'active', version: '1.10' });
  assert.deepEqual(await records.attributes.types(), [
    { name: 'level', type: 'number', declared: true, subjects: 0 },
    { name: 'status', type: 'string', declared: false, subjects: 3 },
    { name: 'version', type: 'string', declared: false, subjects: 2 },
  ]);
  assert.deepEqual(await records.attributes.type('level'), { name: 'level', type: 'number', declared: true });
  for (const [name, code] of [
    ['level', 'attribute_type_conflict'],
    ['nothing', 'attribute_unknown'],
    ['constructor', 'attribute_unknown'],
  ] as const) {
    await assert.rejects(records.attributes.retype(by, { name, type: 'boolean' }), { code });
  }
});

test('of retypes at once each is journalled with the type that it replaced, and one that replaces nothing not at all', async (context) => {
  const records = await openRecords(context);
  await putSubject(records, 'a');
  await change(records, { subjects: ['a'], set: { version: 1 } });
  await change(records, { subjects: ['a'], unset: ['version'] });
  const wanted = ['string', 'boolean', 'boolean', 'number'] as const;
  const done = await Promise.all(wanted.map((type) => records.attributes.retype(by, { name: 'version', type })));
  assert.deepEqual(
    done.map(({ changed }) => changed),
    [1, 1, 0, 1],
  );
  const entries = (await records.journal.entries(0, 100)).filter(({ action }) => action === 'attributes.retype');
  assert.deepEqual(
    entries.map(({ body }) => {
      const { from, to } = body as { from: string; to: string };
      return [from, to];
    }),
    [
      ['number', 'string'],
      ['string', 'boolean'],
      ['boolean', 'number'],
    ],
  );
});

test('a refused change fixes no type', async (context) => {
  const records = await openRecords(context);
  await putSubject(records, 'a');
  await assert.rejects(change(records, { subjects: ['a', 'nobody'], set: { level: 1 } }), { code: 'subject_unknown' });
  await change(records, { subjects: ['a'], set: { level: 'high' } });
});

test('a declared type holds before the first use, and after its declaration is gone', async (context) => {
  const records = await openRecords(context, { clearance: 'number' });
  await putSubject(records, 'a');
  await assert.rejects(change(records, { subjects: ['a'], set: { clearance: 'high' } }), {
    code: 'attribute_type_conflict',
  });
  await change(records, { subjects: ['a'], set: { clearance: 3 } });
  const undeclared = await openAttributes({ ...records, declared: {} });
  await assert.rejects(
    undeclared.change(by, AttributesRequest.parse({ subjects: ['a'], set: { clearance: 'high' } })),
    {
      code: 'attribute_type_conflict',
    },
  );
});

test('names that every object has are names like any other', async (context) => {
  const records = await openRecords(context, { declared: 'string' });
  await putSubject(records, 'a', 'device', { toString: 'a text', valueOf: 7 } as never);
  await change(records, { subjects: ['a'], set: { hasOwnProperty: true } });
  assert.deepEqual(await valuesOf(records, 'a'), { hasOwnProperty: true, toString: 'a text', valueOf: 7 });
});

const refused: [string, unknown, string][] = [
  ['names a subject that is not there', { subjects: ['nobody'], set: { status: 'x' } }, 'subject_unknown'],
  ['names one that is not there among others', { subjects: ['a', 'nobody'], set: { status: 'x' } }, 'subject_unknown'],
  ['names a retired subject', { subjects: ['a', 'retired'], set: { status: 'x' } }, 'subject_retired'],
  ['unsets what is not set', { subjects: ['a'], unset: ['seal'] }, 'attribute_unknown'],
  ['unsets what one of them does not have', { subjects: ['a', 'b'], unset: ['site'] }, 'attribute_unknown'],
  ['names no attribute', { subjects: ['a'] }, 'request_malformed'],
  ['sets and unsets the same name', { subjects: ['a'], set: { site: 'x' }, unset: ['site'] }, 'request_malformed'],
  ['has a value of another type', { subjects: ['a'], set: { status: 1 } }, 'attribute_type_conflict'],
];

for (const [what, request, code] of refused) {
  test(`a change that ${what} is refused as ${code}, and changes nothing`, async (context) => {
    const records = await openRecords(context);
    await putSubject(records, 'a', 'device', { status: 'active', site: 'berlin' });
    await putSubject(records, 'b');
    await putSubject(records, 'retired');
    await records.store.change((db) =>
      db.updateTable('subjects').set({ retired: 1 }).where('id', '=', 'retired').execute(),
    );
    const before = records.journal.head();
    await assert.rejects(change(records, request), { code });
    assert.deepEqual(records.journal.head(), before);
    assert.deepEqual(await valuesOf(records, 'a'), { site: 'berlin', status: 'active' });
    assert.equal((await records.attributes.history('a', { limit: 10 })).items.length, 2);
  });
}

test('all subjects that the fleet does not know are named at once, and nothing is changed', async (context) => {
  const records = await openRecords(context);
  await putSubject(records, 'a');
  const before = records.journal.head();
  const request = { subjects: ['nobody', 'a', 'no-one'], set: { status: 'x' } };
  await assert.rejects(change(records, request), {
    code: 'subject_unknown',
    message: 'the fleet has no subject "nobody", "no-one"; nothing was changed',
  });
  const many = Array.from({ length: 60 }, (_, index) => `unknown-${index}`);
  await assert.rejects(change(records, { subjects: many, set: { status: 'x' } }), {
    message: /"unknown-49" and 10 more;/,
  });
  assert.deepEqual(records.journal.head(), before);
});

test('the history of a name that a subject never had is an error, that of one it lost is not', async (context) => {
  const records = await openRecords(context);
  await putSubject(records, 'a');
  await assert.rejects(records.attributes.history('a', { name: 'seal', limit: 1 }), { code: 'attribute_unknown' });
  await change(records, { subjects: ['a'], unset: ['status'] });
  assert.equal((await records.attributes.history('a', { name: 'status', limit: 10 })).items.length, 2);
});

test('an attribute is private unless made public, and stays what it was made', async (context) => {
  const records = await openRecords(context);
  await putSubject(records, 'a');
  const visibility = async () => {
    const { attributes } = await records.attributes.read('a');
    return attributes.find(({ name }) => name === 'status')?.visibility;
  };
  assert.equal(await visibility(), 'private');
  await change(records, { subjects: ['a'], set: { status: 'x' }, visibility: 'public' });
  await change(records, { subjects: ['a'], set: { status: 'y' } });
  assert.equal(await visibility(), 'public');
  await change(records, { subjects: ['a'], set: { status: 'y' }, visibility: 'private' });
  assert.equal(await visibility(), 'private');
  await change(records, { subjects: ['a'], set: { status: 'z' }, visibility: 'public' });
  await change(records, { subjects: ['a'], unset: ['status'] });
  await change(records, { subjects: ['a'], set: { status: 'again' } });
  assert.equal(await visibility(), 'private');
});

test('the history has every value with who, when, why and at which revision, in pages', async (context) => {
  const records = await openRecords(context);
  await putSubject(records, 'a');
  await change(
    records,
    { subjects: ['a'], set: { status: 'blocked', seal: 'x' } },
    { actor: 'monitor-1', reason: 'alarm' },
  );
  await change(records, { subjects: ['a'], unset: ['status'] });
  const read = async (query: { name?: string; limit: number }) => {
    const items: unknown[] = [];
    let after: string | null | undefined;
    while (after !== null) {
      const page = await records.attributes.history('a', { ...query, after: after ?? undefined });
      for (const item of page.items) {
        const { name, value, type, revision, changedBy, reason } = AttributeHistoryView.parse(item);
        items.push([name, value, type, revision, changedBy, reason]);
      }
      after = page.next;
    }
    return items;
  };
  const status = [
    ['status', 'active', 'string', 1, 'operator-1', null],
    ['status', 'blocked', 'string', 2, 'monitor-1', 'alarm'],
    ['status', null, 'string', 3, 'operator-1', 'because'],
  ];
  assert.deepEqual(await read({ name: 'status', limit: 10 }), status);
  const seal = ['seal', 'x', 'string', 2, 'monitor-1', 'alarm'];
  assert.deepEqual(await read({ limit: 1 }), [status[0], status[1], seal, status[2]]);
  await assert.rejects(records.attributes.history('nobody', { limit: 1 }), { code: 'subject_unknown' });
});

test('a token for a subject that exists touches none of its values, and never changes its kind', async (context) => {
  const records = await openRecords(context);
  assert.equal(await putSubject(records, 'a', 'device', { status: 'blocked' }), 'created');
  assert.equal(await putSubject(records, 'a', 'device', { status: 'active', extra: 1 }), 'existing');
  assert.deepEqual(await valuesOf(records, 'a'), { status: 'blocked' });
  await assert.rejects(putSubject(records, 'a', 'gateway'), { code: 'kind_conflict' });
  await records.store.change((db) => db.updateTable('subjects').set({ retired: 1 }).execute());
  await assert.rejects(putSubject(records, 'a'), { code: 'subject_retired' });
});

test('subjects are listed in pages and by kind, each with its own values', async (context) => {
  const records = await openRecords(context);
  for (const id of ['c', 'a', 'e', 'b', 'd']) await putSubject(records, id, id === 'd' ? 'gateway' : 'device', { id });
  const first = await records.attributes.list({ limit: 2 });
  assert.deepEqual([first.items.map(({ subject }) => subject), first.next], [['a', 'b'], 'b']);
  const second = await records.attributes.list({ limit: 2, after: 'b' });
  assert.deepEqual(
    second.items.map(({ subject, attributes }) => [subject, attributes[0]?.value]),
    [
      ['c', 'c'],
      ['d', 'd'],
    ],
  );
  const devices = await records.attributes.list({ limit: 10, kind: 'device' });
  assert.deepEqual([devices.items.map(({ subject }) => subject), devices.next], [['a', 'b', 'c', 'e'], null]);
  assert.deepEqual(await records.attributes.list({ limit: 10, after: 'z' }), { items: [], next: null });
});

test('where a gate is reached is on record, and makes no revision', async (context) => {
  const records = await openRecords(context);
  await putSubject(records, 'gate-1', 'gate');
  const before = records.journal.head();
  await records.attributes.announce({ actor: 'gate-1' }, { url: 'https://gate.example:8443' });
  const where = () =>
    records.store.read((db) => db.selectFrom('subjects').select(['url', 'mqttUrl']).executeTakeFirst());
  assert.deepEqual({ ...(await where()) }, { url: 'https://gate.example:8443', mqttUrl: null });
  const reached = { url: 'https://gate.example:8443', mqtt: 'mqtts://gate.example:8883' };
  await records.attributes.announce({ actor: 'gate-1' }, reached);
  assert.deepEqual({ ...(await where()) }, { url: reached.url, mqttUrl: reached.mqtt });
  assert.deepEqual(records.journal.head(), before);
});

test('one change of 20 000 subjects is one revision, and never holds the event loop for an eighth of a lease', async (context) => {
  const records = await openRecords(context);
  const subjects = Array.from({ length: 20_000 }, (_, index) => subjectId(`device-${index}`));
  const rows = subjects.map((id) => ({
    id,
    kind: 'device',
    createdAt: startedAt,
    revision: 0,
    hosts: null,
    url: null,
  }));
  await records.store.change(async (db) => {
    for (let from = 0; from < rows.length; from += 2_000) {
      await db
        .insertInto('subjects')
        .values(rows.slice(from, from + 2_000))
        .execute();
    }
  });
  // What this thread computed between two looks, whatever else the machine does meanwhile.
  const busyMs = () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1_000;
  };
  let longestMs = 0;
  let last = busyMs();
  const look = setInterval(() => {
    const now = busyMs();
    longestMs = Math.max(longestMs, now - last);
    last = now;
  }, 1);
  const name = 'status' as AttributeName;
  const { revision } = await records.attributes.change(by, { subjects, set: { [name]: 'blocked' } });
  clearInterval(look);
  assert.equal(revision, 1);
  const record = await records.journal.changeAt(1);
  assert.equal(record?.draft?.changed, subjects.length);
  let told = 0;
  for await (const deltas of records.journal.deltasOf(record)) told += deltas.length;
  assert.equal(told, subjects.length);
  assert.deepEqual(await valuesOf(records, 'device-19999'), { status: 'blocked' });
  assert.ok(longestMs < 5_000 / 8, `the event loop was held for ${longestMs} ms`);
});
