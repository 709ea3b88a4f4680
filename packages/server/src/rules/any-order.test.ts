/** J4: whatever order gates tell in, how often, and over which restarts: the same is found, stored, and moved. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { at, coldChain, minute, RuledFleet } from '../../test/ruled-fleet.ts';
import { type Reading, toldOf } from '../../test/told-by-gates.ts';

const minutesMax = 180;
const reading = fc.record({
  gate: fc.constantFrom('gate-1', 'gate-2'),
  at: fc.integer({ min: 0, max: minutesMax }).map(at),
  side: fc.constantFrom<Reading['side']>('inside', 'inside', 'outside'),
});

type Told = ReturnType<typeof toldOf>;
type Report = { edges: Told['edges']; newest: Told['newest'] };

/** As many reports as there are cuts and one more, in any order; some are told twice. What is newest is told last, as gates do. */
const telling = fc.array(reading, { minLength: 1, maxLength: 40 }).chain((readings) => {
  const told = toldOf(readings);
  const order = fc.shuffledSubarray(told.edges, { minLength: told.edges.length });
  return fc.record({
    told: fc.constant(told),
    order,
    size: fc.integer({ min: 1, max: 10 }),
    again: fc.subarray(told.edges),
    restarts: fc.boolean(),
  });
});

let trackers = 0;
async function found(fleet: RuledFleet, reports: readonly Report[], restarts: boolean) {
  const [box, tracker] = [`box-${++trackers}`, `tracker-${trackers}`];
  // Bound at minute 0, whatever the clock is now.
  await fleet.put(box, 'shipment');
  await fleet.put(tracker, 'device', { shipment: box });
  for (const { edges, newest } of reports) {
    for (const gate of ['gate-1', 'gate-2']) {
      const of = { edges: edges.filter((one) => one.gate === gate), newest: newest.filter((one) => one.gate === gate) };
      await fleet.tell(of, { gate, sender: tracker, apart: trackers });
    }
    if (restarts) await fleet.restart();
  }
  return { box, tracker };
}

test('any order, any repetition, two gates and restarts: the same excursions, gaps, breaches and attribute', async (context) => {
  const fleet = await RuledFleet.open(context, [{ ...coldChain, for: 12 * minute, budget: 40 * minute }]);
  await fc.assert(
    fc.asyncProperty(telling, async ({ told, order, size, again, restarts }) => {
      fleet.records.clock.now = at(0);
      const reports: Report[] = [];
      for (let from = 0; from < order.length; from += size)
        reports.push({ edges: order.slice(from, from + size), newest: [] });
      const last = { edges: again, newest: told.newest };
      const once = await found(fleet, [told], false);
      const other = await found(fleet, [...reports, last, last], restarts);
      await fleet.until(minutesMax + 10);
      const seen = async ({ box, tracker }: typeof once) => {
        const { rules } = await fleet.rules.excursions(box);
        const text = JSON.stringify(
          rules.map(({ breaches, ...rest }) => ({
            ...rest,
            breaches: breaches.map(({ at: moment, kind }) => [moment, kind]),
          })),
        );
        return [text.replaceAll(tracker, 'tracker'), await fleet.valueOf(box)];
      };
      assert.deepEqual(await seen(other), await seen(once));
    }),
    { numRuns: 15 },
  );
  assert.deepEqual(fleet.logged, []);
});
