import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lease } from './replica.ts';

function clocks() {
  const time = { monotonic: 1_000, wall: 1_900_000_000_000 };
  return { time, lease: new Lease({ monotonic: () => time.monotonic, now: () => time.wall }) };
}

test('P5: without a grant nothing is held', () => {
  assert.equal(clocks().lease.holds(), false);
});

test('rule 1: a lease counts from when its renewal was sent, however late the answer came', () => {
  const { time, lease } = clocks();
  const sent = lease.sending();
  time.monotonic += 900;
  time.wall += 900;
  lease.granted(sent, 1_000);
  assert.equal(lease.remainingMs(), 100);
  time.monotonic += 100;
  time.wall += 100;
  assert.equal(lease.holds(), false);
});

for (const [what, monotonic, wall, held] of [
  ['both clocks say that it runs', 500, 500, true],
  ['the monotonic clock says that it is over', 1_000, 500, false],
  ['the wall clock says that it is over, since it was set forward by an hour', 500, 3_600_000, false],
  ['the machine slept and only the wall clock went on', 1, 5_000, false],
  ['the wall clock was set back by an hour, and the monotonic one says that it is over', 1_001, -3_600_000, false],
] as const) {
  test(`a lease of a second, when ${what}: ${held ? 'held' : 'over'}`, () => {
    const { time, lease } = clocks();
    lease.granted(lease.sending(), 1_000);
    time.monotonic += monotonic;
    time.wall += wall;
    assert.equal(lease.holds(), held);
  });
}

test('a late answer to an earlier renewal does not shorten a lease', () => {
  const { time, lease } = clocks();
  const first = lease.sending();
  time.monotonic += 500;
  time.wall += 500;
  lease.granted(lease.sending(), 1_000);
  lease.granted(first, 1_000);
  assert.equal(lease.remainingMs(), 1_000);
});

test('a lease that was given back is over', () => {
  const { lease } = clocks();
  lease.granted(lease.sending(), 1_000);
  lease.end();
  assert.equal(lease.holds(), false);
});
