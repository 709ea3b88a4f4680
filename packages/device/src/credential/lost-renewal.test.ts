/** An authority that was restored, or lost its last changes, does not know what it renewed or was told. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { temporaryDirectory } from '../../test/certificates.ts';
import { startEnrolment } from '../../test/enrolment.ts';
import { refused, until } from '../../test/servers.ts';
import { realSystem, type System } from '../system.ts';
import { type Credential, credentialFileIn, pairOf, readCredential } from './credential.ts';
import { enrol } from './enrol.ts';
import { KnownTime } from './known-time.ts';
import type { Proof } from './prove.ts';
import { renew } from './renew.ts';
import { Renewing } from './renewing.ts';

const authority = await startEnrolment();
const day = 86_400_000;

/** A device whose renewed pair is not confirmed yet, and which asks for no other before its time. */
async function renewed() {
  const directory = join(temporaryDirectory(), 'device');
  const credential = await enrol({ token: authority.token, directory });
  Object.assign(authority.wishes, { gates: ['https://gate.example'], renewAfterMs: 400 * day });
  const next = await renew({ credential, directory });
  return { directory, credential, next, stored: () => readCredential(credentialFileIn(directory)) };
}

function lose({ certificate }: Credential): void {
  authority.lost.add(certificate);
  authority.issued.clear();
}

/** `prove`: what gates make of a pair. */
function renewingOf(directory: string, first: Credential, system: System, prove: (one: Credential) => Proof) {
  let credential = first;
  const failures: string[] = [];
  const used: string[] = [];
  const adopt = (next: Credential) => {
    credential = next;
  };
  const renewing = new Renewing({
    ...{ directory, system, time: new KnownTime(system), credential: () => credential, adopt, adoptGates: adopt },
    prove: async (one) => prove(one),
    use: async ({ certificate }) => {
      used.push(certificate);
    },
    onFailure: ({ code }) => failures.push(code),
  });
  after(() => renewing.stop());
  renewing.start();
  return { renewing, failures, used, current: () => credential };
}

const taken = { gate: 'https://gate.example' };
const refusing = { why: 'certificate_unknown', reached: true };

test('a renewal that the authority lost is asked for anew, by the pair before it and for the same key; that pair serves meanwhile', async () => {
  const { directory, credential, next, stored } = await renewed();
  lose(next);
  let waiting: Credential | undefined;
  const prove = (one: Credential): Proof => {
    if (one.certificate === next.certificate) return refusing;
    waiting = stored();
    return taken;
  };
  const { renewing, failures, used, current } = renewingOf(directory, next, realSystem, prove);
  await until('a confirmed renewal', () => current().unconfirmed === undefined);
  await renewing.stop();
  const now = current();
  assert.notEqual(now.certificate, next.certificate);
  assert.equal(now.key, next.key);
  assert.deepEqual([waiting?.certificate, waiting?.previous], [now.certificate, pairOf(credential)]);
  assert.deepEqual([used, failures], [[now.certificate], []]);
  assert.equal(authority.confirmed.at(-1), now.certificate);
  assert.deepEqual(stored(), now);
});

test('where it is in use already, since gates were away for long, the pair before it is used until there is another', async () => {
  const { directory, credential, next } = await renewed();
  lose(next);
  const late = +new X509Certificate(next.certificate).validFromDate + 2 * day;
  const prove = ({ certificate }: Credential): Proof =>
    certificate === next.certificate ? { why: 'no answer', reached: false } : taken;
  const { renewing, failures, used, current } = renewingOf(directory, next, { ...realSystem, now: () => late }, prove);
  await until('a confirmed renewal', () => current().unconfirmed === undefined);
  await renewing.stop();
  assert.deepEqual(used, [next.certificate, credential.certificate, current().certificate]);
  assert.deepEqual(failures, []);
});

test('whoever says that a renewal is unknown which the authority knows gains nothing: the same is told, and it is waited', async () => {
  const { directory, next, stored } = await renewed();
  const said = [{ status: 0 }, refused(404, 'certificate_unknown'), { status: 0 }, { status: 0 }];
  authority.wishes.instead = Array.from({ length: 20 }, () => said).flat();
  const before = authority.server.requests.length;
  const { renewing, failures, used } = renewingOf(directory, next, realSystem, () => refusing);
  await renewing.settled(AbortSignal.timeout(60_000));
  await renewing.stop();
  authority.wishes.instead = [];
  assert.equal(authority.server.requests.length, before + said.length, 'once, and then not before its time');
  assert.deepEqual([failures, used], [['server_unreachable'], []]);
  assert.deepEqual([stored().certificate, stored().key], [next.certificate, next.key]);
});

test('a renewal that is lost, and refused by the pair before it, leaves both on disk and is tried again', async () => {
  const { directory, credential, next, stored } = await renewed();
  lose(next);
  lose(credential);
  const { renewing, failures, used } = renewingOf(directory, next, realSystem, () => refusing);
  await renewing.settled(AbortSignal.timeout(60_000));
  await renewing.stop();
  assert.deepEqual([failures, used, stored()], [['certificate_unknown'], [], next]);
});

test('an authority that lost a confirmation is told it once more, and renews', async () => {
  const { directory, credential } = await renewed();
  authority.wishes.instead = [{ status: 0 }, refused(409, 'renewal_unconfirmed')];
  const before = authority.confirmed.length;
  const next = await renew({ credential, directory });
  assert.deepEqual(authority.confirmed.slice(before), [credential.certificate]);
  assert.notEqual(next.certificate, credential.certificate);
});
