import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { AttributeName, AttributeValue } from '@portcullis/contract';
import { openRecords, putCertificate, putSubject, type Records, subjectId } from '../../test/records.ts';
import { apiRoutes } from './routes.ts';

async function fleet(context: TestContext): Promise<Records> {
  const records = await openRecords(context);
  for (const subject of ['a', 'b']) await putSubject(records, subject);
  await putCertificate(records, 'a', 'of a');
  return records;
}

/** As its route does it. */
function ask(records: Records, path: string, body: object, params: object = {}) {
  const route = apiRoutes.find((one) => one.method === 'POST' && one.path === path);
  const call = { body, params, query: {}, by: { actor: 'operator-1' } };
  return route?.handle(
    { ...records, feed: {}, signals: { heldBy: async () => [], keepStrict: async () => 0 } } as never,
    call as never,
  );
}

const set = (records: Records, subjects: string[], values: Record<string, AttributeValue>, on: object = {}) =>
  ask(records, '/v1/attributes', { subjects, set: values, ...on }) as Promise<{ revision: number }>;

const refused = { code: 'precondition_failed' };

test('ifRevision: no subject that is named was touched after it, by values, visibility or standing; others do not matter', async (context) => {
  const records = await fleet(context);
  const ifRevision = records.journal.head().revision;
  await set(records, ['b'], { status: 'off' });
  await set(records, ['a'], { level: 1 }, { ifRevision });
  await assert.rejects(set(records, ['a'], { level: 2 }, { ifRevision }), {
    ...refused,
    message: `nothing was changed: "a" was touched after revision ${ifRevision}`,
  });
  await assert.rejects(set(records, ['a', 'b'], { level: 2 }, { ifRevision }), /"a", "b" were touched/);
  const after = records.journal.head().revision;
  await ask(records, '/v1/standings', { subject: 'a', action: 'suspend', ifRevision: after });
  for (const [path, body, params] of [
    ['/v1/standings', { subject: 'a', action: 'revoke' }, {}],
    ['/v1/standings', { subjects: ['b', 'a'], action: 'revoke' }, {}],
    ['/v1/standings', { fingerprint: await fingerprintOf(records), action: 'revoke' }, {}],
    ['/v1/subjects/:id/retire', {}, { id: 'a' }],
  ] as const) {
    await assert.rejects(async () => ask(records, path, { ...body, ifRevision: after }, params), refused, path);
  }
  assert.equal(records.journal.head().revision, after + 1);
});

const fingerprintOf = async ({ revocation }: Records) =>
  (await revocation.list({ subject: subjectId('a'), limit: 1 })).items[0]?.fingerprint;

test('ifValues: each subject that is named has these values as they are stored; null is none', async (context) => {
  const records = await fleet(context);
  await set(records, ['a'], { level: 1 }, { ifValues: { status: 'active', level: null } });
  for (const ifValues of [{ status: 'off' }, { level: null }, { level: '1' }, { level: 2 }, { other: 1 }]) {
    await assert.rejects(set(records, ['a'], { status: 'x' }, { ifValues }), refused, JSON.stringify(ifValues));
  }
  await assert.rejects(set(records, ['a', 'b'], { status: 'x' }, { ifValues: { level: 1 } }), {
    ...refused,
    message: 'nothing was changed: "b" has not level=1',
  });
  await assert.rejects(
    async () => ask(records, '/v1/standings', { subject: 'a', action: 'revoke', ifValues: { level: 3 } }),
    refused,
  );
});

test('of many who say the same condition at once, one is done', async (context) => {
  const records = await fleet(context);
  const ifRevision = records.journal.head().revision;
  const done = await Promise.allSettled(
    Array.from({ length: 20 }, (_, owner) => set(records, ['a'], { owner }, { ifRevision })),
  );
  assert.equal(done.filter(({ status }) => status === 'fulfilled').length, 1);
  const { attributes } = await records.attributes.read('a');
  const winner = done.findIndex(({ status }) => status === 'fulfilled');
  assert.equal(attributes.find(({ name }) => name === ('owner' as AttributeName))?.value, winner);
});
