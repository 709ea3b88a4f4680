import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mapPayload, payloadFormats } from './payloads.ts';

const now = Date.parse('2026-11-28T12:00:00Z');

function readings(pack: unknown): string[] | string {
  const text = typeof pack === 'string' ? pack : JSON.stringify(pack);
  const payload = mapPayload(Buffer.from(text), payloadFormats.senmlJson, now);
  return 'refused' in payload ? payload.detail : payload.body.toString().split('\n');
}

test('a pack of now is one reading without a time, with its units beside it', () => {
  assert.deepEqual(readings([{ n: 'urn:dev:ow:10e2073a01080063', u: 'Cel', v: 23.1 }]), [
    '{"urn:dev:ow:10e2073a01080063":23.1,"units":{"urn:dev:ow:10e2073a01080063":"Cel"}}',
  ]);
  assert.deepEqual(
    readings([
      { n: 'door', vb: false },
      { n: 'label', vs: 'x' },
      { n: 'celsius', v: 4 },
    ]),
    ['{"door":false,"label":"x","celsius":4}'],
  );
});

test('records of one time are one reading; base fields go on until they are written anew (RFC 8428 §5.1.3)', () => {
  const pack = [
    { bn: 'dev:', bt: 1_276_020_076.001, bu: 'A', bver: 5, n: 'voltage', u: 'V', v: 120.1 },
    { n: 'current', t: -5, v: 1.2 },
    { n: 'voltage', t: -5, u: 'V', v: 119 },
    { bu: 'B', n: 'current', v: 1.3 },
  ];
  assert.deepEqual(readings(pack), [
    '{"dev:voltage":120.1,"dev:current":1.3,"units":{"dev:voltage":"V","dev:current":"B"},"_time":"2010-06-08T18:01:16.001Z"}',
    '{"dev:current":1.2,"dev:voltage":119,"units":{"dev:current":"A","dev:voltage":"V"},"_time":"2010-06-08T18:01:11.001Z"}',
  ]);
});

test('a time below 2^28 counts from now, backwards too', () => {
  assert.deepEqual(
    readings([
      { n: 'v', t: -60, v: 1 },
      { n: 'v', t: 1.5, v: 2 },
      { n: 'v', v: 3 },
    ]),
    ['{"v":1,"_time":"2026-11-28T11:59:00.000Z"}', '{"v":2,"_time":"2026-11-28T12:00:01.500Z"}', '{"v":3}'],
  );
});

test('base value and value, base sum and sum are added digit for digit', () => {
  assert.deepEqual(readings('[{"bn":"t","bv":0.1,"v":0.2},{"n":"2","v":-0.1},{"n":"3","v":1e2},{"n":"4"}]'), [
    '{"t":0.3,"t2":0,"t3":100.1,"t4":0.1}',
  ]);
  assert.deepEqual(readings('[{"n":"e","bs":9007199254740992,"s":1,"v":5}]'), [
    '{"e":5,"sums":{"e":9007199254740993}}',
  ]);
  assert.deepEqual(readings('[{"n":"e","s":1.50}]'), ['{"sums":{"e":1.50}}'], 'without a base it is as it was written');
});

test('a pack in CBOR is the same readings (RFC 8428 §6)', () => {
  // [{-2: "dev:", -3: 1276020076.001, 0: "voltage", 1: "V", 2: 120.1}, {0: "current", 6: -5, 2: 1.2}]
  const bytes =
    '82a521646465763a22fb41d303a15b00106200 67766f6c74616765 0161 56 02fb405e066666666666 a3 0067 63757272656e74 0624 02fb3ff3333333333333';
  const payload = mapPayload(Buffer.from(bytes.replaceAll(' ', ''), 'hex'), payloadFormats.senmlCbor, now);
  assert.ok('body' in payload, JSON.stringify(payload));
  assert.equal(payload.type, 'application/x-ndjson');
  assert.deepEqual(payload.body.toString().split('\n'), [
    '{"dev:voltage":120.1,"units":{"dev:voltage":"V"},"_time":"2010-06-08T18:01:16.001Z"}',
    '{"dev:current":1.2,"_time":"2010-06-08T18:01:11.001Z"}',
  ]);
});

test('a field that is not known is left out, and refused when it must be understood', () => {
  assert.deepEqual(readings([{ n: 'v', v: 1, ut: 60, color: 'red' }]), ['{"v":1}']);
  assert.match(readings([{ n: 'v', v: 1, color_: 'red' }]) as string, /"color_" is not known/);
});

test('a pack that is none is refused, and said why', () => {
  const rows: [unknown, RegExp][] = [
    [{ n: 'v', v: 1 }, /array of records/],
    [[], /array of records/],
    [[1], /a map of its fields/],
    [[{ bn: 'a', bt: 1 }], /no value/],
    [[{ n: 'v' }], /neither value nor sum/],
    [[{ v: 1 }], /"" is no name/],
    [[{ n: '_id', v: 1 }], /"_id" is no name/],
    [[{ n: 'a b', v: 1 }], /is no name/],
    [[{ bn: 'a'.repeat(100), n: 'b'.repeat(100), v: 1 }], /is no name/],
    [[{ n: 'v', u: 'u'.repeat(129), v: 1 }], /longer than 128/],
    [[{ n: 'v', v: 1, vs: 'x' }], /v and vs/],
    [[{ n: 'v', vd: 'AAAA' }], /data value/],
    [[{ n: 'v', v: '1' }], /"v" is no number/],
    [[{ n: 'v', vb: 1 }], /"vb" is neither/],
    [[{ n: 1, v: 1 }], /"n" is no text/],
    [
      [
        { n: 'v', v: 1 },
        { n: 'v', v: 2 },
      ],
      /"v" stands twice/,
    ],
    [[{ n: 'units', u: 'V', v: 1 }], /"units" stands twice/],
    [[{ bver: 11, n: 'v', v: 1 }], /version 11/],
    [[{ n: 'v', t: 1e300, v: 1 }], /within 60 digits/],
    [[{ n: 'v', t: 1e15, v: 1 }], /none of this calendar/],
    [[{ n: 'v', t: -1e12, v: 1 }], /none of this calendar/],
    ['[{"n":"v","v":1,"v":2}]', /twice/],
    ['[{"n":"v","bv":1,"v":1e99999999}]', /within 60 digits/],
    ['[', /JSON/],
  ];
  for (const [pack, words] of rows) {
    const detail = readings(pack);
    assert.ok(typeof detail === 'string', JSON.stringify(detail));
    assert.match(detail, words);
  }
});
