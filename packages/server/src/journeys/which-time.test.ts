import assert from 'node:assert/strict';
import { test } from 'node:test';
import { subjectId } from '../../test/records.ts';
import { arrive, lane, openShipping, operator, outcomeOf, type Shipping } from '../../test/shipping.ts';
import { stepsOf } from './journeys.ts';

const [minute, hour] = [60_000, 3_600_000];

/** To where the offline step is expected. */
async function pickedUp(shipping: Shipping) {
  const attributes = { cold_chain: 'intact' } as never;
  await shipping.journeys.create(operator, { shipment: subjectId('box-1'), journey: lane.journey, attributes });
  for (const checkpoint of ['factory', 'trucker']) await arrive(shipping, checkpoint, 'box-1');
}

test('a time that nobody names is when the arrival was received, however close before it came what waits', async (context) => {
  const shipping = await openShipping(context);
  await pickedUp(shipping);
  const { clock } = shipping;
  clock.now += hour;
  assert.equal(outcomeOf(await arrive(shipping, 'ship', 'box-1')), 'pending loaded');
  const waits = clock.now;
  clock.now += 4 * minute;
  const unnamed = await arrive(shipping, 'customs', 'box-1');
  assert.ok(unnamed.outcome === 'refused' && unnamed.refusal.reason === 'time_contradicts');
  assert.match(unnamed.refusal.why, /when it was received.*\[loaded\] came before that/);
  const named = await arrive(shipping, 'customs', 'box-1', { at: clock.now, arrival: 'named' });
  assert.ok(named.outcome === 'recorded');
  assert.equal(named.at, new Date(waits).toISOString());
  const { arrivals } = await shipping.journeys.read('box-1');
  assert.equal(arrivals.find(({ arrival }) => arrival === 'named')?.claimed, true);
  assert.equal((await shipping.journeys.read('box-1')).step, 'loaded');
});

test('an authority whose clock went back a little still records, and times go forward', async (context) => {
  const shipping = await openShipping(context);
  await pickedUp(shipping);
  const { clock } = shipping;
  const at = clock.now;
  clock.now += hour;
  assert.equal(outcomeOf(await arrive(shipping, 'ship', 'box-1')), 'pending loaded');
  const first = clock.now;
  clock.now -= minute;
  assert.equal(outcomeOf(await arrive(shipping, 'clinic', 'box-1')), 'pending delivered');
  assert.equal(outcomeOf(await arrive(shipping, 'customs', 'box-1', { at })), 'recorded export-customs');
  const steps = await shipping.store.read((db) => stepsOf(db, 'box-1'));
  assert.deepEqual(
    steps.slice(3),
    ['loaded', 'delivered'].map((name) => ({ step: name, at: first })),
  );
});
