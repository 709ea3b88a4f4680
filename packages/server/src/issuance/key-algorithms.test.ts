import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FleetName, type KeyAlgorithm, Kind } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { asking } from '../../test/asking.ts';
import { openRecords } from '../../test/records.ts';
import { fileKeys } from '../keys/keys.ts';
import { makeFleet, openIssuance } from './issuance.ts';

async function issuanceOf(context: TestContext, algorithm: KeyAlgorithm, profiles = {}) {
  const { directory, store, system } = await openRecords(context);
  mkdirSync(join(directory, 'keys'));
  const keys = fileKeys(join(directory, 'keys'));
  await makeFleet({ store, keys, system, fleet: FleetName.parse('fleet-1'), algorithm });
  return openIssuance({ store, keys, system, profiles });
}

const requestOf = (algorithm: KeyAlgorithm) => makeRequest(makeKey(algorithm), 'truck-1');
const asked = (kind: Kind, algorithm: KeyAlgorithm) =>
  ({ subject: `${kind}-1`, kind, request: requestOf(algorithm), asking }) as const;

test('root and issuers are of the algorithm that was asked for, and with them what they sign and what is made of each kind', async (context) => {
  const issuance = await issuanceOf(context, 'ml-dsa-65');
  const types = issuance.issuers().map(({ pem }) => new X509Certificate(pem).publicKey.asymmetricKeyType);
  assert.deepEqual(types, ['ml-dsa-65', 'ml-dsa-65', 'ml-dsa-65']);
  const kinds = Kind.options.filter((kind) => kind !== 'checkpoint');
  assert.deepEqual(new Set(kinds.map((kind) => issuance.keysOf(kind))), new Set(['ml-dsa-65']));
  assert.equal(issuance.keysOf('checkpoint'), 'p-256', 'a browser makes no other');
  for (const algorithm of ['p-256', 'ml-dsa-44', 'ml-dsa-87'] as const) {
    const { pem, issuerPem } = await issuance.issue(await issuance.check(asked('device', algorithm)));
    assert.ok(new X509Certificate(pem).verify(new X509Certificate(issuerPem).publicKey), algorithm);
  }
});

test('where a profile says which keys, the first is made and no others are taken of that kind', async (context) => {
  const issuance = await issuanceOf(context, 'p-256', { device: { keys: ['ml-dsa-44', 'ml-dsa-65'] } });
  assert.deepEqual([issuance.keysOf('device'), issuance.keysOf('gateway')], ['ml-dsa-44', 'p-256']);
  await issuance.check(asked('device', 'ml-dsa-65'));
  await issuance.check(asked('gateway', 'ml-dsa-65'));
  await assert.rejects(issuance.check(asked('device', 'p-256')), {
    code: 'key_refused',
    message: 'the public key is p-256; of a device it must be one of [ml-dsa-44, ml-dsa-65]',
    detail: { expected: ['ml-dsa-44', 'ml-dsa-65'], found: 'p-256' },
  });
});
