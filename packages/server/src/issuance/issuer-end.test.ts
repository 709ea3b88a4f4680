/** The last days of an issuer: what it signs is worth having, is renewed at a walk, and then nothing is signed any more. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FleetName } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { asking } from '../../test/asking.ts';
import { openRecords, startedAt } from '../../test/records.ts';
import { fileKeys } from '../keys/keys.ts';
import { readCertificate } from '../pki/pki.ts';
import { makeFleet, openIssuance } from './issuance.ts';

const [minute, hour, day] = [60_000, 3_600_000, 86_400_000];
const request = makeRequest(makeKey(), 'truck-1');

async function open(context: TestContext) {
  const { directory, store, clock, system } = await openRecords(context);
  mkdirSync(join(directory, 'keys'));
  const keys = fileKeys(join(directory, 'keys'));
  await makeFleet({ store, keys, system, fleet: FleetName.parse('fleet-1') });
  const issuance = await openIssuance({ store, keys, system });
  const end = startedAt + 3_650 * day;
  const issued = async (leftMs: number) => {
    clock.now = end - leftMs;
    const signed = await issuance.issue(await issuance.check({ subject: 'truck-1', kind: 'device', request, asking }));
    return { ...signed, renewedInMs: issuance.renewAfter(signed) - clock.now };
  };
  return { issuance, end, issued };
}

for (const [words, leftMs] of [
  ['ten days', 10 * day],
  ['two hours', 2 * hour],
  ['one hour', hour],
] as const) {
  test(`${words} before the issuer's end a certificate ends with it, and is renewed no sooner than in five minutes`, async (context) => {
    const { issued, end } = await open(context);
    for (let times = 0; times < 20; times++) {
      const { notBefore, notAfter, renewedInMs } = await issued(leftMs);
      assert.equal(notAfter, end);
      assert.ok(notBefore < notAfter);
      assert.ok(renewedInMs >= 5 * minute, `${renewedInMs} ms`);
    }
  });
}

for (const leftMs of [hour - 1, 40 * minute, 0, -day]) {
  test(`nothing is signed ${leftMs / minute} minutes before the issuer's end`, async (context) => {
    const { issued } = await open(context);
    await assert.rejects(issued(leftMs), { code: 'issuer_ended', message: /fleet-1 device issuer/ });
  });
}

test('each certificate says which issuer signed it, by the name in its certificate and by its fingerprint', async (context) => {
  const { issuance, end, issued } = await open(context);
  const { issuer, issuerFingerprint } = await issued(5 * day);
  const facts = readCertificate(issuance.issuerOf({ issuer: 'fleet-1 device issuer' }));
  assert.deepEqual([issuer, issuerFingerprint], [facts.subject, facts.fingerprint]);
  assert.deepEqual(issuance.ends(), [
    { name: 'fleet-1 device issuer', notAfter: end },
    { name: 'fleet-1 infrastructure issuer', notAfter: end },
  ]);
});
