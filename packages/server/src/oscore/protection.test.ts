import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unwrapped, wrapped } from './oscore.ts';
import { numberOf, parseProtection, partialIvOf, writeProtection } from './protection.ts';

const hex = (text: string) => Buffer.from(text, 'hex');

test('the OSCORE option is that of the examples in RFC 8613 §6.3, and is read back', () => {
  const rows: [string, string | undefined, string | undefined, string | undefined][] = [
    ['090525', '05', undefined, '25'],
    ['0900', '00', undefined, ''],
    ['19050544616c656b', '05', '44616c656b', ''],
    ['', undefined, undefined, undefined],
    ['0107', '07', undefined, undefined],
  ];
  for (const [value, iv, context, id] of rows) {
    const [partialIv, kidContext, kid] = [iv, context, id].map((text) => (text === undefined ? undefined : hex(text)));
    assert.equal(writeProtection({ partialIv, kidContext, kid }).toString('hex'), value);
    const parsed = parseProtection(hex(value));
    assert.ok(!('refused' in parsed));
    assert.deepEqual([parsed.partialIv, parsed.kidContext, parsed.kid], [partialIv, kidContext, kid], value);
  }
});

test('an OSCORE option of any other form is malformed', () => {
  const rows = {
    '00': 'a zero without anything',
    '0e000000000000': 'a Partial IV of six bytes',
    '0f00000000000000': 'a Partial IV of seven bytes',
    '2900': 'the first reserved flag',
    '4900': 'the second',
    '8900': 'the third',
    '09': 'a Partial IV that is not there',
    '0a01': 'a Partial IV that ends early',
    '0a000125': 'a Partial IV with a leading zero',
    '1905': 'a kid context without a length',
    '19050544616c65': 'a kid context that ends early',
    '010700': 'bytes after a Partial IV, and no kid',
    '09050102030405060708': 'a kid of eight bytes',
  };
  for (const [value, what] of Object.entries(rows)) {
    const parsed = parseProtection(hex(value));
    assert.ok('refused' in parsed && parsed.refused === 'malformed', what);
  }
});

test('a number has one form, in one to five bytes', () => {
  for (const [number, text] of [
    [0, '00'],
    [1, '01'],
    [255, 'ff'],
    [256, '0100'],
    [65_536, '010000'],
    [2 ** 40 - 1, 'ffffffffff'],
  ] as const) {
    assert.equal(partialIvOf(number).toString('hex'), text);
    assert.equal(numberOf(hex(text)), number);
  }
});

test('an ID context travels as a byte string of CBOR, and nothing else is taken for one', () => {
  for (const length of [0, 8, 16, 23, 24, 40]) {
    const idContext = Buffer.alloc(length, 5);
    assert.deepEqual(unwrapped(wrapped(idContext)), idContext);
  }
  for (const text of ['', '48', '4800', '410000', '5800', '580101', '5818', '6101', '5f4101ff', '37cbf3210017a2d3']) {
    assert.equal(unwrapped(hex(text)), undefined, text);
  }
});
