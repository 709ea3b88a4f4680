import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CountedRunView } from '@portcullis/contract';
import { missingOf } from './missing-ranges.ts';

const at = (second: number) => `2026-11-28T00:00:${String(second).padStart(2, '0')}.000Z`;
const view = (lowest: number, highest: number, missing: [number, number, number][], more: object = {}) =>
  ({
    ...{ gate: 'gate-1', subject: 'pump-1', stream: 'telemetry', run: '0', lowest, highest, receivedAt: at(30) },
    ...{ missing: missing.map(([first, last, since]) => ({ first, last, since: at(since) })), forgotten: 0, ...more },
  }) as CountedRunView;
const told = (views: CountedRunView[]) =>
  missingOf(views).map(({ first, last, count, since }) => [first, last, count, since]);

test('what one gate misses is told as it says', () => {
  assert.deepEqual(
    told([
      view(1, 50, [
        [4, 6, 1],
        [41, 43, 2],
      ]),
    ]),
    [
      [4, 6, 3, at(1)],
      [41, 43, 3, at(2)],
    ],
  );
  assert.deepEqual(told([view(1, 50, [])]), []);
});

test('what another gate has is not missing, whichever was first', () => {
  assert.deepEqual(told([view(1, 50, [[11, 20, 1]]), view(11, 20, [])]), []);
  assert.deepEqual(told([view(11, 20, [[13, 14, 3]]), view(1, 50, [[11, 20, 1]])]), [[13, 14, 2, at(1)]]);
});

test('what no gate has is missing, also where none has seen a gap', () => {
  assert.deepEqual(told([view(1, 10, []), view(15, 20, [], { receivedAt: at(9) })]), [[11, 14, 4, at(9)]]);
});

test('what was forgotten is told by its number', () => {
  assert.deepEqual(told([view(1, 10, [[9, 9, 1]], { forgotten: 7 })]), [
    [null, null, 7, null],
    [9, 9, 1, at(1)],
  ]);
});
