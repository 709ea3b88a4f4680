import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PortcullisError } from '@portcullis/contract';
import fc from 'fast-check';
import { decodeAnswer, functions, type Reader, u32, ulong } from './wire.ts';

/** A frame of p11-kit 0.24, which answers the second call, for the list of slots, with two. */
const slots = Buffer.from(
  '00000002000000000000001f000000040000000261750100000002000000000b7b52140000000000000001',
  'hex',
);

test('an answer is read as p11-kit writes it', () => {
  const answer = decodeAnswer('getSlotList', 2, slots);
  assert.ok('values' in answer);
  assert.deepEqual(answer.values.ulongArray(), [192_631_316n, 1n]);
});

test('an answer to another call, of another function or of another shape is none', () => {
  const malformed = { code: 'key_unusable', message: /not one of its protocol/ };
  assert.throws(() => decodeAnswer('getSlotList', 3, slots), malformed);
  assert.throws(() => decodeAnswer('findObjects', 2, slots), malformed);
  assert.throws(() => decodeAnswer('sign', 2, slots), malformed);
});

test("an error is told by its number, as the token's", () => {
  const body = Buffer.concat([u32(0), u32(1), Buffer.from('u'), ulong(0xa0)]);
  const frame = Buffer.concat([u32(7), u32(0), u32(body.length), body]);
  assert.deepEqual(decodeAnswer('login', 7, frame), { error: 0xa0 });
});

test('of any bytes an answer is read to its end, or it is malformed: nothing else is thrown', () => {
  const reads = [
    (reader: Reader) => reader.ulongArray(),
    (reader: Reader) => reader.byteArray(),
    (reader: Reader) => reader.byteAttributes(),
    (reader: Reader) => reader.text(),
  ];
  const [number, , shape] = functions.getSlotList;
  const head = Buffer.concat([u32(number), u32(shape.length), Buffer.from(shape)]);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), (bytes, begins) => {
      const body = Buffer.concat([begins ? head : Buffer.alloc(0), bytes]);
      const frame = Buffer.concat([u32(1), u32(0), u32(body.length), body]);
      for (const read of reads) {
        try {
          const answer = decodeAnswer('getSlotList', 1, frame);
          if ('values' in answer) read(answer.values);
        } catch (error) {
          assert.ok(error instanceof PortcullisError, String(error));
        }
      }
    }),
    { numRuns: 2_000 },
  );
});
