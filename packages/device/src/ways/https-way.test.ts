import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bundleDueHeader } from '@portcullis/contract';
import { patienceMs } from '../../../../test/patience.ts';
import { deviceDirectory, openDevice, startGate } from '../../test/gate.ts';
import { acknowledged, type Received, refused } from '../../test/servers.ts';
import type { Link } from '../link/link.ts';
import { HttpsWay } from './https-way.ts';

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

test('which bundle is due is heard beside an acknowledgement alone, and only as a number', async () => {
  const body = Buffer.from(JSON.stringify({ acknowledged: 1, ids: ['a'], revision: 1 }));
  const problem = Buffer.from(JSON.stringify({ type: 'about:blank', title: 'x', status: 403, reason: 'not_admitted' }));
  const due: number[] = [];
  const heard = async (value: string | string[], status = 202) => {
    const answer = { status, headers: { [bundleDueHeader]: value }, body: status === 202 ? body : problem };
    const way = new HttpsWay({
      link: { request: async () => answer } as unknown as Link,
      gates: () => [],
      clock: { heard: () => undefined } as never,
      onBundleDue: (version) => due.push(version),
    });
    const { signal } = new AbortController();
    const readings = [{ line: '{}' }] as never;
    await way.send({ gate: 'https://gate.example', stream: 'telemetry', readings, timeoutMs: 1, signal });
  };
  for (const wrong of ['', '0', '-2', '2.5', '1e9', '0x2', ' 2', '2, 3', '12345678901', 'two', ['2', '3']])
    await heard(wrong);
  await heard('2', 403);
  assert.deepEqual(due, []);
  await heard('2');
  assert.deepEqual(due, [2]);
});
