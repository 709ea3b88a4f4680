/** The network between authority and gate: cut in one direction, in the other, in both; and slow. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { eventually, readingsUrl } from '../../house.ts';
import { type Direction, Passage } from '../../passage.ts';
import { outcomesOf, requireInForce, Scene, Sending } from './scene.ts';

let passage: Passage;
let scene: Scene;
before(async () => {
  scene = await Scene.open(
    async (house) => {
      passage = await Passage.open(house.basePort);
      const through = `authority: https://localhost:${passage.port}`;
      house.configure('gate.yaml', (text) => text.replace(/^authority: .*$/m, through));
    },
    // More patient than the slow link takes there and back, as an operator behind one has it.
    (house) => ({ ...house.lease(3_000, 4), patienceMs: house.lease(1_500, 2).leaseMs }),
  );
});
after(async () => {
  await scene?.close();
  await passage?.close();
});

afterEach(() => {
  passage.delayMs = 0;
  passage.heal();
});

const cuts: [string, Direction[]][] = [
  ['nothing reaches the authority', ['there']],
  ['nothing reaches the gate', ['back']],
  ['nothing reaches either', ['there', 'back']],
];

for (const [what, directions] of cuts) {
  test(`P5 P7: while ${what}, the gate refuses within its lease and a receipt waits no longer than patience and lease; healed, all goes on by itself`, async () => {
    const { house, operator, terms, truck, other } = scene;
    await scene.settled();
    await using cutOff = new Sending(truck, readingsUrl(house));
    await using sending = new Sending(other, readingsUrl(house));
    await eventually(() => sending.statusesSince(0).has(202) && cutOff.statusesSince(0).has(202), 'admitted');
    const cut = performance.now();
    passage.cut(...directions);
    const receipt = await operator.set('truck-17', { status: 'off' });
    const receipted = performance.now();
    assert.deepEqual([receipt.confirmed, outcomesOf(receipt)], [true, ['gate-1 lease_expired']]);
    scene.requireBounded(receipt);
    await cutOff.requireNoneAdmittedSince(receipted, 'the receipt');
    await eventually(() => sending.statusesSince(cut).has(503), 'refused');
    await sending.requireNoneAdmittedSince(cut + terms.leaseMs, 'its last lease was over');
    const healed = performance.now();
    passage.heal();
    await eventually(() => sending.statusesSince(healed).has(202), 'it goes on by itself');
    await eventually(() => cutOff.statusesSince(healed).has(403), 'it has heard of the change');
    await cutOff.requireNoneAdmittedSince(receipted, 'the receipt');
    requireInForce(await operator.set('truck-17', { status: 'active' }), 'gate-1');
  });
}

test('P5 P7: over a slow link receipts are true and just slower, and the lease holds', async () => {
  const { house, operator, terms, truck, other } = scene;
  await scene.settled();
  await using sending = new Sending(other, readingsUrl(house));
  const slowed = performance.now();
  passage.delayMs = 300;
  for (const status of ['off', 'active', 'off']) {
    const receipt = await operator.set('truck-17', { status });
    assert.deepEqual([receipt.confirmed, outcomesOf(receipt)], [true, ['gate-1 applied']]);
    assert.ok((receipt.elapsedMs ?? 0) >= 600, `there and back can not take ${receipt.elapsedMs} ms`);
    scene.requireBounded(receipt);
    if (status === 'off') await scene.requireCut();
    else await eventually(async () => (await scene.statusOf(truck)) === 202, 'admitted');
  }
  await eventually(() => performance.now() > slowed + 2 * terms.leaseMs, 'two leases have passed');
  assert.deepEqual(sending.statusesSince(slowed), new Set([202]));
});

test('P5: a gate that starts behind a slow link gets its lease', async () => {
  const { house, operator, other } = scene;
  passage.delayMs = 300;
  await house.gate?.stop();
  await house.startGate();
  await eventually(async () => (await scene.statusOf(other)) === 202, 'admitted');
  requireInForce(await operator.set('truck-17', { status: 'off' }), 'gate-1');
});
