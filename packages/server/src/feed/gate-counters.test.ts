import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LeaseRequest } from '@portcullis/contract';
import { GateCounters } from './gate-counters.ts';

function counted(admitted: number, refused: number): LeaseRequest {
  const others = { connections: 3, overruns: 0, unproven: 0, policy: 1, policyRefused: false };
  return { instance: 'a', counters: { admitted, refused, ...others } } as LeaseRequest;
}

test('rates are those between two renewals, and 0 for an instance that was silent for longer than a lease', () => {
  let now = 0;
  const counters = new GateCounters(() => now, 5_000);
  counters.note('gate-1', counted(100, 10));
  now = 2_000;
  counters.note('gate-1', counted(300, 50));
  const rates = () => {
    const { admittedPerSecond, refusedPerSecond, lastHeardMs } = counters.of('gate-1', 'a');
    return [admittedPerSecond, refusedPerSecond, lastHeardMs];
  };
  assert.deepEqual(rates(), [100, 20, 0]);
  now = 7_000;
  assert.deepEqual(rates(), [100, 20, 5_000]);
  now = 7_001;
  assert.deepEqual(rates(), [0, 0, 5_001]);
  assert.equal(counters.of('gate-1', 'a').connections, 3, 'what it told last');
});

test('of an instance that never told anything everything is 0, and it was not heard', () => {
  const counters = new GateCounters(() => 0, 5_000);
  assert.deepEqual(counters.of('gate-1', ''), {
    ...{ connections: 0, overruns: 0, unproven: 0, policy: 0, policyRefused: false, pruneWaits: 0, clockAheadMs: 0 },
    ...{ admittedPerSecond: 0, refusedPerSecond: 0, lastHeardMs: null },
  });
});
