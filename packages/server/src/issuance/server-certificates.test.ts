import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FleetName, type Kind } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { openRecords, putCertificate, putSubject } from '../../test/records.ts';
import { fileKeys } from '../keys/keys.ts';
import { makeFleet, openIssuance } from './issuance.ts';

test("the next server certificate of a gate or a desk supersedes the one before, the authority's none", async (context) => {
  const records = await openRecords(context);
  const { directory, store, system, revocation } = records;
  mkdirSync(join(directory, 'keys'));
  const keys = fileKeys(join(directory, 'keys'));
  await makeFleet({ store, keys, system, fleet: FleetName.parse('fleet-1') });
  const issuance = await openIssuance({ store, keys, system });
  for (const kind of ['gate', 'desk', 'authority'] as const) await putSubject(records, kind, kind);
  const client = await putCertificate(records, 'gate', 'its client certificate');
  const revoked = await putCertificate(records, 'gate', 'revoked', { purpose: 'server', standing: 'revoked' });
  const next = async (subject: Kind) => {
    const request = makeRequest(makeKey(), subject);
    const asked = await issuance.check({ subject, kind: subject, request, hosts: ['localhost'] });
    const signed = await issuance.issue(asked);
    await store.change((db) => issuance.recordOwn(db, signed, subject));
    return signed.fingerprint;
  };
  const standings = async (fingerprints: string[]) => {
    const rows = await Promise.all(fingerprints.map((fingerprint) => revocation.find(fingerprint)));
    return rows.map((row) => row?.standing);
  };
  const of = { gate: [await next('gate'), await next('gate')], desk: [await next('desk')] };
  const authority = [await next('authority'), await next('authority')];
  assert.deepEqual(await standings([...of.gate, ...of.desk]), ['superseded', 'valid', 'valid']);
  assert.deepEqual(await standings([client, revoked, ...authority]), ['valid', 'revoked', 'valid', 'valid']);
});
