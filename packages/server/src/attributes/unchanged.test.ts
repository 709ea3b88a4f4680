import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AttributesRequest } from '@portcullis/contract';
import { openRecords, putSubject, type Records } from '../../test/records.ts';

const change = (
  records: Records,
  request: unknown,
  who: { actor: string; reason?: string; person?: boolean } = { actor: 'operator-1', reason: 'because' },
) => records.attributes.change(who, AttributesRequest.parse(request));

test('a change says how many subjects it changed: one that repeats what is so already changed none', async (context) => {
  const records = await openRecords(context);
  for (const subject of ['a', 'b', 'c']) await putSubject(records, subject);
  const changed = async (request: unknown) => (await change(records, request)).changed;
  assert.equal(await changed({ subjects: ['a', 'b', 'c'], set: { status: 'active' } }), 0);
  assert.equal(await changed({ subjects: ['a'], set: { status: 'off', level: 2 } }), 1);
  assert.equal(await changed({ subjects: ['a', 'b', 'c'], set: { status: 'off' } }), 2);
  assert.equal(await changed({ subjects: ['a', 'b'], set: { status: 'off' }, visibility: 'public' }), 2);
  assert.equal(await changed({ subjects: ['a', 'b'], set: { status: 'off' }, visibility: 'public' }), 0);
  assert.equal(await changed({ subjects: ['a'], unset: ['level'] }), 1);
});

test('a request that stores nothing is no revision, and is answered with the newest among what it names', async (context) => {
  const records = await openRecords(context);
  for (const subject of ['a', 'b', 'c']) await putSubject(records, subject);
  const { revision } = await change(records, { subjects: ['b'], set: { status: 'off' } });
  await change(records, { subjects: ['a', 'c'], set: { status: 'off' } });
  await change(records, { subjects: ['b'], set: { seal: 'broken' } });
  const { journal } = records;
  const head = journal.head();
  const repeat = { subjects: ['b'], set: { status: 'off' } };
  assert.deepEqual(await change(records, repeat, { actor: 'siem', reason: 'again' }), { revision, changed: 0 });
  assert.deepEqual(journal.head(), head, 'a machine says the same all day');
  const person = { actor: 'operator-1', person: true };
  assert.deepEqual(await change(records, repeat, person), { revision, changed: 0 });
  assert.deepEqual(journal.head(), head, 'who says no reason is not quoted');
  assert.deepEqual(await change(records, repeat, { ...person, reason: 'seen it too' }), { revision, changed: 0 });
  assert.deepEqual([journal.head().revision, journal.head().position], [head.revision, head.position + 1]);
  const [entry] = await journal.entries(head.position, 1);
  assert.deepEqual(
    [entry?.revision, entry?.actor, entry?.action, entry?.body],
    [null, 'operator-1', 'attributes.change', { reason: 'seen it too', changed: 0, subjects: [{ subject: 'b' }] }],
  );
  assert.equal((await records.attributes.history('b', { name: 'status', limit: 10 })).items.length, 2);
});

test('of many, those that are other than before are stored and told; a visibility alone is a change', async (context) => {
  const records = await openRecords(context);
  for (const subject of ['a', 'b', 'c']) await putSubject(records, subject);
  const untouched = (await records.attributes.read('a')).revision;
  await change(records, { subjects: ['b'], set: { status: 'off', level: 1 } });
  const { revision } = await change(records, { subjects: ['a', 'b', 'c'], set: { status: 'active' } });
  assert.deepEqual((await records.journal.changeAt(revision))?.subjects, [
    { subject: 'b', kind: 'device', attributes: { status: { value: 'active', public: false } } },
  ]);
  assert.equal((await records.attributes.read('a')).revision, untouched);
  const shown = await change(records, { subjects: ['a', 'b'], set: { status: 'active' }, visibility: 'public' });
  assert.deepEqual(shown, { revision: revision + 1, changed: 2 });
});
