/** Who answers for an issuer is asked for as soon as there is that issuer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as aTurn } from 'node:timers/promises';
import type { OcspCertificates } from '@portcullis/contract';
import { makeKey } from '@portcullis/device';
import { day, FleetCertificates } from '../../test/fleet-certificates.ts';
import { eventually } from '../../test/house.ts';
import { createLog } from '../telemetry/telemetry.ts';
import { OcspDelegates } from './ocsp-delegates.ts';

test('a new issuer is asked at once, and one that has no key only once', async (context) => {
  const certificates = await FleetCertificates.make();
  const { cert } = await certificates.leaf({ subject: 'desk-1', kind: 'desk', purpose: 'ocsp' });
  const now = Date.now();
  let [asked, changes] = [0, 0];
  const withKey = ['issuer-1', 'issuer-2'];
  const issuers: string[] = [];
  const ask = async () => {
    asked++;
    const time = (ms: number) => new Date(now + ms).toISOString();
    const items = withKey
      .filter((issuer) => issuers.includes(issuer))
      .map((issuer) => ({ issuer, certificate: cert, renewAfter: time(7 * day), notAfter: time(14 * day) }));
    return { items } as OcspCertificates;
  };
  const log = createLog({ role: 'desk', level: 'silent' });
  const onChange = () => changes++;
  const delegates = new OcspDelegates({ subject: 'desk-1', makeKey, ask, onChange, system: { now: () => now }, log });
  const over = new AbortController();
  const kept = delegates.keep(over.signal);
  context.after(async () => {
    over.abort();
    await kept;
  });
  const hear = async (...more: string[]) => {
    issuers.push(...more);
    delegates.hear([...issuers]);
    for (let turn = 0; turn < 10; turn++) await aTurn();
  };
  await aTurn();
  assert.equal(asked, 0, 'nobody is asked while no issuer is known');
  await hear('issuer-1', 'root');
  await eventually(() => delegates.of('issuer-1') !== undefined, 'the first one delegated');
  await hear('issuer-2');
  await eventually(() => delegates.of('issuer-2') !== undefined, 'the new one too, long before the first ends');
  assert.equal(delegates.of('root'), undefined);
  await hear();
  assert.deepEqual([asked, changes], [2, 2]);
});

test('what was made while a clock was ahead is asked for anew once that is put back; who delegates no more answers until its end', async (context) => {
  const certificates = await FleetCertificates.make();
  const { cert, notAfter } = await certificates.leaf({ subject: 'desk-1', kind: 'desk', purpose: 'ocsp' });
  const real = Date.now();
  let now = real;
  let asked = 0;
  const time = (ms: number) => new Date(ms).toISOString();
  const issuers = ['issuer-1', 'issuer-2'];
  const ask = async () => {
    asked++;
    const items = issuers.map((issuer) => ({
      issuer,
      certificate: cert,
      renewAfter: time(notAfter),
      notAfter: time(notAfter),
    }));
    return { items } as OcspCertificates;
  };
  const log = createLog({ role: 'desk', level: 'silent' });
  const parts = { subject: 'desk-1', makeKey, ask, onChange: () => undefined, system: { now: () => now }, log };
  const delegates = new OcspDelegates(parts);
  const over = new AbortController();
  const kept = delegates.keep(over.signal);
  context.after(async () => {
    over.abort();
    await kept;
  });
  delegates.hear(issuers);
  await eventually(() => asked === 1, 'it asked');
  const woken = async () => {
    delegates.hear(issuers);
    for (let turn = 0; turn < 10; turn++) await aTurn();
  };
  await woken();
  assert.equal(asked, 1);
  now = real - 30 * day;
  issuers.pop();
  await woken();
  await eventually(() => asked === 2, 'it asked anew');
  await woken();
  assert.equal(asked, 2, 'and not again within a minute');
  assert.ok(delegates.of('issuer-2'), 'it has not ended');
});
