/** J4: what is known decides, and not when or how often it became known. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Reading, toldOf } from '../../test/told-by-gates.ts';
import type { Edge, Facts } from './facts.ts';
import { judge } from './judge.ts';
import { runsOf } from './runs.ts';

const second = 1_000;
const limits = { forMs: 600 * second, budgetMs: 1_800 * second, silentMs: 900 * second };

const reading = fc.record({
  gate: fc.constantFrom('gate-1', 'gate-2'),
  at: fc.integer({ min: 0, max: 7_200 }).map((seconds) => seconds * second),
  side: fc.constantFrom<Reading['side']>('inside', 'outside'),
  unproven: fc.boolean(),
});

function factsOf(edges: Edge[], newest: ReturnType<typeof toldOf>['newest']): Facts {
  const runs = runsOf(edges, newest);
  const sender = { sender: 'tracker-1', bound: [{ from: 0, until: null }], runs, causes: [], toldAt: -1e9 };
  const about = { window: { from: 0, until: null }, breaches: [], decidedUntil: undefined };
  return { limits, limitsAt: () => limits, senders: [sender], ...about };
}

test('whatever order edges come in, and however often, the same comes out', () => {
  const anyOrder = fc
    .array(reading, { maxLength: 40 })
    .map(toldOf)
    .chain((told) => {
      const again = fc.shuffledSubarray(told.edges, { minLength: told.edges.length });
      return fc.tuple(fc.constant(told), again, fc.shuffledSubarray(told.newest, { minLength: told.newest.length }));
    });
  fc.assert(
    fc.property(anyOrder, fc.integer({ min: 7_200, max: 12_000 }), ([told, edges, newest], now) => {
      const [first, second_] = [factsOf(told.edges, told.newest), factsOf(edges, newest)];
      assert.deepEqual(judge(second_, now * second), judge(first, now * second));
    }),
    { numRuns: 400 },
  );
});

/** Told by the readings themselves: a time outside begins at one outside, and ends at the next that is inside. */
function outsideBy(readings: readonly Reading[]): [number, number | null][] {
  const found: [number, number | null][] = [];
  for (const { at, side } of readings.toSorted((a, b) => a.at - b.at)) {
    const last = found.at(-1);
    const open = last !== undefined && last[1] === null;
    if (side === 'outside' && !open) found.push([at, null]);
    if (side === 'inside' && open) last[1] = at;
  }
  return found;
}

test('of readings that come in order at one gate, excursions are those of the readings themselves', () => {
  const inOrder = fc
    .uniqueArray(reading, { maxLength: 60, selector: ({ at }) => at })
    .map((readings) =>
      readings.toSorted((a, b) => a.at - b.at).map((one) => ({ ...one, gate: 'gate-1', unproven: false })),
    );
  fc.assert(
    fc.property(inOrder, (readings) => {
      const { edges, newest } = toldOf(readings);
      const { excursions } = judge(factsOf(edges, newest), 20_000 * second);
      assert.deepEqual(
        excursions.map(({ from, to }) => [from, to]),
        outsideBy(readings),
      );
    }),
    { numRuns: 400 },
  );
});

test('of readings in any order at two gates, no time outside is missed by more than readings are apart', () => {
  const anyOrder = fc
    .uniqueArray(reading, { maxLength: 40, selector: ({ at }) => at })
    .map((readings) => readings.map((one) => ({ ...one, unproven: false })));
  fc.assert(
    fc.property(anyOrder, (readings) => {
      const { edges, newest } = toldOf(readings);
      const { excursions } = judge(factsOf(edges, newest), 20_000 * second);
      const outside = readings.filter(({ side }) => side === 'outside');
      for (const { at } of outside)
        assert.ok(
          excursions.some(({ from, to }) => from <= at + second && (to === null || at <= to)),
          `at ${at}`,
        );
    }),
    { numRuns: 400 },
  );
});
