/** The authority dies, sleeps, or comes back with other terms: gates stop deciding in time, and no receipt is given too early. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import type { Receipt } from '@portcullis/contract';
import { standStill } from '../../../../../test/standstill.ts';
import { eventually, readingsUrl } from '../../house.ts';
import { outcomesOf, Scene, Sending, setTerms } from './scene.ts';

let scene: Scene;
before(async () => {
  // Longer than an authority takes to start, also on a busy machine: a wait for its end is seen.
  scene = await Scene.open(
    () => undefined,
    (house) => house.lease(4_000, 4),
  );
});
after(() => scene?.close());
afterEach(() => scene?.resume());

/**
 * Starts the authority; resolves to what tells, once a receipt was given, whether it waited for leases of an earlier run. The wait counts
 * from when the new process has opened its book of leases: after Node and the code were loaded, which is most of a start, and before it
 * listens.
 */
async function restarted(): Promise<(leaseMs: number) => void> {
  const spawned = performance.now();
  await scene.house.startAuthority();
  const listening = performance.now();
  return (leaseMs) => {
    const waited = performance.now() - listening;
    const least = leaseMs * 1.02 - (listening - spawned) / 2;
    assert.ok(waited >= least, `it waited ${waited} ms after a start of ${listening - spawned} ms, and must ${least}`);
  };
}

test('P7: a receipt that is not confirmed within the limit is printed, with exit status 1', async () => {
  const { house } = scene;
  await scene.settled();
  standStill(house.gate?.process.pid);
  const words = ['attribute', 'set', 'truck-17', 'site=berlin', '--wait', '--wait-limit', '0.05', '--json'];
  const { status, out } = await house.portcullis(...words);
  const receipt = JSON.parse(out) as Receipt;
  assert.deepEqual([status, receipt.confirmed, outcomesOf(receipt)], [1, false, ['gate-1 pending']]);
});

test('P5 P7: with the authority paused the gate refuses within its lease; resumed, it goes on by itself, and a change asked meanwhile is true', async () => {
  const { house, operator, terms, other } = scene;
  await scene.settled();
  await using sending = new Sending(other, readingsUrl(house));
  const paused = performance.now();
  standStill(house.authority?.process.pid);
  await eventually(() => sending.statusesSince(paused).has(503), 'refused');
  await sending.requireNoneAdmittedSince(paused + terms.leaseMs, 'the lease was over');
  const asked = operator.set('truck-17', { status: 'off' });
  const resumed = performance.now();
  house.authority?.process.kill('SIGCONT');
  const receipt = await asked;
  assert.equal(receipt.confirmed, true);
  await scene.requireCut();
  await eventually(() => sending.statusesSince(resumed).has(202), 'admitted again');
});

test('P5 P7: with the authority killed the gate refuses within its lease; restarted, it gives no receipt before the leases of its earlier run are over', async () => {
  const { house, operator, terms, other } = scene;
  await scene.settled();
  await using sending = new Sending(other, readingsUrl(house));
  const known = await operator.set('truck-17', { site: 'hamburg' });
  const changed = await operator.changeAt(known.revision);
  const killed = performance.now();
  await house.authority?.kill();
  await eventually(() => sending.statusesSince(killed).has(503), 'refused');
  await sending.requireNoneAdmittedSince(killed + terms.leaseMs, 'the lease was over');
  const requireWaited = await restarted();
  const [receipt, early] = await Promise.all([
    operator.set('truck-17', { status: 'off' }),
    operator.changeAt(known.revision),
  ]);
  requireWaited(terms.leaseMs);
  assert.equal(receipt.confirmed, true);
  assert.deepEqual(early.subjects, changed.subjects, 'what was answered before the kill is kept (P8)');
  await scene.requireCut();
  await eventually(async () => (await scene.statusOf(other)) === 202, 'it goes on by itself');
});

/** A paused gate holds a lease that was granted under the earlier terms. */
async function requireOldHorizon(restart: () => Promise<void>): Promise<void> {
  const { house, operator, terms, other } = scene;
  await scene.settled();
  standStill(house.gate?.process.pid);
  await house.authority?.kill();
  setTerms(house, { leaseMs: 300, patienceMs: 100 });
  await restart();
  const requireWaited = await restarted();
  const receipt = await operator.set('truck-17', { status: 'off' });
  requireWaited(terms.leaseMs);
  assert.equal(receipt.confirmed, true);
  assert.deepEqual(outcomesOf(receipt), ['gate-1 no_lease'], 'this run has given it none');
  scene.requireBounded(receipt);
  house.gate?.process.kill('SIGCONT');
  await scene.requireCut();
  await eventually(async () => (await scene.statusOf(other)) === 202, 'it goes on by itself');
  await house.authority?.stop();
  setTerms(house, terms);
  await house.startAuthority();
}

test('P7: restarted with a shorter lease, the authority waits out the longer one that it may have granted before (rule 6)', () =>
  requireOldHorizon(() => Promise.resolve()));

test('P7: a clean stop before those leases are over does not forget them (rule 6)', () =>
  requireOldHorizon(async () => {
    await scene.house.startAuthority();
    await scene.house.authority?.stop();
  }));
