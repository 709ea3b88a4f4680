import assert from 'node:assert/strict';
import { test } from 'node:test';
import { celEnv, parse, plan } from '@bufbuild/cel';
import fc from 'fast-check';
import { requireEvaluable } from './expression-types.ts';

const leaves = ['reading.a', 'reading.b', 'reading.list', 'reading.map.a', 'attributes.site', 'subject.id'];
const constants = ['1', '2u', '1.5', '"a"', 'true', 'null', '[1, "a"]', '{"a": 1}', 'b"a"', 'duration("1s")'];
const binary = ['+', '-', '*', '/', '%', '<', '<=', '>', '>=', '==', '!=', 'in'];
const wrapped = [
  'size(E)',
  'E.size()',
  'int(E)',
  'double(E)',
  'string(E)',
  '!(E)',
  '-(E)',
  'type(E)',
  '(E)[0]',
  '(E).a',
];
const loops = ['E.all(x, x == 1.0)', 'E.exists(x, x == "a")', 'E.map(x, x).size()', 'E.filter(x, x != 2)', 'has(E.a)'];

const expression = fc.letrec<{ any: string }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(...leaves, ...constants),
    fc.tuple(tie('any'), fc.constantFrom(...binary), tie('any')).map(([a, by, b]) => `(${a} ${by} ${b})`),
    fc.tuple(fc.constantFrom(...wrapped), tie('any')).map(([form, inner]) => form.replaceAll('E', inner)),
    fc.tuple(fc.constantFrom(...loops), tie('any')).map(([form, inner]) => form.replace('E', inner)),
  ),
})).any;

const value = fc.oneof(
  fc.constantFrom<unknown>(1, 0.5, -3, 'a', '1', true, false, null),
  fc.constantFrom<unknown>([], [1, 'a'], [true, [1]], new Map([['a', 1]]), new Map([['a', 'b']])),
);
const facts = fc.record({ a: value, b: value, list: value, site: fc.constantFrom(1, 'a', '2', true) });

test('nothing that gives true or false for some reading is refused as if it never could', () => {
  let met = 0;
  fc.assert(
    fc.property(expression, fc.array(facts, { minLength: 4, maxLength: 8 }), (text, readings) => {
      const parsed = parse(text);
      const run = plan(celEnv(), parsed);
      const gives = readings.some(({ site, ...members }) => {
        const reading = new Map<string, unknown>([...Object.entries(members), ['map', new Map([['a', members.a]])]]);
        const attributes = new Map([['site', site]]);
        const subject = new Map([['id', 'truck-17']]);
        return typeof run({ reading, attributes, subject } as never) === 'boolean';
      });
      if (!gives) return;
      met++;
      assert.doesNotThrow(() => requireEvaluable(parsed), text);
    }),
    { numRuns: 3_000 },
  );
  assert.ok(met > 100, `${met} of the expressions gave something`);
});
