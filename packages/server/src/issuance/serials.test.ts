import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FleetName } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { asking } from '../../test/asking.ts';
import { certificateRow, openRecords, putSubject, startedAt } from '../../test/records.ts';
import { fileKeys } from '../keys/keys.ts';
import { makeFleet, openIssuance } from './issuance.ts';

test('a serial is used once, wherever it is kept: reserved, with its certificate, or in the archive', async (context) => {
  const records = await openRecords(context);
  const { directory, store, system } = records;
  mkdirSync(join(directory, 'keys'));
  const keys = fileKeys(join(directory, 'keys'));
  await makeFleet({ store, keys, system, fleet: FleetName.parse('fleet-1') });
  const fixed = { ...system, random: (bytes: number) => Buffer.alloc(bytes, 7) };
  const issuance = await openIssuance({ store, keys, system: fixed });
  await putSubject(records, 'truck-1');
  const request = makeRequest(makeKey(), 'truck-1');
  const issue = async () =>
    issuance.issue(await issuance.check({ subject: 'truck-1', kind: 'device', request, asking }));
  const { serial, issuer } = await issue();
  await assert.rejects(issue());
  await store.change((db) => db.deleteFrom('serials').execute());
  const row = certificateRow('truck-1', 'its row', { serial, issuer });
  await store.change((db) => db.insertInto('certificates').values(row).execute());
  await assert.rejects(issue(), /drawn before/);
  await store.change(async (db) => {
    await db.deleteFrom('certificates').execute();
    await db
      .insertInto('archivedCertificates')
      .values({ ...row, archivedAt: startedAt })
      .execute();
  });
  await assert.rejects(issue(), /drawn before/);
});
