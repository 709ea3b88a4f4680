import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SubjectsQuery } from '@portcullis/contract';
import { openRecords, putCertificate, putSubject, type Records, startedAt } from '../../test/records.ts';

const day = 86_400_000;

async function listed(records: Records, query: object): Promise<string[]> {
  const { items } = await records.attributes.list(SubjectsQuery.parse(query));
  return items.map(({ subject }) => subject);
}

test('subjects are found by a value, whatever its type is, by standing and by kind', async (context) => {
  const records = await openRecords(context);
  await putSubject(records, 'a', 'device', { site: 'berlin', level: 7 });
  await putSubject(records, 'b', 'device', { site: 'kiel', label: '7' });
  await putSubject(records, 'c', 'gateway', { site: 'berlin', armed: true });
  await putCertificate(records, 'a', 'a1', { standing: 'revoked' });
  await putCertificate(records, 'a', 'a2', { standing: 'suspended' });
  await putCertificate(records, 'b', 'b1', { standing: 'valid' });
  await putCertificate(records, 'b', 'b2', { standing: 'revoked' });
  await putCertificate(records, 'c', 'c1', { standing: 'superseded' });
  assert.deepEqual(await listed(records, { attribute: 'site=berlin' }), ['a', 'c']);
  assert.deepEqual(await listed(records, { attribute: 'site=berlin', kind: 'gateway' }), ['c']);
  assert.deepEqual(await listed(records, { attribute: 'level=7' }), ['a']);
  assert.deepEqual(await listed(records, { attribute: 'label=7' }), ['b']);
  for (const [written, found] of [
    ['level=7.0', ['a']],
    ['level=0.7e1', ['a']],
    ['level=7.00000000000000000001', []],
    ['label=7.0', []],
  ] as const) {
    assert.deepEqual(await listed(records, { attribute: written }), found, written);
  }
  assert.deepEqual(await listed(records, { attribute: 'armed=true' }), ['c']);
  assert.deepEqual(await listed(records, { attribute: 'site=mars' }), []);
  assert.deepEqual(await listed(records, { standing: 'valid' }), ['b']);
  assert.deepEqual(await listed(records, { standing: 'suspended' }), ['a']);
  assert.deepEqual(await listed(records, { standing: 'revoked' }), []);
});

test('a subject is listed with the certificate that it connects with: the best standing, and of it the last end', async (context) => {
  const records = await openRecords(context);
  for (const subject of ['a', 'b', 'c']) await putSubject(records, subject);
  await putCertificate(records, 'a', 'a1', { standing: 'valid', notAfter: startedAt + 5 * day });
  await putCertificate(records, 'a', 'a2', { standing: 'valid', notAfter: startedAt + 9 * day });
  await putCertificate(records, 'a', 'a3', { standing: 'revoked', notAfter: startedAt + 20 * day });
  await putCertificate(records, 'a', 'a4', { standing: 'valid', notAfter: startedAt + 30 * day, confirmed: 0 });
  await putCertificate(records, 'b', 'b1', { standing: 'revoked', notAfter: startedAt + 5 * day });
  const { items } = await records.attributes.list(SubjectsQuery.parse({}));
  const certificates = items.map(({ certificate }) => certificate);
  const at = (days: number) => new Date(startedAt + days * day).toISOString();
  assert.deepEqual(certificates, [
    { standing: 'valid', notAfter: at(9) },
    { standing: 'revoked', notAfter: at(5) },
    null,
  ]);
  assert.deepEqual((await records.attributes.read('a')).certificate, certificates[0]);
});

test('a filter that lets little through makes short pages, and not one that looks at the whole fleet', async (context) => {
  const records = await openRecords(context);
  const ids = Array.from({ length: 12_000 }, (_, index) => `device-${String(index).padStart(5, '0')}`);
  const made = { kind: 'device', createdAt: startedAt, revision: 0, hosts: null, url: null };
  await records.store.change(async (db) => {
    for (let from = 0; from < ids.length; from += 2_000) {
      const rows = ids.slice(from, from + 2_000).map((id) => ({ id, ...made }));
      await db.insertInto('subjects').values(rows).execute();
    }
  });
  await putSubject(records, 'z-last', 'device', { site: 'kiel' });
  const pages: string[][] = [];
  for (let after: string | null | undefined; after !== null; ) {
    const query = SubjectsQuery.parse({ attribute: 'site=kiel', ...(after && { after }) });
    const page = await records.attributes.list(query);
    pages.push(page.items.map(({ subject }) => subject));
    after = page.next;
  }
  assert.deepEqual(pages, [[], [], ['z-last']]);
});
