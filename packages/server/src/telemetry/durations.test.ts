import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Durations, durationBounds } from './durations.ts';
import { Figures } from './figures.ts';

test('a duration counts at its bound and at every later one, and one that is longer than all of them counts at none', () => {
  const durations = new Durations();
  for (const milliseconds of [5, 5.1, 3_600_000]) durations.took(milliseconds);
  const upTo = new Map(durations.upTo());
  assert.deepEqual(
    [0.0025, 0.005, 0.01, 60].map((bound) => upTo.get(bound)),
    [0, 1, 2, 2],
  );
  assert.equal(durations.count, 3);
  assert.ok(Math.abs(durations.seconds - 3_600.0101) < 1e-9);
  assert.equal(upTo.size, durationBounds.length);
});

test('they are told as a histogram of Prometheus: cumulative, with all of them under +Inf', async () => {
  const durations = new Durations();
  for (const milliseconds of [3, 40, 90_000]) durations.took(milliseconds);
  const figures = new Figures();
  figures.histogram('portcullis_test_seconds', 'A test', () => durations);
  const text = await figures.text();
  assert.match(text, /^# TYPE portcullis_test_seconds histogram$/m);
  assert.match(text, /^portcullis_test_seconds_bucket\{le="0.0025"\} 0$/m);
  assert.match(text, /^portcullis_test_seconds_bucket\{le="0.005"\} 1$/m);
  assert.match(text, /^portcullis_test_seconds_bucket\{le="60"\} 2$/m);
  assert.match(text, /^portcullis_test_seconds_bucket\{le="\+Inf"\} 3$/m);
  assert.match(text, /^portcullis_test_seconds_count 3$/m);
  assert.match(text, /^portcullis_test_seconds_sum 90.043/m);
});
