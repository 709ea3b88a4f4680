import assert from 'node:assert/strict';
import { test } from 'node:test';
import { patienceMs } from '../../../../test/patience.ts';
import { deviceDirectory, openDevice, startGate } from '../../test/gate.ts';
import { acknowledged, type Received, refused } from '../../test/servers.ts';

test('P8: a gate of an earlier version, which knows no numbers, gets the readings without them', async () => {
  const detail = 'the member "_sequence" is unknown; reserved are [_id, _time, _clock]';
  const earlier = (received: Received) =>
    received.body.includes('"_sequence"')
      ? refused(422, 'reserved_member_misused', { line: 1, detail })
      : acknowledged(received);
  const gate = await startGate(Array.from({ length: 9 }).map(() => earlier));
  const { device } = await openDevice(deviceDirectory([gate.url]));
  await Promise.all([0, 1, 2].map((value) => device.send('telemetry', { value })));
  await device.drained(AbortSignal.timeout(patienceMs));
  assert.deepEqual(gate.values(), [0, 1, 2]);
  assert.deepEqual(device.counts, { acknowledged: 3, refused: 0 });
  assert.ok(gate.stored.every((reading) => '_id' in reading && '_clock' in reading && !('_run' in reading)));
});
