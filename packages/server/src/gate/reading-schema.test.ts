import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileReadingSchema } from './reading-schema.ts';

const cold = compileReadingSchema({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: {
    temperature: { type: 'number', maximum: 8 },
    box: { type: 'object', properties: { 'a/b': { type: 'integer' } } },
    code: { type: 'string', pattern: '^[A-Z]{2}-[0-9]+$' },
    packed: { type: 'string', format: 'date-time' },
  },
  required: ['temperature'],
  additionalProperties: false,
});

const readings: [string, Record<string, unknown>, string | undefined, string?][] = [
  ['what the schema allows', { temperature: 4, code: 'DE-17', packed: '2026-11-25T10:00:00Z' }, undefined],
  ['a member that is missing', {}, ''],
  ['a member of another type', { temperature: 'cold' }, '/temperature'],
  ['a value over its bound', { temperature: 9 }, '/temperature', 'must be <= 8'],
  ['a member of a member', { temperature: 1, box: { 'a/b': 0.5 } }, '/box/a~1b'],
  ['a text that another pattern would match', { temperature: 1, code: 'https://x' }, '/code'],
  ['no date', { temperature: 1, packed: 'monday' }, '/packed'],
  ['a member that is not named', { temperature: 1, other: 1 }, ''],
];
for (const [what, reading, path, must] of readings) {
  test(`${what}: ${path === undefined ? 'matches' : `departs at "${path}"`}`, () => {
    const mismatch = cold.mismatchOf(reading);
    assert.equal(mismatch?.path, path);
    if (must !== undefined) assert.equal(mismatch?.must, must);
  });
}

test('what was found is what stands at the place, also behind escapes', () => {
  assert.equal(cold.mismatchOf({ temperature: 1, box: { 'a/b': 0.5 } })?.found, 0.5);
});

test('draft 7 is taken where a schema declares it', () => {
  const $schema = 'http://json-schema.org/draft-07/schema#';
  const schema = compileReadingSchema({ $schema, properties: { l: { items: [{ type: 'string' }] } } });
  assert.equal(schema.mismatchOf({ l: [1] })?.path, '/l/0');
});

const wrong: [string, Record<string, unknown>, RegExp][] = [
  ['an unknown keyword', { maximun: 8 }, /unknown keyword: "maximun"/],
  ['an unknown type', { type: 'nummer' }, /must be equal to one of the allowed values/],
  ['an unknown format', { format: 'moonphase' }, /unknown format "moonphase"/],
  ['a schema elsewhere', { $ref: 'https://example.org/schema.json' }, /can't resolve reference/],
  ['an expression that needs backtracking', { pattern: '(?=a)b' }, /invalid or unsupported/],
  ['a list of any length without repeats', { properties: { l: { uniqueItems: true } } }, /needs "maxItems" of at most/],
];
for (const [what, schema, words] of wrong) {
  test(`${what} is not a schema that a gate takes`, () => {
    assert.throws(() => compileReadingSchema(schema), words);
  });
}

test('P13: no text of a device makes a pattern slow', () => {
  const schema = compileReadingSchema({ properties: { t: { pattern: '^(a+)+$' } } });
  const begun = performance.now();
  assert.equal(schema.mismatchOf({ t: `${'a'.repeat(60_000)}b` })?.path, '/t');
  assert.ok(performance.now() - begun < 2_000);
});
