import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AttributesRequest, type AttributeValue } from '@portcullis/contract';
import { openRecords, putSubject, type Records } from '../../test/records.ts';
import type { ChangeTransaction } from '../journal/journal.ts';

const by = { actor: 'operator-1' };
const status = 'status';

const within = <T>({ journal }: Records, work: (change: ChangeTransaction) => Promise<T>) =>
  journal.change({ actor: 'monitor-1', action: 'signals.hold' }, work);
const lay = (records: Records, subject: string, value: AttributeValue, name = status) =>
  within(records, (change) => records.attributes.lay(change, { subject, name, value }));
const lift = (records: Records, subject: string, name = status) =>
  within(records, (change) => records.attributes.lift(change, { subject, name }));
const set = ({ attributes }: Records, asked: object) => attributes.change(by, AttributesRequest.parse(asked));

async function seen({ attributes }: Records, subject: string, name = status) {
  const found = (await attributes.read(subject)).attributes.find((one) => one.name === name);
  return found?.value ?? null;
}

const under = ({ attributes, store }: Records, subject: string) =>
  store.read(async (db) => Object.fromEntries(await attributes.beneath(db, subject)));

/** What gates are told by the changes after a revision, of one attribute. */
async function told({ journal }: Records, after: number, subject: string, name = status) {
  const values: unknown[] = [];
  for (const record of await journal.changes(after, 100)) {
    for await (const deltas of journal.deltasOf(record)) {
      for (const delta of deltas) {
        const value = delta.subject === subject ? delta.attributes?.[name as never] : undefined;
        if (value) values.push((value as { value: unknown }).value);
      }
    }
  }
  return values;
}

async function open(context: Parameters<typeof openRecords>[0], ...subjects: string[]): Promise<Records> {
  const records = await openRecords(context);
  for (const subject of subjects) await putSubject(records, subject);
  return records;
}

test('what is laid over a value is in force; lifted, what is underneath is again, in one revision each', async (context) => {
  const records = await open(context, 'box-1');
  const from = records.journal.head().revision;
  await lay(records, 'box-1', 'quarantined');
  assert.deepEqual(
    [await seen(records, 'box-1'), await under(records, 'box-1')],
    ['quarantined', { status: 'active' }],
  );
  await lift(records, 'box-1');
  assert.deepEqual([await seen(records, 'box-1'), await under(records, 'box-1')], ['active', {}]);
  assert.deepEqual(await told(records, from, 'box-1'), ['quarantined', 'active']);
  assert.equal(records.journal.head().revision, from + 2);
});

test('an attribute that had no value has none again', async (context) => {
  const records = await open(context, 'box-1');
  await lay(records, 'box-1', 'red', 'lamp');
  await lift(records, 'box-1', 'lamp');
  assert.equal(await seen(records, 'box-1', 'lamp'), null);
});

test('what an operator says meanwhile goes underneath, also to unset it; gates see the hold until it is lifted', async (context) => {
  const records = await open(context, 'box-1');
  await lay(records, 'box-1', 'quarantined');
  const from = records.journal.head().revision;
  const { changed } = await set(records, { subjects: ['box-1'], set: { status: 'spare' } });
  assert.deepEqual([changed, await seen(records, 'box-1')], [1, 'quarantined']);
  assert.deepEqual(await told(records, from, 'box-1'), []);
  await set(records, { subjects: ['box-1'], unset: ['status'] });
  assert.deepEqual(await under(records, 'box-1'), { status: null });
  await assert.rejects(set(records, { subjects: ['box-1'], unset: ['status'] }), { code: 'attribute_unknown' });
  await set(records, { subjects: ['box-1'], set: { status: 'spare' } });
  await lift(records, 'box-1');
  assert.equal(await seen(records, 'box-1'), 'spare');
  const { items } = await records.attributes.history('box-1', { limit: 100, name: status });
  assert.deepEqual(
    items.map(({ value, beneath = false }) => [value, beneath]),
    [
      ['active', false],
      ['quarantined', false],
      ['spare', true],
      [null, true],
      ['spare', true],
      ['spare', false],
    ],
  );
});

test('a value at a time is what was in force then, never what was underneath', async (context) => {
  const records = await open(context, 'box-1');
  const at = (ms: number) => records.store.read((db) => records.attributes.valueAt(db, 'box-1', status, ms));
  const begun = records.clock.now;
  records.clock.now += 1_000;
  await lay(records, 'box-1', 'quarantined');
  await set(records, { subjects: ['box-1'], set: { status: 'spare' } });
  const during = records.clock.now;
  records.clock.now += 1_000;
  await lift(records, 'box-1');
  const then = [await at(begun - 1), await at(begun), await at(during), await at(records.clock.now)];
  assert.deepEqual(then, [null, 'active', 'quarantined', 'spare']);
});

const many = Array.from({ length: 600 }, (_, index) => `device-${String(index).padStart(3, '0')}`);

for (const when of ['before it is prepared', 'once it is prepared'] as const) {
  test(`P6: a bulk change releases nothing that is held ${when}`, async (context) => {
    const records = await open(context, ...many);
    const held = 'device-005';
    if (when === 'before it is prepared') await lay(records, held, 'quarantined');
    else beforeCommit(records, () => lay(records, held, 'quarantined'));
    const from = records.journal.head().revision;
    const { changed } = await set(records, { subjects: many, set: { status: 'spare' } });
    await records.attributes.merged();
    assert.equal(changed, 600);
    assert.equal((await told(records, from, held)).at(-1) ?? 'quarantined', 'quarantined');
    assert.deepEqual([await seen(records, held), await under(records, held)], ['quarantined', { status: 'spare' }]);
    assert.equal(await seen(records, 'device-006'), 'spare');
    await lift(records, held);
    assert.equal(await seen(records, held), 'spare');
  });
}

test('what is lifted once a bulk change is prepared becomes what that says', async (context) => {
  const records = await open(context, ...many);
  await lay(records, 'device-005', 'quarantined');
  beforeCommit(records, () => lift(records, 'device-005'));
  await set(records, { subjects: many, set: { status: 'spare' } });
  await records.attributes.merged();
  assert.deepEqual([await seen(records, 'device-005'), await under(records, 'device-005')], ['spare', {}]);
});

test('P6: an undo neither lifts what is held nor brings it back', async (context) => {
  const records = await open(context, 'box-1');
  const undo = async (revision: number) => {
    const record = await records.journal.changeAt(revision);
    assert.ok(record);
    const nothing = async () => ({ changed: 0, newest: 0, left: [] });
    return (await records.attributes.undo(by, record, nothing)).left.map(({ why }) => why);
  };
  const { revision: laid } = await lay(records, 'box-1', 'quarantined');
  const { revision: said } = await set(records, { subjects: ['box-1'], set: { status: 'spare' } });
  assert.deepEqual([await undo(laid), await undo(said)], [['held'], ['held']]);
  assert.equal(await seen(records, 'box-1'), 'quarantined');
});

test('a name that is reserved is written by put alone, also with a token, in bulk, by a hold and by an undo', async (context) => {
  const records = await open(context, ...many);
  records.attributes.reserve({ name: 'step', by: 'record an arrival' });
  const put = (value: string) =>
    within(records, (change) => records.attributes.put(change, { subject: 'device-001', values: { step: value } }));
  assert.deepEqual([(await put('pickup')).result, (await put('pickup')).result], [1, 0]);
  const { revision } = await put('loaded');
  for (const asked of [{ set: { step: 'x' } }, { unset: ['step'] }]) {
    await assert.rejects(set(records, { subjects: ['device-001'], ...asked }), { code: 'attribute_reserved' });
    await assert.rejects(set(records, { subjects: many, ...asked }), { code: 'attribute_reserved' });
  }
  await assert.rejects(putSubject(records, 'box-1', 'device', { step: 'x' }), { code: 'attribute_reserved' });
  await assert.rejects(lay(records, 'device-001', 'x', 'step'), { code: 'attribute_reserved' });
  const record = await records.journal.changeAt(revision);
  assert.ok(record);
  const { left } = await records.attributes.undo(by, record, async () => ({ changed: 0, newest: 0, left: [] }));
  assert.deepEqual(
    left.map(({ why }) => why),
    ['reserved'],
  );
  assert.equal(await seen(records, 'device-001', 'step'), 'loaded');
});

test('P15: what is held is seen by those whom an operator names, at once and once it is lifted', async (context) => {
  const records = await open(context, ...many);
  const held = 'device-005';
  const visibility = async () => (await records.attributes.read(held)).attributes.map((one) => one.visibility);
  await set(records, { subjects: [held], set: { status: 'active' }, visibility: 'public' });
  await lay(records, held, 'quarantined');
  const { revision } = await set(records, { subjects: [held], set: { status: 'active' }, visibility: 'private' });
  assert.deepEqual([await visibility(), await seen(records, held)], [['private'], 'quarantined']);
  assert.deepEqual(await told(records, revision - 1, held), ['quarantined']);
  await set(records, { subjects: many, set: { status: 'active' }, visibility: 'public' });
  await records.attributes.merged();
  assert.deepEqual([await visibility(), await seen(records, held)], [['public'], 'quarantined']);
  await within(records, (change) =>
    records.attributes.put(change, { subject: held, values: { status: 'active' }, visibility: 'private' }),
  );
  assert.deepEqual([await visibility(), await seen(records, held)], [['private'], 'quarantined']);
  await lift(records, held);
  assert.deepEqual([await visibility(), await seen(records, held)], [['private'], 'active']);
});

test('what is put while something is held goes underneath', async (context) => {
  const records = await open(context, 'box-1');
  await lay(records, 'box-1', 'quarantined');
  await within(records, (change) => records.attributes.put(change, { subject: 'box-1', values: { status: 'spare' } }));
  assert.deepEqual([await seen(records, 'box-1'), await under(records, 'box-1')], ['quarantined', { status: 'spare' }]);
});

test('what comes first in a revision counts as a change of it', async (context) => {
  const records = await open(context, 'box-1');
  await lay(records, 'box-1', 'quarantined');
  const before = records.journal.head().revision;
  const release = async (change: ChangeTransaction) => {
    await records.attributes.lift(change, { subject: 'box-1', name: status });
    return 1;
  };
  const asked = AttributesRequest.parse({ subjects: ['box-1'], set: { status: 'active' } });
  const done = await records.attributes.change(by, asked, release);
  assert.deepEqual([done.revision, await seen(records, 'box-1')], [before + 1, 'active']);
});

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
