import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock } from './clock.ts';

const start = Date.parse('2026-11-23T12:00:00.000Z');

function clockAt(wall: number) {
  const time = { wall, monotonic: 1_000 };
  const system = {
    now: () => time.wall,
    monotonic: () => time.monotonic,
    random: (bytes: number) => Buffer.alloc(bytes),
  };
  const pass = (milliseconds: number) => {
    time.wall += milliseconds;
    time.monotonic += milliseconds;
  };
  return {
    clock: new Clock({ system, time: { now: system.now, isCorrected: false }, notBefore: () => start - 3_600_000 }),
    time,
    pass,
  };
}

test('a clock that is before the making of its own certificate is not synchronized', () => {
  assert.equal(clockAt(0).clock.state, 'unsynchronized');
  assert.equal(clockAt(start).clock.state, 'unknown');
});

test("a verified server's time tells whether the clock is right, as long as it runs on", () => {
  const { clock, pass } = clockAt(start);
  clock.heard(new Date(start).toUTCString());
  assert.equal(clock.state, 'synchronized');
  pass(86_400_000);
  assert.equal(clock.state, 'synchronized');
});

test('a clock that is minutes away from the server is not synchronized', () => {
  const { clock } = clockAt(start);
  clock.heard(new Date(start + 120_000).toUTCString());
  assert.equal(clock.state, 'unsynchronized');
});

test('once the clock was set or the machine slept, nothing is known until a server is heard again', () => {
  const { clock, time } = clockAt(start);
  clock.heard(new Date(start).toUTCString());
  time.wall += 60_000;
  assert.equal(clock.state, 'unknown');
  clock.heard(new Date(time.wall).toUTCString());
  assert.equal(clock.state, 'synchronized');
});

test('an answer without a date, or with a wrong one, changes nothing', () => {
  const { clock } = clockAt(start);
  clock.heard(undefined);
  clock.heard('yesterday');
  assert.equal(clock.state, 'unknown');
});
