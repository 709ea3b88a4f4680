/** Bytes of CBOR and SenML, whatever they are: JSON text of a bounded length, or a refusal with its words; never thrown over. */
import assert from 'node:assert/strict';
import { encode } from 'cbor2';
import fc from 'fast-check';
import { mapPayload, payloadFormats } from './payloads.ts';

const now = Date.parse('2026-11-28T12:00:00Z');
/** What a byte becomes at most: a control character of a text is written with six, a name of SenML with 128, and a unit beside it, for each record. */
const timesMax = 300;

/** Items in a row, each with a head that may lie about what follows: most of what random bytes never get to. */
const itemBytes = fc
  .array(
    fc.oneof(
      fc.constantFrom(0xa1, 0xa2, 0xbf, 0x81, 0x9f, 0xff, 0x61, 0x7f, 0xf4, 0xf6, 0xf7, 0xf9, 0xfa, 0xfb, 0xc1, 0x40),
      fc.constantFrom(0x18, 0x19, 0x1b, 0x3b, 0x5b, 0x7b, 0x9b, 0xbb, 0x20, 0x00, 0x21, 0x02, 0x06, 0x78, 0x98, 0xb8),
      fc.integer({ min: 0, max: 255 }),
    ),
    { maxLength: 120 },
  )
  .map((bytes) => Buffer.from(bytes));

const number = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(1e300, -1e-300, 2 ** 28, 1_276_020_076.001));
const field = fc.oneof(
  number,
  fc.string({ maxLength: 20 }),
  fc.boolean(),
  fc.constant(null),
  fc.constantFrom('a', 'dev:'),
);
const labels = [
  'n',
  'v',
  'vs',
  'vb',
  'u',
  's',
  't',
  'bn',
  'bt',
  'bu',
  'bv',
  'bs',
  'bver',
  'ut',
  'vd',
  'x_',
  '__proto__',
];
const record = fc.dictionary(fc.constantFrom(...labels), field, { maxKeys: 6, noNullPrototype: true });
const pack = fc.array(record, { maxLength: 8 });

function check(bytes: Buffer, format: number): void {
  const mapped = mapPayload(bytes, format, now);
  if ('refused' in mapped) {
    assert.ok(mapped.detail.length > 0 && mapped.detail.length < 400, mapped.detail);
    return;
  }
  assert.ok(mapped.body.length <= timesMax * bytes.length, `${mapped.body.length} of ${bytes.length}`);
  for (const line of mapped.body.toString().split('\n')) {
    const read: unknown = JSON.parse(line);
    if (format !== payloadFormats.cbor) assert.ok(typeof read === 'object' && read !== null && !Array.isArray(read));
  }
}

export const payloadProperties = {
  'any bytes of CBOR are JSON or refused': fc.property(itemBytes, (bytes) => check(bytes, payloadFormats.cbor)),
  'any bytes of SenML in CBOR are readings or refused': fc.property(itemBytes, (bytes) =>
    check(bytes, payloadFormats.senmlCbor),
  ),
  'any pack of SenML in JSON is readings or refused': fc.property(pack, (records) =>
    check(Buffer.from(JSON.stringify(records)), payloadFormats.senmlJson),
  ),
  'any pack of SenML in CBOR is readings or refused': fc.property(pack, (records) =>
    check(Buffer.from(encode(records)), payloadFormats.senmlCbor),
  ),
};
