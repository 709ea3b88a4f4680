/** Bytes from outside never reach anything but a delivery or a refusal in words (P13). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PortcullisError } from '@portcullis/contract';
import fc from 'fast-check';
import { type Delivery, type SignalHeaders, signalFormats } from './delivery.ts';
import { readDelivery } from './read-delivery.ts';
import { readTime } from './time.ts';

const unsound = /[\0\uFFFD]/;

function requireSound({ alerts, warnings }: Delivery): void {
  for (const { key, status, labels, annotations, bad, startsAt, endsAt } of alerts) {
    assert.ok(key !== '' && key.length <= 512 && !unsound.test(key), key);
    assert.ok(status === 'firing' || status === 'resolved');
    for (const text of [...Object.keys(labels), ...Object.values(labels), ...Object.values(annotations)])
      assert.ok(typeof text === 'string' && !unsound.test(text));
    for (const time of [startsAt, endsAt]) assert.ok(time === null || typeof time === 'bigint');
    if (bad !== undefined) assert.ok(bad.length > 0 && Object.keys(labels).length === 0);
  }
  assert.ok(warnings.every((warning) => warning.length > 0));
}

function tried(format: (typeof signalFormats)[number], headers: SignalHeaders, raw: Buffer): void {
  try {
    requireSound(readDelivery(format, headers, raw));
  } catch (error) {
    if (!(error instanceof PortcullisError)) throw error;
    assert.ok(error.code === 'request_malformed' || error.code === 'request_too_large', error.code);
    assert.ok(error.message.length < 1_000, error.message);
  }
}

const member = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom('firing', 'resolved', '1.0', '2026-11-27T10:00:38.5Z', 'a\0', '\uFFFD'),
);
const names = fc.constantFrom(
  ...['status', 'labels', 'annotations', 'startsAt', 'endsAt', 'fingerprint', 'key', 'id', 'data', 'timestamp'],
  ...['specversion', 'source', 'type', 'subject', 'time', 'datacontenttype', 'data_base64', 'alertkey', 'alertstatus'],
  ...['version', 'groupKey', 'truncatedAlerts', 'alerts', '__proto__', 'constructor', 'x'],
);
const entry = fc.dictionary(names, member, { maxKeys: 8 });
const body = fc.oneof(
  entry,
  fc.array(entry, { maxLength: 4 }),
  fc.record({ alerts: fc.array(fc.oneof(entry, member)) }),
  member,
);
const headers = fc.dictionary(
  fc.constantFrom('content-type', 'webhook-id', 'ce-specversion', 'ce-id', 'ce-source', 'ce-type', 'ce-time', 'ce-x'),
  fc.oneof(
    fc.constantFrom(
      'application/json',
      'application/cloudevents+json',
      'application/cloudevents-batch+json',
      'text/plain',
      '1.0',
    ),
    fc.string(),
    fc.array(fc.string(), { maxLength: 2 }),
  ),
);

test('P13: whatever comes is a delivery that is sound, or refused in words', () => {
  fc.assert(
    fc.property(fc.constantFrom(...signalFormats), headers, body, (format, given, value) => {
      tried(format, given, Buffer.from(JSON.stringify(value)));
    }),
    { numRuns: 1_500 },
  );
  fc.assert(
    fc.property(fc.constantFrom(...signalFormats), headers, fc.uint8Array({ maxLength: 200 }), (format, given, raw) => {
      tried(format, given, Buffer.from(raw));
    }),
    { numRuns: 500 },
  );
});

test('a time is read as the same instant, whatever its offset and its digits', () => {
  const instants = fc.date({
    min: new Date('1900-01-01T00:00:00Z'),
    max: new Date('2200-01-01T00:00:00Z'),
    noInvalidDate: true,
  });
  const property = fc.property(
    instants,
    fc.integer({ min: -23 * 60, max: 23 * 60 }),
    fc.integer({ min: 3, max: 9 }),
    (at, offset, digits) => {
      const local = new Date(at.getTime() + offset * 60_000).toISOString();
      const two = (count: number) => String(Math.trunc(Math.abs(count))).padStart(2, '0');
      const zone = `${offset < 0 ? '-' : '+'}${two(offset / 60)}:${two(offset % 60)}`;
      const text = `${local.slice(0, 19)}.${local.slice(20, 23).padEnd(digits, '0')}${zone}`;
      assert.equal(readTime(text), BigInt(at.getTime()) * 1_000_000n);
    },
  );
  fc.assert(property, { numRuns: 500 });
});
