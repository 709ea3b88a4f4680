import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { AttributesRequest, type LeftByUndo } from '@portcullis/contract';
import { openRecords, putCertificate, putSubject, putToken, type Records, voided } from '../../test/records.ts';

const by = { actor: 'operator-1' };
const change = async ({ attributes }: Records, asked: object) =>
  (await attributes.change(by, AttributesRequest.parse(asked))).revision;
const stand = async ({ revocation }: Records, asked: object) => (await revocation.change(by, asked as never)).revision;

async function undo({ attributes, journal, revocation }: Records, revision: number) {
  const record = await journal.changeAt(revision);
  assert.ok(record);
  return attributes.undo(by, record, (transaction) => revocation.undo(transaction, record));
}

const why = ({ left }: { left: LeftByUndo[] }) =>
  left.map(({ subject, attribute = 'certificate', why }) => `${subject} ${attribute} ${why}`);

async function found({ attributes }: Records, subject: string, name: string) {
  const value = (await attributes.read(subject)).attributes.find((one) => one.name === name);
  return value && [value.value, value.visibility];
}

const standing = async ({ revocation }: Records, fingerprint: string) => (await revocation.find(fingerprint))?.standing;

async function open(context: TestContext, ...subjects: string[]): Promise<Records> {
  const records = await openRecords(context);
  for (const subject of subjects) await putSubject(records, subject);
  return records;
}

test('values, visibility and what had no value come back, each subject its own; the entry names what it undoes', async (context) => {
  const records = await open(context, 'box-1', 'box-2', 'box-3');
  await change(records, { subjects: ['box-1'], set: { site: 'kiel' }, visibility: 'public' });
  await change(records, { subjects: ['box-2'], set: { site: 'bonn' } });
  const subjects = ['box-1', 'box-2', 'box-3'];
  const wrong = await change(records, { subjects, set: { site: 'mars' }, unset: ['status'], visibility: 'private' });
  const done = await undo(records, wrong);
  assert.deepEqual(done, { revision: wrong + 1, changed: 3, leaves: 0, left: [] });
  assert.deepEqual(await found(records, 'box-1', 'site'), ['kiel', 'public']);
  assert.deepEqual(await found(records, 'box-2', 'site'), ['bonn', 'private']);
  assert.equal(await found(records, 'box-3', 'site'), undefined);
  assert.deepEqual(await found(records, 'box-3', 'status'), ['active', 'private']);
  const record = await records.journal.changeAt(done.revision);
  assert.deepEqual([record?.action, record?.undoes], ['change.undo', wrong]);
});

test('an undo of an undo is the change again, and of what is undone nothing is left to undo', async (context) => {
  const records = await open(context, 'box-1');
  const off = await change(records, { subjects: ['box-1'], set: { status: 'off' } });
  const undone = await undo(records, off);
  const again = await undo(records, off);
  assert.deepEqual(again, {
    ...{ revision: undone.revision, changed: 0 },
    leaves: 1,
    left: [{ subject: 'box-1', attribute: 'status', why: 'changed_since' }],
  });
  await undo(records, undone.revision);
  assert.deepEqual(await found(records, 'box-1', 'status'), ['off', 'private']);
});

test('what a newer revision touched is left, also where it has the same value again', async (context) => {
  const records = await open(context, 'box-1', 'box-2');
  const off = await change(records, { subjects: ['box-1', 'box-2'], set: { status: 'off', lane: 1 } });
  await change(records, { subjects: ['box-1'], set: { status: 'lost' } });
  await change(records, { subjects: ['box-1'], set: { status: 'off' } });
  const done = await undo(records, off);
  assert.deepEqual([done.changed, why(done)], [2, ['box-1 status changed_since']]);
  assert.deepEqual(await found(records, 'box-1', 'status'), ['off', 'private']);
  assert.equal(await found(records, 'box-1', 'lane'), undefined);
});

test('what has another type by now, and what is of a retired subject, is left', async (context) => {
  const records = await open(context, 'box-1', 'box-2', 'box-3');
  await change(records, { subjects: ['box-1', 'box-2'], set: { slot: 1 } });
  const unset = await change(records, { subjects: ['box-1', 'box-2'], unset: ['slot'] });
  await records.attributes.retype(by, { name: 'slot', type: 'string' });
  const { changed, left } = await undo(records, unset);
  assert.deepEqual([changed, why({ left })], [0, ['box-1 slot retyped', 'box-2 slot retyped']]);
  const off = await change(records, { subjects: ['box-3'], set: { status: 'off' } });
  await records.revocation.retire(by, 'box-3');
  assert.deepEqual(why(await undo(records, off)), ['box-3 status retired']);
});

test('P9: a suspension is taken back and laid again; a revocation is never undone', async (context) => {
  const records = await open(context, 'truck-17', 'truck-18');
  const first = await putCertificate(records, 'truck-17', 'first');
  const second = await putCertificate(records, 'truck-18', 'second');
  const subjects = ['truck-17', 'truck-18'];
  const suspended = await stand(records, { action: 'suspend', subjects });
  await stand(records, { action: 'revoke', subject: 'truck-18' });
  const done = await undo(records, suspended);
  assert.deepEqual([done.changed, why(done)], [1, ['truck-18 certificate final']]);
  assert.deepEqual([await standing(records, first), await standing(records, second)], ['valid', 'revoked']);
  await putToken(records, 'truck-17', 'token-1');
  assert.equal((await undo(records, done.revision)).changed, 2, 'with the token, which would be a way around it');
  assert.equal(await standing(records, first), 'suspended');
  assert.ok(await voided(records, 'token-1'));
  const revoked = await stand(records, { action: 'revoke', subject: 'truck-17' });
  assert.deepEqual(why(await undo(records, revoked)), ['truck-17 certificate final']);
  assert.equal(await standing(records, first), 'revoked');
});

test('a resumption is undone unless the certificate was touched since; the last operator stays', async (context) => {
  const records = await open(context, 'truck-17');
  await putSubject(records, 'operator-1', 'operator', {});
  const first = await putCertificate(records, 'truck-17', 'first');
  const operator = await putCertificate(records, 'operator-1', 'operator');
  await stand(records, { action: 'suspend', subject: 'truck-17' });
  const resumed = await stand(records, { action: 'resume', subject: 'truck-17' });
  await stand(records, { action: 'suspend', subject: 'truck-17' });
  assert.deepEqual(why(await undo(records, resumed)), ['truck-17 certificate changed_since']);
  assert.equal(await standing(records, first), 'suspended');
  await putSubject(records, 'operator-2', 'operator', {});
  const other = await putCertificate(records, 'operator-2', 'other');
  await stand(records, { action: 'suspend', subject: 'operator-1' });
  const back = await stand(records, { action: 'resume', subject: 'operator-1' });
  await stand(records, { action: 'suspend', subject: 'operator-2' });
  await assert.rejects(undo(records, back), { code: 'last_operator' });
  assert.deepEqual([await standing(records, operator), await standing(records, other)], ['valid', 'suspended']);
});

test('a change of many is undone as one of many: in parts, and what is changed while it is prepared is left', async (context) => {
  const many = Array.from({ length: 600 }, (_, index) => `device-${index}`);
  const records = await open(context, ...many);
  const off = await change(records, { subjects: many, set: { status: 'off' } });
  const touches = { subject: 'device-7', left: 1 };
  const stop = records.journal.drafts.watch({
    onProgress: () => undefined,
    async held() {
      if (touches.left-- > 0)
        await change(records, { subjects: [touches.subject], set: { status: `lost ${touches.left}` } });
    },
  });
  context.after(stop);
  const done = await undo(records, off);
  assert.deepEqual([done.revision, why(done)], [off + 2, ['device-7 status changed_since']]);
  assert.deepEqual(await found(records, 'device-7', 'status'), ['lost 0', 'private']);
  assert.deepEqual(await found(records, 'device-599', 'status'), ['active', 'private']);
  const record = await records.journal.changeAt(done.revision);
  assert.deepEqual([record?.undoes, record?.draft !== undefined], [off, true]);
  Object.assign(touches, { subject: 'device-8', left: 3 });
  await assert.rejects(undo(records, done.revision), { code: 'precondition_failed', message: /^computed 3 times/ });
  assert.deepEqual(await found(records, 'device-599', 'status'), ['active', 'private'], 'all of it or nothing');
});
