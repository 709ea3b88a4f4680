/** A wall clock that is set forward or back by an hour under a running process. What is promised counts by the monotonic clocks. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { standStill } from '../../../../../test/standstill.ts';
import { eventually, readingsUrl } from '../../house.ts';
import { outcomesOf, Scene, Sending } from './scene.ts';
import { fakeTimeLibrary, WallClock } from './wall-clock.ts';

const hourSeconds = 3_600;
const missing = fakeTimeLibrary === undefined;
const why = 'libfaketime.so.1 is missing: install the package "faketime"';
/** Loudly where a developer has no such library; in continuous integration it must be there. */
const skip = missing && process.env.CI !== 'true' ? why : false;

let scene: Scene;
let gateClock: WallClock;
let authorityClock: WallClock;
before(async () => {
  if (skip) return;
  assert.ok(!missing, why);
  scene = await Scene.open((house) => {
    const clockOf = (name: string) => {
      mkdirSync(join(house.home, name));
      return new WallClock(join(house.home, name));
    };
    [gateClock, authorityClock] = [clockOf('clock-of-gate'), clockOf('clock-of-authority')];
    house.environments.gate = gateClock.environment;
    house.environments.authority = authorityClock.environment;
  });
});
after(() => scene?.close());
afterEach(() => {
  if (skip) return;
  scene.resume();
  gateClock.step(0);
  authorityClock.step(0);
});

/** The gate decides nothing until the clock is right again; a change made meanwhile is in force when it goes on. */
async function requireGoesOnBack(clock: WallClock, sending: Sending): Promise<void> {
  const { operator, truck } = scene;
  await eventually(async () => (await operator.gates()).every(({ lease }) => lease !== 'held'), 'no lease is given');
  const unleased = performance.now();
  await scene.house.gate?.line(/clock_too_far_off/);
  const receipt = await operator.set('truck-17', { status: 'off' });
  assert.equal(receipt.confirmed, true);
  scene.requireBounded(receipt);
  assert.notEqual(await scene.statusOf(truck), 202, 'what the receipt says is so');
  await sending.requireNoneAdmittedSince(unleased, 'its lease was over');
  const back = performance.now();
  clock.step(0);
  await eventually(() => sending.statusesSince(back).has(202), 'it goes on by itself');
  await eventually(async () => (await scene.statusOf(truck)) === 403, 'the change is in force');
}

test("P5: the gate's clock set forward by an hour ends its lease at once, and it gets none until the clock is right", {
  skip,
}, async () => {
  await scene.settled();
  await using sending = new Sending(scene.other, readingsUrl(scene.house));
  gateClock.step(hourSeconds);
  const stepped = performance.now();
  await eventually(() => sending.statusesSince(stepped).has(503), 'refused');
  await sending.requireNoneAdmittedSince(stepped, 'the wall clock said that the lease was over');
  await requireGoesOnBack(gateClock, sending);
});

test("P5: the gate's clock set back by an hour prolongs nothing: the lease is over by the monotonic clock, and is not renewed", {
  skip,
}, async () => {
  await scene.settled();
  await using sending = new Sending(scene.other, readingsUrl(scene.house));
  gateClock.step(-hourSeconds);
  const stepped = performance.now();
  await eventually(() => sending.statusesSince(stepped).has(503), 'refused');
  await sending.requireNoneAdmittedSince(stepped + scene.terms.leaseMs, 'the lease was over');
  await requireGoesOnBack(gateClock, sending);
});

for (const [direction, seconds] of [
  ['forward', hourSeconds],
  ['back', -hourSeconds],
] as const) {
  test(`P7: the authority's clock set ${direction} by an hour makes no receipt earlier and none later: a gate that sleeps is waited for as long as its lease lasts`, {
    skip,
  }, async () => {
    const { house, operator, terms, truck, other } = scene;
    await scene.settled();
    await using sending = new Sending(other, readingsUrl(house));
    standStill(house.gate?.process.pid);
    authorityClock.step(seconds);
    const stepped = performance.now();
    const receipt = await operator.set('truck-17', { status: 'on its way' });
    assert.deepEqual([receipt.confirmed, outcomesOf(receipt)], [true, ['gate-1 lease_expired']]);
    assert.ok((receipt.elapsedMs ?? 0) >= terms.leaseMs / 4, `a receipt after ${receipt.elapsedMs} ms is too early`);
    scene.requireBounded(receipt, { ...terms, patienceMs: 0 });
    house.gate?.process.kill('SIGCONT');
    assert.notEqual(await scene.statusOf(truck), 202, 'nothing is decided on the old state after the receipt');
    await eventually(() => sending.statusesSince(stepped).has(503), 'no lease is given');
    await requireGoesOnBack(authorityClock, sending);
  });
}
