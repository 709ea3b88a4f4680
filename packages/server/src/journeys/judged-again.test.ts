import assert from 'node:assert/strict';
import { test } from 'node:test';
import { subjectId } from '../../test/records.ts';
import { arrive, lane, openShipping, operator, outcomeOf, type Shipping, ship } from '../../test/shipping.ts';

const reason = 'the wrong box was scanned';
const without = (name: string) => ({
  ...lane,
  offline: lane.offline.filter((step) => step !== name),
  steps: lane.steps.filter((step) => step.name !== name),
});

/** On a ship that waits for customs. */
async function aboard(shipping: Shipping) {
  await ship(shipping, 'box-1');
  await arrive(shipping, 'factory', 'box-1', { arrival: 'made' });
  await arrive(shipping, 'trucker', 'box-1', { arrival: 'picked-up' });
  assert.equal(outcomeOf(await arrive(shipping, 'ship', 'box-1', { arrival: 'aboard' })), 'pending loaded');
}

async function standing({ journeys }: Shipping, name = 'aboard') {
  const { step, pending, arrivals } = await journeys.read('box-1');
  const found = arrivals.find(({ arrival }) => arrival === name);
  return [step, pending, found?.refusal?.reason ?? found?.outcome];
}

test('what waits for a step that the newest version has no more counts with the reroute', async (context) => {
  const shipping = await openShipping(context);
  await aboard(shipping);
  shipping.source.journeys = [without('export-customs')];
  const before = shipping.journal.head().revision;
  await shipping.journeys.steer(operator, 'box-1', { action: 'reroute' });
  assert.deepEqual(await standing(shipping), ['loaded', 0, 'recorded']);
  assert.equal(shipping.journal.head().revision, before + 1);
});

test('what waits says after a reroute what it waits for now', async (context) => {
  const shipping = await openShipping(context);
  await aboard(shipping);
  const [factory, pickup, customs, ...rest] = lane.steps;
  const renamed = [factory, pickup, { ...customs, name: 'export-papers' }, ...rest] as typeof lane.steps;
  shipping.source.journeys = [{ ...lane, offline: ['export-papers'], steps: renamed }];
  await shipping.journeys.steer(operator, 'box-1', { action: 'reroute' });
  assert.deepEqual(await standing(shipping), ['pickup', 1, 'pending']);
  const again = await arrive(shipping, 'ship', 'box-1', { arrival: 'aboard' });
  assert.ok(again.outcome === 'pending');
  assert.deepEqual(again.waitsFor, ['export-papers']);
});

test('what waits is refused when what it followed is void, and by a shipment that is stopped only once it goes on', async (context) => {
  const shipping = await openShipping(context);
  await aboard(shipping);
  const { journeys } = shipping;
  await journeys.steer(operator, 'box-1', { action: 'stop' });
  await journeys.takeBack(operator, 'box-1', { arrival: 'picked-up', reason });
  assert.deepEqual(await standing(shipping), ['factory', 1, 'pending']);
  await journeys.steer(operator, 'box-1', { action: 'resume' });
  assert.deepEqual(await standing(shipping), ['factory', 0, 'out_of_sequence']);
  await arrive(shipping, 'trucker', 'box-1');
  assert.equal(outcomeOf(await arrive(shipping, 'ship', 'box-1', { arrival: 'later' })), 'pending loaded');
  const { arrivals } = await journeys.read('box-1');
  await journeys.takeBack(operator, 'box-1', { arrival: arrivals.at(-2)?.arrival as string, reason });
  assert.deepEqual(await standing(shipping, 'later'), ['factory', 0, 'out_of_sequence']);
});

test('what waits for one that waits is refused with it', async (context) => {
  const shipping = await openShipping(context);
  await aboard(shipping);
  const intact = { subjects: [subjectId('box-1')], set: { cold_chain: 'intact' } as never };
  await shipping.attributes.change(operator, intact);
  assert.equal(outcomeOf(await arrive(shipping, 'clinic', 'box-1', { arrival: 'last' })), 'pending delivered');
  await shipping.journeys.takeBack(operator, 'box-1', { arrival: 'aboard', reason });
  assert.deepEqual(await standing(shipping), ['pickup', 0, 'arrival_withdrawn']);
  assert.deepEqual(await standing(shipping, 'last'), ['pickup', 0, 'out_of_sequence']);
});

test('what waits counts once a declaration stands for another step than the arrival that it replaces', async (context) => {
  const shipping = await openShipping(context, [{ ...lane, offline: ['pickup', 'export-customs'] }]);
  await ship(shipping, 'box-1');
  for (const checkpoint of ['factory', 'trucker']) await arrive(shipping, checkpoint, 'box-1');
  await arrive(shipping, 'factory', 'box-1', { arrival: 'returned' });
  assert.equal(outcomeOf(await arrive(shipping, 'ship', 'box-1', { arrival: 'aboard' })), 'pending loaded');
  const declaration = { arrival: 'd-1', step: 'export-customs', replaces: 'returned', reason };
  await shipping.journeys.declare(operator, 'box-1', declaration);
  assert.deepEqual(await standing(shipping), ['loaded', 0, 'recorded']);
});
