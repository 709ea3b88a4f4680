/** A pair that was made while the authority's clock was ahead, and clocks that are behind. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { patienceMs } from '../../../../test/patience.ts';
import { temporaryDirectory } from '../../test/certificates.ts';
import { startEnrolment } from '../../test/enrolment.ts';
import { realSystem } from '../system.ts';
import type { Credential } from './credential.ts';
import { enrol } from './enrol.ts';
import { KnownTime } from './known-time.ts';
import { Renewing } from './renewing.ts';

const [hour, day] = [3_600_000, 86_400_000];

async function eventually(holds: () => boolean, what: string): Promise<void> {
  const begun = performance.now();
  while (!holds()) {
    assert.ok(performance.now() - begun < patienceMs, what);
    await pause(5);
  }
}

async function device(stop: (end: () => Promise<void>) => void, { from = 0, offMs = 0, lookMs = day }) {
  const authority = await startEnrolment();
  authority.wishes.leaf = { from, until: from + 30 };
  authority.wishes.renewAfterMs = (from + 15) * day;
  const directory = join(temporaryDirectory(), 'device');
  const first = await enrol({ token: authority.token, directory });
  authority.wishes.leaf = {};
  authority.wishes.renewAfterMs = 15 * day;
  let at = 0;
  // What is waited for is over after some looks.
  const system = { ...realSystem, now: () => Date.now() + offMs, monotonic: () => (at += lookMs) };
  const used: string[] = [];
  const state = { held: first };
  const time = new KnownTime({ ...system, monotonic: realSystem.monotonic });
  const renewing = new Renewing({
    ...{ directory, system, time, credential: () => state.held },
    adopt: (next) => {
      state.held = next;
    },
    prove: async () => ({ gate: 'https://gate.example' }),
    use: async (next: Credential) => void used.push(next.certificate),
    adoptGates: () => undefined,
    onFailure: () => undefined,
  });
  stop(() => renewing.stop());
  renewing.start();
  const paths = () => authority.server.requests.map(({ path }) => path);
  return { renewing, first, state, time, used, paths };
}

for (const [what, from] of [
  ['two days', 2],
  ['four hundred days', 400],
] as const) {
  test(`what was made while a clock was ${what} ahead is renewed at once, since no time is told at which it has begun`, async (context) => {
    const { first, state, time, used } = await device((end) => context.after(end), { from });
    await eventually(() => state.held.certificate !== first.certificate && !state.held.unconfirmed, 'it is renewed');
    assert.deepEqual([used, time.isCorrected], [[state.held.certificate], false]);
  });
}

test('a clock that is behind is told the time, and nothing is renewed for it', async (context) => {
  const { renewing, first, state, time, paths } = await device((end) => context.after(end), {
    offMs: -3 * hour,
    lookMs: 100,
  });
  await eventually(() => time.isCorrected, 'the time is known');
  await renewing.settled(AbortSignal.timeout(patienceMs));
  assert.equal(state.held, first);
  assert.deepEqual(paths(), ['/v1/enrolments', '/v1/time']);
});
