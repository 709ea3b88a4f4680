/** A gate's or a desk's renewed pair is used when the authority has taken it, and ends the one before it after that. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type Credential, readCredential, realSystem } from '@portcullis/device';
import { pino } from 'pino';
import { patienceMs } from '../../../../test/patience.ts';
import { openProvingAuthority } from '../../test/proving-authority.ts';
import { Credentials, linkTo } from './credentials.ts';

const { enrolled, confirmed, lose, asked, takes, bundle, api, url } = await openProvingAuthority();
const past = new Date(Date.now() - 86_400_000).toISOString();
const serialOf = ({ certificate }: { certificate: string }) => new X509Certificate(certificate).serialNumber;

function open(context: TestContext, told: Partial<Credential> = {}) {
  context.after(() => {
    takes.all = true;
  });
  const made = enrolled(context, 'gate', told);
  const used: Credential[] = [];
  const start = (keptBy: 'this' | 'another' = 'this') =>
    new Credentials({
      keptBy,
      ...{ kind: 'gate', directory: made.directory, authorities: [url], system: realSystem },
      log: pino({ level: 'silent' }),
      link: () => linkTo(made.credential, [url]),
      onRenewed: (credential) => used.push(credential),
    });
  const renewed = (credentials: Credentials) =>
    credentials.renewWhenDue(AbortSignal.any([context.signal, AbortSignal.timeout(patienceMs)]));
  return { ...made, used, start, renewed, stored: () => readCredential(made.file) };
}

test('a renewed pair is shown to the authority, used, and confirmed, in this order', async (context) => {
  const { start, renewed, credential, used, stored } = open(context);
  const credentials = start();
  const before = confirmed.length;
  await renewed(credentials);
  assert.notEqual(credentials.client.certificate, credential.certificate);
  assert.deepEqual(asked.at(-1), { serial: serialOf(credentials.client), confirmed: before });
  assert.deepEqual(confirmed.slice(before), [credentials.client.certificate]);
  assert.deepEqual(used.map(serialOf), [serialOf(credentials.client)]);
  assert.deepEqual([stored().unconfirmed, stored().previous], [undefined, undefined]);
});

test('a process that another one renews for renews nothing, and uses what that one has put in place', async (context) => {
  const { start, renewed, credential, used, stored } = open(context);
  const [keeper, other] = [start(), start('another')];
  context.after(() => other.stop());
  const before = confirmed.length;
  await renewed(other);
  assert.deepEqual([stored().certificate, confirmed.length], [credential.certificate, before]);
  await renewed(keeper);
  while (other.client.certificate === credential.certificate) await pause(10, undefined, { signal: context.signal });
  assert.equal(other.client.certificate, keeper.client.certificate);
  assert.equal(other.client.key, keeper.client.key);
  assert.equal(confirmed.length, before + 1, 'one of them confirmed it');
  assert.deepEqual(used.map(serialOf), [serialOf(keeper.client), serialOf(other.client)], 'links of both are new');
});

test('a pair that the authority takes not ends nothing: the one before it stays in use, over a restart too, until it is taken', async (context) => {
  const { start, renewed, credential, used, stored } = open(context);
  const before = confirmed.length;
  takes.all = false;
  for (const credentials of [start(), start()]) {
    await renewed(credentials);
    assert.equal(credentials.client.certificate, credential.certificate);
    assert.equal(credentials.client.key, credential.key);
    assert.equal(stored().previous?.certificate, credential.certificate);
    assert.deepEqual([used, confirmed.length], [[], before]);
  }
  const next = stored().certificate;
  takes.all = true;
  const credentials = start();
  await renewed(credentials);
  assert.equal(credentials.client.certificate, next, 'the same one, and no third');
  assert.deepEqual(confirmed.slice(before), [next]);
});

test('a renewed pair of which the authority has no record any more is asked for anew', async (context) => {
  const { start, renewed, credential, stored, used } = open(context);
  takes.all = false;
  await renewed(start());
  const lost = stored();
  lose(lost.certificate);
  const credentials = start();
  const before = confirmed.length;
  await renewed(credentials);
  assert.equal(credentials.client.certificate, credential.certificate, 'which serves meanwhile');
  takes.all = true;
  await renewed(credentials);
  const { client } = credentials;
  assert.ok(![credential.certificate, lost.certificate].includes(client.certificate));
  assert.equal(client.key, lost.key);
  assert.deepEqual(confirmed.slice(before), [client.certificate]);
  assert.deepEqual(used.map(serialOf), [serialOf(client)]);
});

test('a pair whose predecessor has ended is confirmed without a proof: there is nothing to lose', async (context) => {
  const { start, renewed, credential } = open(context, { notAfter: past });
  const [before, proofs] = [confirmed.length, asked.length];
  takes.all = false;
  const credentials = start();
  await renewed(credentials);
  assert.notEqual(credentials.client.certificate, credential.certificate);
  assert.deepEqual([confirmed.length, asked.length], [before + 1, proofs]);
});

test('a bundle that comes while a renewed pair waits is of both pairs, and the renewed one is not lost by it', async (context) => {
  const { start, renewed, credential, stored } = open(context);
  takes.all = false;
  const credentials = start();
  await renewed(credentials);
  const waiting = stored();
  assert.ok(waiting.unconfirmed);
  assert.equal((await credentials.obtainServer()).bundle, bundle.bundleVersion);
  assert.deepEqual(stored(), { ...waiting, ...bundle });
  assert.deepEqual([credentials.client.certificate, credentials.client.roots], [credential.certificate, bundle.roots]);
  takes.all = true;
  await renewed(credentials);
  assert.equal(credentials.client.certificate, waiting.certificate);
  assert.deepEqual([stored().roots, stored().bundleVersion], [bundle.roots, bundle.bundleVersion]);
});

test('a pair that begins later by this clock, made while that was ahead, is renewed within a minute', async (context) => {
  const { directory, credential, file } = open(context, {
    renewAfter: new Date(Date.now() + 86_400_000).toISOString(),
  });
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const before = confirmed.length;
  const credentials = new Credentials({
    ...{ kind: 'gate', directory, authorities: [url], log: pino({ level: 'silent' }) },
    system: { ...realSystem, now: () => Date.now() - 10 * 86_400_000 },
    link: () => linkTo(credential, [url]),
    onRenewed: () => undefined,
  });
  context.after(() => credentials.stop());
  credentials.keepClient();
  context.mock.timers.tick(59_000);
  context.mock.timers.tick(1_000);
  context.mock.timers.reset();
  const isRenewed = () => readCredential(file).certificate !== credential.certificate && confirmed.length > before;
  while (!isRenewed()) await pause(10, undefined, { signal: context.signal });
});

test('while the API is away nothing is confirmed', async (context) => {
  const { start, renewed, credential } = open(context);
  const before = confirmed.length;
  await api.close();
  const credentials = start();
  await renewed(credentials);
  assert.deepEqual([credentials.client.certificate, confirmed.length], [credential.certificate, before]);
});
