import assert from 'node:assert/strict';
import { createHash, createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import { makeKey, makeRequest } from '@portcullis/device';
import { asking } from '../../test/asking.ts';
import { openIssuing } from '../../test/issuing-records.ts';
import { certificateRow, putCertificate, putSubject, startedAt } from '../../test/records.ts';

test('a key that somebody else has gets no certificate again: of no subject, and not after it was archived', async (context) => {
  const records = await openIssuing(context);
  const { store, issuance } = records;
  for (const subject of ['truck-1', 'truck-2']) await putSubject(records, subject);
  const key = makeKey();
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  const publicKey = createHash('sha256').update(spki).digest('hex');
  const check = (subject: string) =>
    issuance.check({ subject, kind: 'device', request: makeRequest(key, subject), asking });
  const fingerprint = await putCertificate(records, 'truck-1', 'its first', { publicKey, standing: 'revoked' });
  const reasonCode = (code: string | null) =>
    store.change((db) =>
      db.updateTable('certificates').set({ reasonCode: code }).where('fingerprint', '=', fingerprint).execute(),
    );
  for (const code of [null, 'superseded', 'cessationOfOperation']) {
    await reasonCode(code);
    await check('truck-1');
  }
  await reasonCode('keyCompromise');
  const refused = { code: 'key_refused', message: /known to others \(keyCompromise\); make a new key/ };
  for (const subject of ['truck-1', 'truck-2']) await assert.rejects(check(subject), refused);
  const row = certificateRow('truck-1', 'its first', { publicKey, standing: 'revoked', reasonCode: 'keyCompromise' });
  await store.change(async (db) => {
    await db.deleteFrom('certificates').execute();
    await db
      .insertInto('archivedCertificates')
      .values({ ...row, archivedAt: startedAt })
      .execute();
  });
  await assert.rejects(check('truck-2'), refused);
});
