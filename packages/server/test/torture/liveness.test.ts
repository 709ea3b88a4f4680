/** What counts as stale for no reason, in histories made by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Call } from './history.ts';
import { type Disturbance, decidedByMinute, decidedShare, quietSpans, recoveryMsOf, staleGates } from './liveness.ts';

const run = { begin: 0, end: 60_000, leaseMs: 2_000 };
const recoveryMs = recoveryMsOf(run.leaseMs);
const fault = (begin: number, end: number, gate?: string): Disturbance => ({ gate, kind: 'fault', begin, end });

/** One call each 100 ms; `statusAt` says how it is answered. */
function callsOf(statusAt: (time: number) => number): Call[] {
  return Array.from({ length: 600 }, (_, index) => {
    const begin = index * 100;
    const status = statusAt(begin);
    return { gate: 'gate-1', subject: 'truck-1', certificate: '', ids: [], begin, end: begin + 5, status, reason: '' };
  });
}

const found = (statusAt: (time: number) => number, disturbances: Disturbance[] = []) =>
  staleGates(callsOf(statusAt), disturbances, run).map(({ what }) => what);

const mostly = 'mostly undecided, although nothing was wrong';
const silent = 'decided nothing for long, although nothing was wrong';
const during = (begin: number, end: number) => (time: number) => (time >= begin && time < end ? 503 : 202);

test('a gate that decides is well, whatever it decides', () => {
  assert.deepEqual(
    found(() => 202),
    [],
  );
  assert.deepEqual(
    found(() => 403),
    [],
  );
});

test('a gate that never decides is found twice over', () => {
  assert.deepEqual(
    found(() => 503),
    [mostly, silent],
  );
  assert.deepEqual(
    found(() => 0),
    [mostly, silent],
  );
});

test('a gate that stays stale for long is found, one that was for a moment is not', () => {
  assert.deepEqual(found(during(20_000, 29_000)), [silent]);
  assert.deepEqual(found(during(20_000, 27_000)), []);
});

test('a gate that decides now and then, and mostly not, is found', () => {
  assert.deepEqual(
    found((time) => (time % 1_000 === 0 ? 202 : 503)),
    [mostly],
  );
});

test('while something is wrong, and for a while after it, nothing is asked of a gate; then it is', () => {
  const stale = during(10_000, 12_000 + recoveryMs);
  assert.deepEqual(found(stale), [silent]);
  assert.deepEqual(found(stale, [fault(10_000, 12_000)]), []);
  assert.deepEqual(found(stale, [fault(10_000, 12_000, 'gate-1')]), []);
  assert.deepEqual(found(stale, [fault(10_000, 12_000, 'gate-2')]), [silent]);
  assert.deepEqual(found(during(10_000, 30_000), [fault(10_000, 12_000)]), [silent]);
});

test('a run is quiet where no fault of this gate or of all is, nor was just before', () => {
  const disturbances = [fault(30_000, 31_000, 'gate-1'), fault(10_000, 15_000), fault(12_000, 13_000, 'gate-1')];
  assert.deepEqual(quietSpans('gate-1', disturbances, run), [
    { begin: 0, end: 10_000 },
    { begin: 15_000 + recoveryMs, end: 30_000 },
    { begin: 31_000 + recoveryMs, end: 60_000 },
  ]);
});

test('how much was decided is told for the whole and for each minute', () => {
  const calls = callsOf(during(0, 30_000)).flatMap((call) => [
    call,
    { ...call, begin: call.begin + 60_000, status: 202 },
  ]);
  assert.equal(decidedShare(calls), 0.75);
  assert.deepEqual(decidedByMinute(calls, { begin: 0, end: 120_000 }), [0.5, 1]);
});
