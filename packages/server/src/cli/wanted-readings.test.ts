import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ReadingOptions, wantedBy } from './wanted-readings.ts';

const now = Date.parse('2026-11-27T08:00:00.000Z');

const times: [text: string, instant: string][] = [
  ['2026-11-27T08:00:00Z', '2026-11-27T08:00:00.000Z'],
  ['2026-11-27t08:00:00.1234z', '2026-11-27T08:00:00.123Z'],
  ['2026-11-27 09:30+01:30', '2026-11-27T08:00:00.000Z'],
  ['2026-11-27', '2026-11-27T00:00:00.000Z'],
  ['90s', '2026-11-27T07:58:30.000Z'],
  ['7d', '2026-11-20T08:00:00.000Z'],
];
for (const [text, instant] of times) {
  test(`--since ${text} is ${instant}`, () => assert.equal(wantedBy(undefined, { since: text }, now).since, instant));
}

const wrong: [options: ReadingOptions, message: RegExp][] = [
  [{ since: 'yesterday' }, /"yesterday" is not a time/],
  [{ until: '2026-11-27T08:00' }, /is not a time/],
  [{ until: '2026-13-01' }, /is not a time/],
  [{ since: '9999-12-31T23:59:59-14:00' }, /is not a time/],
  [{ last: '10001' }, /--last "10001" is not a whole number from 0 to 10000/],
  [{ limit: '0' }, /--limit "0"/],
  [{ limit: '1e3' }, /--limit "1e3"/],
  [{ last: '1', limit: '1' }, /both say how many/],
  [{ follow: true, until: '1h' }, /has no end/],
];
for (const [options, message] of wrong) {
  test(`${JSON.stringify(options)} is wrong usage`, () => {
    assert.throws(() => wantedBy('telemetry', options, now), { code: 'usage', message });
  });
}

test('the newest are asked for backwards, and no more than are wanted', () => {
  const { order, most, last } = wantedBy('telemetry', { last: '0', follow: true }, now);
  assert.deepEqual([order, most, last], ['newest', 1, 0]);
  assert.deepEqual(
    [wantedBy('telemetry', { limit: '7' }, now).most, wantedBy('telemetry', {}, now).order],
    [7, 'received'],
  );
});
