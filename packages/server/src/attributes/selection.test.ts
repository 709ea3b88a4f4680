import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { SelectionLine } from '@portcullis/contract';
import { openRecords, putSubject, type Records, startedAt } from '../../test/records.ts';
import { Selections } from './selection.ts';

const never = new AbortController().signal;
const many = Array.from({ length: 2_300 }, (_, index) => `device-${String(index).padStart(4, '0')}`);

/** Records of many devices, every third in Kiel and none of the others anywhere. */
async function open(context: TestContext): Promise<Records> {
  const records = await openRecords(context);
  await putSubject(records, 'gate-1', 'gate', { site: 'bonn' });
  const made = { kind: 'device', createdAt: startedAt, revision: 1, hosts: null, url: null };
  const value = { name: 'site', value: '"kiel"', visibility: 'private', revision: 1 };
  const set = { changedAt: startedAt, changedBy: 'operator-1', reason: null };
  const inKiel = many.filter((_, index) => index % 3 === 0);
  await records.store.change(async (db) => {
    await db
      .insertInto('subjects')
      .values(many.map((id) => ({ id, ...made })))
      .execute();
    await db
      .insertInto('attributes')
      .values(inKiel.map((subject) => ({ subject, ...value, ...set })))
      .execute();
  });
  return records;
}

interface Found {
  subjects: string[];
  end: SelectionLine | undefined;
}

async function find(selections: Selections, where: string): Promise<Found> {
  const found: Found = { subjects: [], end: undefined };
  for await (const line of selections.select(where, never)) {
    if (line.type === 'subjects') found.subjects.push(...line.subjects);
    else if (line.type !== 'progress') found.end = line;
  }
  return found;
}

const selectionsOf = ({ directory, attributes }: Records, msMax?: number) =>
  new Selections({ directory, declared: ['colour'], merged: () => attributes.merged() }, msMax);

test('whom it is true of is told over pages, with how many lack what decides, and the revision that it was read at', async (context) => {
  const records = await open(context);
  const { subjects, end } = await find(selectionsOf(records), 'site == "kiel" && kind == "device"');
  assert.equal(subjects.length, 767);
  assert.ok(end?.type === 'selected');
  assert.deepEqual(
    [end.revision, end.looked, end.undecided, end.example?.subject],
    [records.journal.head().revision, 2_301, 1_533, 'device-0001'],
  );
});

test('retired subjects are not looked at; a name that nobody ever set is refused, a declared one is not', async (context) => {
  const records = await open(context);
  await records.revocation.retire({ actor: 'operator-1' }, 'device-0000');
  const selections = selectionsOf(records);
  assert.deepEqual((await find(selections, 'id.endsWith("0000")')).subjects, []);
  const { end } = await find(selections, '!has(attributes.siet)');
  assert.ok(end?.type === 'failed');
  assert.equal(end.code, 'attribute_unknown');
  assert.equal((await find(selections, '!has(attributes.colour)')).subjects.length, 2_300);
});

test('P7: where part of a bulk change is in the rows and part is not, it is read again', async (context) => {
  const records = await open(context);
  const { store, directory } = records;
  const revision = records.journal.head().revision;
  await store.change(async (db) => {
    await db.insertInto('drafts').values({ id: 'half', revision }).execute();
    await db.insertInto('draftParts').values({ draft: 'half', number: 1, body: '[]', hash: '' }).execute();
  });
  let asked = 0;
  const merged = async () => {
    if (++asked === 2) await store.change((db) => db.updateTable('draftParts').set({ merged: 1 }).execute());
  };
  const { subjects } = await find(new Selections({ directory, declared: [], merged }), 'site == "kiel"');
  assert.deepEqual([subjects.length, asked], [767, 2]);
});

test('one that takes too long is given up, and who goes ends his; more than two at once are refused', async (context) => {
  const records = await open(context);
  const { end } = await find(selectionsOf(records, 1), 'site == "kiel"');
  assert.ok(end?.type === 'failed');
  assert.deepEqual(
    [end.code, end.detail],
    ['request_too_large', 'the selection took longer than 0.001 s; nothing was changed'],
  );
  const selections = selectionsOf(records);
  const gone = new AbortController();
  const first = selections.select('site == "kiel"', gone.signal);
  const second = selections.select('site == "kiel"', gone.signal);
  const begun = [await first.next(), await second.next()];
  assert.deepEqual(
    begun.map(({ value }) => value?.type),
    ['subjects', 'subjects'],
  );
  await assert.rejects(find(selections, 'site == "bonn"'), { code: 'rate_limited' });
  gone.abort();
  await Promise.allSettled([first.return(undefined), second.return(undefined)]);
  assert.deepEqual((await find(selections, 'site == "bonn"')).subjects, ['gate-1']);
});

test('what is wrong with the expression is said before a thread is started for it', async (context) => {
  const selections = selectionsOf(await open(context));
  await assert.rejects(find(selections, 'kind + 1'), { code: 'request_malformed', message: /^where: .*can never/ });
});
