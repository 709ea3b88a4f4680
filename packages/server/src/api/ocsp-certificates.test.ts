import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeKey, makeRequest } from '@portcullis/device';
import { openIssuing } from '../../test/issuing-records.ts';
import { putSubject } from '../../test/records.ts';
import { ocspCertificatesRoutes } from './ocsp-certificates.ts';

const hour = 3_600_000;

test('in the last hour of one issuer the others delegate all the same', async (context) => {
  const house = await openIssuing(context);
  await putSubject(house, 'desk-1', 'desk');
  const [route] = ocspCertificatesRoutes;
  const { issuance, clock } = house;
  const ends = clock.now + hour / 2;
  const issuers = issuance.issuers().map((one) => (one.role === 'device' ? { ...one, notAfter: ends } : one));
  const rooms = {
    ...house,
    issuance: { ...issuance, issuers: () => issuers },
    serverCertificates: { take: () => true },
  };
  const request = makeRequest(makeKey(), 'desk-1').toString('base64');
  const peer = { subject: 'desk-1', kind: 'desk' };
  const answered = await route?.handle(rooms as never, { body: { request }, peer, by: { actor: 'desk-1' } } as never);
  const { items } = answered as { items: { issuer: string }[] };
  const signing = issuers.filter(({ role, signer }) => role !== 'device' && signer);
  assert.deepEqual(
    items.map(({ issuer }) => issuer),
    signing.map(({ fingerprint }) => fingerprint),
  );
});
