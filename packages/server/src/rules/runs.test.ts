import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Run } from './facts.ts';
import { outsideTimes } from './runs.ts';

const pauseMs = 60_000;
const run = (side: Run['side'], from: number, to: number, moment = false): Run => ({
  ...{ side, from, to, moment },
  ...{ ruleRevision: 1, pauseMs },
});

const rows: [string, Run[], [from: number, to: number | null][]][] = [
  ['nothing came since', [run('outside', 1_000, 5_000)], [[1_000, null]]],
  ['the next of the same gate', [run('outside', 1_000, 5_000), run('inside', 6_000, 9_000)], [[1_000, 6_000]]],
  ['one at the same moment', [run('outside', 1_000, 5_000), run('inside', 5_000, 9_000)], [[1_000, 5_000]]],
  [
    'another gate went on around it: its next reading is not known to be sooner than its last',
    [run('inside', 0, 9_000), run('outside', 1_000, 5_000)],
    [[1_000, 9_000]],
  ],
  [
    'another gate goes on for long: it had one within a minute',
    [run('inside', 0, 900_000), run('outside', 1_000, 5_000)],
    [[1_000, 65_000]],
  ],
  ['a late one amid a run', [run('inside', 0, 900_000), run('outside', 1_000, 1_000, true)], [[1_000, 61_000]]],
  [
    'a run that ended before says nothing',
    [run('inside', 0, 5_000), run('outside', 1_000, 5_000), run('inside', 70_000, 80_000)],
    [[1_000, 70_000]],
  ],
];
for (const [what, runs, expected] of rows) {
  test(`a time outside ends with the first reading that is known to be inside: ${what}`, () => {
    for (const order of [runs, runs.toReversed()])
      assert.deepEqual(
        outsideTimes(order).map(({ from, to }) => [from, to]),
        expected,
      );
  });
}
