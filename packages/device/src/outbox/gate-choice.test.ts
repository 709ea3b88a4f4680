import assert from 'node:assert/strict';
import { test } from 'node:test';
import { patienceMs } from '../../../../test/patience.ts';
import { deviceDirectory, impatient, openDevice, startGate } from '../../test/gate.ts';
import { linesOf, type Received, refused, until } from '../../test/servers.ts';

const limit = () => AbortSignal.timeout(patienceMs);

test('after a lost answer a device stays with the gate that may have stored the batch, and nothing is stored twice', async () => {
  const stored: unknown[] = [];
  const storesAndBreaks = ({ body }: Received) => {
    stored.push(...linesOf(body).map(({ _id }) => _id));
    return 'break' as const;
  };
  const first = await startGate([storesAndBreaks, refused(503, 'replica_stale'), 'break']);
  const other = await startGate();
  const { device } = await openDevice(deviceDirectory([first.url, other.url]));
  await device.send('telemetry', { value: 0 });
  await device.drained(limit());
  assert.deepEqual([first.ids(), other.requests.length], [stored, 0]);
});

test('a gate that may have stored a batch and does not come back is left for the next one after a while', async () => {
  const first = await startGate(Array.from({ length: 10_000 }, () => 'break' as const));
  const other = await startGate();
  const directory = deviceDirectory([first.url, other.url]);
  // A second passes with each look at the clock.
  let seconds = 0;
  const { device } = await openDevice(directory, { system: { ...impatient, monotonic: () => seconds++ * 1_000 } });
  await device.send('telemetry', { value: 0 });
  await until('the first try', () => first.requests.length === 1);
  await first.close();
  await device.drained(limit());
  assert.deepEqual(other.values(), [0]);
});
