import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StandingsRequest } from '@portcullis/contract';
import { openRecords, putCertificate, putSubject } from '../../test/records.ts';

test('that others have the key may be said of what is revoked for another reason, once, by one revision, and changes nothing else', async (context) => {
  const records = await openRecords(context);
  for (const subject of ['truck-1', 'truck-2', 'truck-3']) await putSubject(records, subject);
  const { revocation, journal, clock, store } = records;
  const by = { actor: 'operator-1' };
  const revoke = (named: object, reasonCode?: string) =>
    revocation.change(by, StandingsRequest.parse({ action: 'revoke', ...named, ...(reasonCode && { reasonCode }) }));
  const [one, two, three] = [
    await putCertificate(records, 'truck-1', 'one'),
    await putCertificate(records, 'truck-2', 'two', { standing: 'superseded' }),
    await putCertificate(records, 'truck-3', 'three', { standing: 'revoked' }),
  ];
  await revoke({ subject: 'truck-1' }, 'cessationOfOperation');
  const before = await revocation.find(one);
  clock.now += 60_000;
  for (const code of [undefined, 'superseded', 'cessationOfOperation']) {
    await revoke({ subject: 'truck-1' }, code);
    assert.deepEqual(await revocation.find(one), before, 'no other reason takes its place');
  }
  const { revision } = journal.head();
  const done = await revoke({ fingerprint: one }, 'keyCompromise');
  assert.deepEqual(done, { revision: revision + 1, changed: 1, fingerprints: [one] });
  assert.deepEqual({ ...(await revocation.find(one)) }, { ...before, reasonCode: 'keyCompromise' });
  const told = await journal.changeAt(done.revision);
  assert.deepEqual(
    [told?.about, told?.subjects],
    [{ reasonCode: 'keyCompromise' }, [{ subject: 'truck-1', kind: 'device' }]],
  );
  assert.equal((await revoke({ subject: 'truck-1' }, 'keyCompromise')).changed, 0, 'the same again');
  assert.equal((await revocation.find(one))?.reasonCode, 'keyCompromise');
  await assert.rejects(revoke({ subject: 'truck-2' }, 'keyCompromise'), { code: 'standing_final' }, 'it is superseded');
  assert.equal((await revocation.find(two))?.reasonCode, null);
  await store.change(async (db) => {
    const row = await db
      .selectFrom('certificates')
      .selectAll()
      .where('fingerprint', '=', three)
      .executeTakeFirstOrThrow();
    await db.deleteFrom('certificates').where('fingerprint', '=', three).execute();
    await db
      .insertInto('archivedCertificates')
      .values({ ...row, archivedAt: clock.now })
      .execute();
  });
  assert.equal((await revoke({ fingerprint: three }, 'keyCompromise')).changed, 1, 'it is archived');
  assert.equal((await revocation.findEver(three))?.reasonCode, 'keyCompromise');
});
