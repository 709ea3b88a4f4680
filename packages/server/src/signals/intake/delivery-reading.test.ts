import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { test } from 'node:test';
import { patienceMs } from '../../../../../test/patience.ts';
import { DeliveryReading } from '../signals.ts';
import { readDelivery } from './read-delivery.ts';

const alertOf = (index: number) => ({
  status: 'firing',
  labels: { alertname: 'TooWarm', device: `sensor-${index}`, site: 'x'.repeat(100) },
  annotations: { summary: `sensor-${index} is above 8 °C` },
  startsAt: '2026-11-27T10:00:38.5Z',
  endsAt: '0001-01-01T00:00:00Z',
  fingerprint: index.toString(16).padStart(16, '0'),
});
const delivery = (count: number) =>
  Buffer.from(JSON.stringify({ version: '4', alerts: Array.from({ length: count }, (_, index) => alertOf(index)) }));

test('5 000 alerts in one delivery are read as one alone would be, and the event loop goes on meanwhile', {
  timeout: 4 * patienceMs,
}, async () => {
  await using reading = new DeliveryReading();
  const raw = delivery(5_000);
  assert.ok(raw.length > 1_500_000, `${raw.length} bytes`);
  // What is measured is not how long a thread takes to start.
  await reading.read('alertmanager', {}, delivery(300));
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const read = await reading.read('alertmanager', {}, raw);
  delay.disable();
  assert.deepEqual(read, readDelivery('alertmanager', {}, raw));
  assert.equal(read.alerts.length, 5_000);
  // An eighth of a lease.
  assert.ok(delay.max / 1e6 < 600, `${delay.max / 1e6} ms`);
});

test('what a long delivery is refused for is told as of a short one, and the next is read', {
  timeout: 4 * patienceMs,
}, async () => {
  await using reading = new DeliveryReading();
  await assert.rejects(reading.read('alertmanager', {}, Buffer.alloc(100_000, '[')), { code: 'request_malformed' });
  await assert.rejects(reading.read('json', {}, Buffer.alloc(100_000, '7')), { code: 'request_malformed' });
  const both = await Promise.all([300, 301].map((count) => reading.read('alertmanager', {}, delivery(count))));
  assert.deepEqual(
    both.map(({ alerts }) => alerts.length),
    [300, 301],
  );
});

test('whoever waits while the room closes is told', { timeout: 4 * patienceMs }, async () => {
  const reading = new DeliveryReading();
  const waiting = reading.read('alertmanager', {}, delivery(1_000));
  const told = assert.rejects(waiting, { code: 'internal' });
  await reading[Symbol.asyncDispose]();
  await told;
});
