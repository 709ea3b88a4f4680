import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOptionalTime, readTime } from './time.ts';

const rows: [string, bigint | undefined][] = [
  ['1970-01-01T00:00:00Z', 0n],
  ['1970-01-01T00:00:00.000000001Z', 1n],
  ['1970-01-01t00:00:00z', 0n],
  ['1970-01-01T01:00:00.5+01:00', 500_000_000n],
  ['1969-12-31T23:00:00-01:00', 0n],
  ['2021-10-12T09:51:03.157076+02:00', 1_634_025_063_157_076_000n],
  ['2026-02-28T23:59:59.999999999Z', 1_772_323_199_999_999_999n],
  ['2026-02-30T00:00:00Z', undefined],
  ['2026-02-28T24:00:00Z', undefined],
  ['2026-02-28T23:59:60Z', undefined],
  ['2026-02-28T23:59:59.1234567890Z', undefined],
  ['2026-02-28T23:59:59', undefined],
  ['2026-02-28 23:59:59Z', undefined],
  ['2026-02-28T23:59:59+24:00', undefined],
  ['26-02-28T23:59:59Z', undefined],
  ['', undefined],
];

for (const [text, expected] of rows) {
  test(`the time ${JSON.stringify(text)} is ${expected === undefined ? 'none' : `${expected} ns`}`, () => {
    assert.equal(readTime(text), expected);
  });
}

test('the same instant with other digits and another offset is the same, and order is that of time, not of text', () => {
  assert.equal(readTime('2026-11-27T10:00:38.500Z'), readTime('2026-11-27T11:00:38.5+01:00'));
  assert.ok((readTime('2026-11-27T10:00:38.5Z') ?? 0n) > (readTime('2026-11-27T10:00:38Z') ?? 0n));
});

test('no time is what is left out, empty, or the first year of Go', () => {
  for (const none of [undefined, '', '0001-01-01T00:00:00Z']) assert.equal(readOptionalTime(none), null);
  assert.equal(readOptionalTime('soon'), undefined);
});
