import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CertificatesQuery } from '@portcullis/contract';
import { openRecords, putCertificate, putSubject, type Records, startedAt } from '../../test/records.ts';

const day = 86_400_000;
const inDays = (days: number) => new Date(startedAt + days * day).toISOString();

/** All pages of two. */
async function listed(records: Records, query: object): Promise<string[]> {
  const ends: string[] = [];
  for (let after: string | null | undefined; after !== null; ) {
    const asked = CertificatesQuery.parse({ ...query, limit: 2, ...(after && { after }) });
    const { items, next } = await records.revocation.list(asked);
    ends.push(...items.map(({ subject, notAfter }) => `${subject} ${(Date.parse(notAfter) - startedAt) / day}`));
    after = next;
  }
  return ends;
}

async function open(context: Parameters<typeof openRecords>[0]): Promise<Records> {
  const records = await openRecords(context);
  await putSubject(records, 'a');
  await putSubject(records, 'b', 'gateway');
  const put = (subject: string, days: number, given: object = {}) =>
    putCertificate(records, subject, `${subject} ${days}`, { notAfter: startedAt + days * day, ...given });
  for (const days of [9, 3, 30, -1]) await put('a', days);
  for (const days of [3, 8]) await put('b', days);
  await put('a', 2, { standing: 'superseded' });
  await put('b', 1, { standing: 'suspended' });
  await put('b', 4, { purpose: 'server' });
  return records;
}

test('what ends soon comes in the order of ends: valid ones that have not ended, over all pages', async (context) => {
  const records = await open(context);
  const ending = await listed(records, { endsBefore: inDays(10) });
  assert.deepEqual(ending.toSorted(), ['a 3', 'a 9', 'b 3', 'b 8']);
  assert.deepEqual(
    ending.map((one) => one.split(' ')[1]),
    ['3', '3', '8', '9'],
  );
  assert.deepEqual(await listed(records, { endsBefore: inDays(10), kind: 'gateway' }), ['b 3', 'b 8']);
  assert.deepEqual(await listed(records, { endsBefore: inDays(10), subject: 'a' }), ['a 3', 'a 9']);
});

test('certificates are found by standing, kind and subject', async (context) => {
  const records = await open(context);
  assert.deepEqual(await listed(records, { standing: 'suspended' }), ['b 1']);
  assert.deepEqual((await listed(records, { standing: 'valid', kind: 'gateway' })).toSorted(), ['b 3', 'b 4', 'b 8']);
  assert.equal((await listed(records, { subject: 'a' })).length, 5);
});

test('a subject that nobody has, a place that is none, and what does not end are refused', async (context) => {
  const records = await open(context);
  await assert.rejects(listed(records, { subject: 'nobody' }), { code: 'subject_unknown' });
  const list = (query: object) => records.revocation.list(CertificatesQuery.parse(query));
  await assert.rejects(list({ endsBefore: inDays(1), after: 'f'.repeat(64) }), { code: 'request_malformed' });
  await assert.rejects(list({ endsBefore: inDays(1), standing: 'revoked' }), { code: 'request_malformed' });
});

test('what ends soon counts subjects by their last valid certificate; who is no device is named', async (context) => {
  const records = await openRecords(context);
  for (const [subject, kind] of [
    ['a', 'device'],
    ['b', 'gateway'],
    ['c', 'device'],
    ['gate-1', 'gate'],
  ] as const) {
    await putSubject(records, subject, kind);
  }
  const put = (subject: string, days: number, given: object = {}) =>
    putCertificate(records, subject, `${subject} ${days}`, { notAfter: startedAt + days * day, ...given });
  for (const [subject, days] of [
    ['a', 3],
    ['a', 5],
    ['b', 6],
    ['c', 2],
    ['c', 20],
    ['gate-1', 4],
  ] as const)
    await put(subject, days);
  const ending = await records.revocation.ending(7 * day);
  const others = [{ subject: 'gate-1', kind: 'gate', notAfter: inDays(4) }];
  assert.deepEqual(ending, { devices: 2, others, more: false });
});
