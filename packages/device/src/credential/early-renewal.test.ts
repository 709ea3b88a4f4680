import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { patienceMs } from '../../../../test/patience.ts';
import { temporaryDirectory } from '../../test/certificates.ts';
import { startEnrolment } from '../../test/enrolment.ts';
import { realSystem } from '../system.ts';
import type { Credential } from './credential.ts';
import { enrol } from './enrol.ts';
import { KnownTime } from './known-time.ts';
import { Renewing } from './renewing.ts';

test('a newer bundle brings a renewal forward once: not in the first tenth of a lifetime, spread over the next, whatever gates say', async (context) => {
  const authority = await startEnrolment();
  const directory = join(temporaryDirectory(), 'device');
  const credential = await enrol({ token: authority.token, directory });
  const pause = globalThis.setTimeout;
  context.mock.timers.enable({ apis: ['setTimeout'] });
  authority.wishes.renewAfterMs = 400 * 86_400_000;
  const far = { ...credential, renewAfter: new Date(Date.now() + 400 * 86_400_000).toISOString() };
  const clock = { now: Date.now() };
  const half = (bytes: number) => Buffer.alloc(bytes, 0x80);
  const system = { ...realSystem, random: half, now: () => clock.now };
  let held: Credential = far;
  const failures: string[] = [];
  const renewing = new Renewing({
    ...{ directory, system, time: new KnownTime(system), credential: () => held },
    adopt: (next) => {
      held = next;
    },
    prove: async () => ({ gate: 'https://gate.example' }),
    use: async () => undefined,
    adoptGates: () => undefined,
    onFailure: ({ code }) => failures.push(code),
  });
  context.after(() => renewing.stop());
  renewing.start();
  const looked = async () => {
    context.mock.timers.tick(60_000);
    await new Promise(setImmediate);
  };
  const { notBefore } = renewing;
  const shareMs = (Date.parse(far.notAfter) - notBefore) / 10;
  renewing.askForBundle(far.bundleVersion);
  clock.now = notBefore + 5 * shareMs;
  await looked();
  assert.equal(held, far, 'one that it has brings nothing');
  clock.now = notBefore + 1_000;
  for (const version of [far.bundleVersion + 1, 999_999_999, 2, 3]) renewing.askForBundle(version);
  clock.now = notBefore + 1.49 * shareMs;
  // Each acknowledgement names it: that draws no other moment.
  renewing.askForBundle(999_999_999);
  await looked();
  assert.equal(held, far);
  clock.now = notBefore + 1.51 * shareMs;
  context.mock.timers.tick(60_000);
  const begun = performance.now();
  while (held.unconfirmed || held.certificate === far.certificate) {
    assert.ok(performance.now() - begun < patienceMs, 'it renews');
    await new Promise<void>((resolve) => pause(resolve, 10));
    context.mock.timers.tick(1);
  }
  const asked = authority.server.requests.length;
  for (let times = 0; times < 100; times++) {
    renewing.askForBundle(999_999_999 - times);
    await looked();
  }
  assert.deepEqual([authority.server.requests.length, failures], [asked, []], 'the next one has its own time');
});
