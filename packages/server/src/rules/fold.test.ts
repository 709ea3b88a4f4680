import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { at, minute, shipmentWithTracker } from '../../test/ruled-fleet.ts';
import { type Reading, toldOf } from '../../test/told-by-gates.ts';
import { foldable, foldSender } from './fold.ts';
import { outsideTimes, runsOf } from './runs.ts';
import { uncovered } from './stretches.ts';

const silentMs = 30 * minute;

test('what is folded says the same of times outside and of silence', () => {
  const seldom = fc
    .array(fc.record({ pause: fc.integer({ min: 1, max: 60 }), out: fc.boolean() }), { maxLength: 60 })
    .map((steps) => {
      let minutes = 0;
      return steps.map(({ pause, out }): Reading => {
        minutes += pause;
        return { gate: 'gate-1', at: minutes * minute, side: out ? 'outside' : 'inside' };
      });
    });
  fc.assert(
    fc.property(seldom, (readings) => {
      const { edges, newest } = toldOf(readings);
      const { gone, grown } = foldable(edges, silentMs);
      const numbers = new Set(gone.map(({ number }) => number));
      const pauses = new Map(grown.map(({ number, pauseMs }) => [number, pauseMs]));
      const left = edges
        .filter(({ number }) => !numbers.has(number))
        .map((edge) => ({ ...edge, pauseMs: pauses.get(edge.number) ?? edge.pauseMs }));
      const [before, after] = [runsOf(edges, newest), runsOf(left, newest)];
      assert.deepEqual(outsideTimes(after), outsideTimes(before));
      const all = { from: 0, to: 4_000 * minute };
      const silences = (runs: typeof before) => uncovered(all, runs).filter(({ from, to }) => to - from > silentMs);
      assert.deepEqual(silences(after), silences(before));
    }),
    { numRuns: 300 },
  );
});

test('a sender that sends seldom keeps few rows, and what was found of it stays', async (context) => {
  const fleet = await shipmentWithTracker(context);
  const fiveMinutely = Array.from({ length: 60 }, (_, index) => `${index === 20 ? 'out' : 'in'} ${index * 5}`).join(
    ', ',
  );
  await fleet.hear(fiveMinutely);
  await fleet.until(300);
  const seen = await fleet.rules.excursions('box-1');
  const { store } = fleet.records;
  const rows = () => store.read((db) => db.selectFrom('ruleEdges').selectAll().execute());
  assert.equal((await rows()).length, 60);
  await foldSender(store, { rule: 'cold-chain', sender: 'tracker-1', silentMs, before: at(300) });
  assert.equal((await rows()).length, 3);
  await fleet.set('tracker-1', { shipment: 'box-1', site: 'sea' });
  await fleet.hear('in 296-301');
  await fleet.until(301);
  const [now, then] = [(await fleet.rules.excursions('box-1')).rules[0], seen.rules[0]];
  assert.deepEqual([now?.excursions, now?.gaps, now?.status], [then?.excursions, then?.gaps, 'well']);
});
