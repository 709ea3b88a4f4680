import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isExactNumber } from '@portcullis/contract';
import { encode } from 'cbor2';
import fc from 'fast-check';
import { mapPayload, payloadFormats } from './payloads.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const now = Date.parse('2026-11-28T12:00:00Z');

function mapped(bytes: Buffer, format?: number): string {
  const payload = mapPayload(bytes, format, now);
  return 'refused' in payload ? `${payload.refused}: ${payload.detail}` : payload.body.toString();
}
const ofCbor = (text: string) => mapped(hex(text), payloadFormats.cbor);

test('a reading in CBOR is the JSON text of the same values', () => {
  const rows: [string, string][] = [
    ['a0', '{}'],
    ['a1 67 63656c73697573 f9 cca0', '{"celsius":-18.5}'],
    ['a2 61 61 01 61 62 82 02 03', '{"a":1,"b":[2,3]}'],
    ['bf 61 61 01 61 62 9f 02 03 ff ff', '{"a":1,"b":[2,3]}'],
    ['a3 61 61 f4 61 62 f5 61 63 f6', '{"a":false,"b":true,"c":null}'],
    ['a1 61 61 a1 61 61 01', '{"a":{"a":1}}'],
    ['a1 62 c3bc 64 22 5c 0a 01', '{"ü":"\\"\\\\\\n\\u0001"}'],
    ['a1 61 61 64 f0908591', '{"a":"𐅑"}'],
    ['a1 78 01 61 18 01', '{"a":1}'],
  ];
  for (const [bytes, text] of rows) assert.equal(ofCbor(bytes), text);
});

test('a number keeps its value: integers digit for digit, floats as the shortest decimal', () => {
  // RFC 8949 appendix A.
  const rows: [string, string][] = [
    ['00', '0'],
    ['17', '23'],
    ['18 18', '24'],
    ['1a 000f4240', '1000000'],
    ['1b 0020000000000001', '9007199254740993'],
    ['1b 000000e8d4a51000', '1000000000000'],
    ['1b ffffffffffffffff', '18446744073709551615'],
    ['3b ffffffffffffffff', '-18446744073709551616'],
    ['20', '-1'],
    ['39 03e7', '-1000'],
    ['f9 0000', '0'],
    ['f9 8000', '-0'],
    ['f9 3e00', '1.5'],
    ['f9 7bff', '65504'],
    ['f9 0001', '5.960464477539063e-8'],
    ['f9 0400', '0.00006103515625'],
    ['f9 c400', '-4'],
    ['fa 47c35000', '100000'],
    ['fa 7f7fffff', '3.4028234663852886e+38'],
    ['fa 3dcccccd', '0.10000000149011612'],
    ['fb 3ff199999999999a', '1.1'],
    ['fb 7e37e43c8800759c', '1e+300'],
    ['fb c010666666666666', '-4.1'],
  ];
  for (const [bytes, digits] of rows) assert.equal(ofCbor(`a1 61 76 ${bytes}`), `{"v":${digits}}`);
});

test('any float is read back from its text as it was', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const bytes = Buffer.from('a16176fb0000000000000000', 'hex');
      bytes.writeDoubleBE(value, 4);
      const text = mapped(bytes, payloadFormats.cbor);
      const read = (JSON.parse(text) as { v: number }).v;
      assert.ok(Object.is(read, value) && isExactNumber(text.slice(5, -1)));
    }),
    { seed: 1 },
  );
});

test('what another encoder writes, in as few bytes as it can, is the same value', () => {
  const leaf = fc.oneof(
    ...[fc.boolean(), fc.constant(null), fc.string({ unit: 'grapheme' })],
    ...[fc.maxSafeInteger(), fc.double({ noNaN: true, noDefaultInfinity: true })],
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie('value'), { maxLength: 4 }), tie('object')),
    object: fc.dictionary(fc.string(), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  }));
  fc.assert(
    fc.property(value, (any) => {
      const text = mapped(Buffer.from(encode(any)), payloadFormats.cbor);
      assert.deepEqual(JSON.parse(text), any);
    }),
    { seed: 1, numRuns: 500 },
  );
  const integers = fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n });
  fc.assert(
    fc.property(integers, (any) => {
      assert.equal(mapped(Buffer.from(encode({ v: any })), payloadFormats.cbor), `{"v":${any}}`);
    }),
    { seed: 1 },
  );
});

test('what has no one form in JSON is refused, and named', () => {
  const rows: [string, RegExp][] = [
    ['a1 61 76 f9 7e00', /NaN/],
    ['a1 61 76 fa 7f800000', /Infinity/],
    ['a1 61 76 fb fff0000000000000', /-Infinity/],
    ['a1 61 76 41 00', /byte string/],
    ['a1 61 76 5f 41 00 ff', /byte string|begins no item/],
    ['a1 61 76 c1 1a 514b67b0', /tag 1 /],
    ['c1 a0', /tag 1 /],
    ['a1 61 76 c2 49 010000000000000000', /tag 2 /],
    ['d9d9f7 a0', /tag 55799 /],
    ['a1 61 76 f7', /undefined/],
    ['a1 61 76 f0', /simple value 16 /],
    ['a1 61 76 f8 ff', /simple value 255 /],
    ['a2 61 76 01 61 76 02', /"v" stands twice/],
    ['a1 61 76 a2 61 61 01 61 61 01', /"a" stands twice/],
    ['a1 01 02', /no text/],
    ['a1 41 76 02', /no text/],
    ['a1 f6 02', /no text/],
    ['a1 61 ff 02', /not UTF-8/],
    ['a1 63 eda080 02', /not UTF-8/],
    ['a1 7f 61 61 ff 02', /in chunks/],
    ['a1 61 76 1c', /begins no item/],
    ['a1 61 76 ff', /break/],
    ['bf 61 76 ff', /break/],
    ['a1 61 76', /ends within/],
    ['a1 61 76 1b 00', /ends within/],
    ['bf 61 76 01', /ends within/],
    ['a1 61', /ends within/],
    ['', /ends within/],
    ['a0 00', /1 bytes stand after/],
    ['bb ffffffffffffffff', /ends within/],
    ['9b 7fffffffffffffff', /ends within/],
    ['a1 7b ffffffffffffffff', /ends within/],
    [`a1 61 76 ${'81'.repeat(33)}00`, /nested deeper than 32/],
    ['9f'.repeat(1000), /nested deeper than 32/],
    ['bf6161'.repeat(400), /nested deeper than 32/],
  ];
  for (const [bytes, words] of rows) assert.match(ofCbor(bytes), new RegExp(`^malformed: .*(${words.source})`), bytes);
});

test('JSON is handed on as it is, and is what a payload is without a word', () => {
  const bytes = Buffer.from('{"v": 1.10}');
  for (const format of [undefined, payloadFormats.json]) {
    assert.deepEqual(mapPayload(bytes, format, now), { body: bytes, type: 'application/json' });
  }
});

test('another content format is refused by its number', () => {
  assert.equal(
    mapped(Buffer.from('v'), 0),
    'unknown_format: content format 0 is unknown; must be one of [50, 60, 110, 112]',
  );
});
