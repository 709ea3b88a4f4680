import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Datagram, parseDatagram, writeDatagram } from './oscore.ts';

const hex = (text: string) => Buffer.from(text, 'hex');
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

test('a message is read as it was written, whatever its options are', () => {
  const option = fc.record(
    { number: fc.integer({ min: 0, max: 65_535 }), value: bytes(400) },
    { noNullPrototype: true },
  );
  const datagrams = fc.record(
    {
      type: fc.integer({ min: 0, max: 3 }),
      messageId: fc.integer({ min: 0, max: 65_535 }),
      token: bytes(8),
      code: fc.integer({ min: 1, max: 255 }),
      options: fc.array(option, { maxLength: 6 }),
      payload: bytes(40),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(datagrams, (datagram: Datagram) => {
      const sorted = datagram.options.toSorted((one, other) => one.number - other.number);
      assert.deepEqual(parseDatagram(writeDatagram(datagram)), { ...datagram, options: sorted });
    }),
    { seed: 1 },
  );
});

test('any bytes are a message or malformed, and none of them throws', () => {
  fc.assert(
    fc.property(bytes(60), (any) => {
      const parsed = parseDatagram(any);
      assert.ok(!('refused' in parsed) || parsed.refused === 'malformed');
    }),
    { seed: 1, numRuns: 2000 },
  );
});

test('what RFC 7252 §3 calls a format error is malformed', () => {
  const rows = {
    '440000': 'no header',
    '04010001': 'version 0',
    c4010001: 'version 3',
    '49010001000000000000000000': 'a token of nine bytes',
    '4401000100': 'a token that ends early',
    '400000010a': 'an empty message that is not empty',
    '40010001ff': 'a marker without a payload',
    '40010001f0': 'an option delta of 15',
    '400100010f': 'an option length of 15',
    '40010001d0': 'a delta that ends early',
    '40010001e000': 'a delta of two bytes that ends early',
    '40010001b2aa': 'a value that ends early',
    '40010001e0ffff': 'a number above 65535',
  };
  for (const [text, what] of Object.entries(rows)) {
    const parsed = parseDatagram(hex(text));
    assert.ok('refused' in parsed && parsed.refused === 'malformed', what);
  }
});
