/** A gate sleeps longer than its lease, or is cut off itself: receipts wait for it so long and no longer. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { standStill } from '../../../../../test/standstill.ts';
import { eventually, readingsUrl } from '../../house.ts';
import { outcomesOf, requireInForce, Scene, Sending } from './scene.ts';

let scene: Scene;
before(async () => {
  scene = await Scene.open();
});
after(() => scene?.close());
afterEach(() => scene?.resume());

test('P7: a receipt waits for a paused gate no longer than its lease, and says so; resumed, that gate admits nothing on the old state', async () => {
  const { house, operator, terms, truck, other } = scene;
  await scene.settled();
  standStill(house.gate?.process.pid);
  const receipt = await operator.set('truck-17', { status: 'off' });
  assert.deepEqual([receipt.confirmed, outcomesOf(receipt)], [true, ['gate-1 lease_expired']]);
  scene.requireBounded(receipt, { ...terms, patienceMs: 0 });
  await using sending = new Sending(truck, readingsUrl(house));
  const resumed = performance.now();
  house.gate?.process.kill('SIGCONT');
  await eventually(() => sending.statusesSince(resumed).has(403), 'it has heard of the change');
  await sending.requireNoneAdmittedSince(0, 'the receipt');
  await eventually(async () => (await scene.statusOf(other)) === 202, 'it goes on by itself');
  requireInForce(await operator.set('truck-17', { status: 'active' }), 'gate-1');
});

test('P6 P7: a revoked gate loses the feed at once and gets no lease; receipts wait out the one that is running', async () => {
  const { house, operator, terms, truck, other } = scene;
  await scene.settled();
  await using sending = new Sending(other, readingsUrl(house));
  const early = await operator.stand('revoke', 'gate-1', 0);
  const revoked = performance.now();
  assert.deepEqual([early.confirmed, outcomesOf(early)], [false, ['gate-1 pending']]);
  const meanwhile = await operator.set('truck-17', { status: 'off' });
  const receipt = await operator.changeAt(early.revision);
  for (const one of [receipt.receipt, meanwhile]) {
    assert.deepEqual([one.confirmed, outcomesOf(one)], [true, ['gate-1 lease_expired']]);
    scene.requireBounded(one, { ...terms, patienceMs: 0 });
  }
  assert.notEqual(await scene.statusOf(truck), 202, 'nothing is decided after the receipt');
  await eventually(() => sending.statusesSince(revoked).has(503), 'refused');
  await sending.requireNoneAdmittedSince(revoked + terms.leaseMs, 'its last lease was over');
  const later = await operator.set('truck-17', { site: 'nowhere' });
  assert.deepEqual([later.confirmed, later.gates], [true, []], 'no gate of valid standing is left');
});
