import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileReadingSchema } from './reading-schema.ts';
import { formatNames } from './schema-formats.ts';

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

const tree = (keyword: string) => ({
  $defs: {
    node: { [keyword]: ['a', 'b'].map((name) => ({ properties: { [name]: {}, next: { $ref: '#/$defs/node' } } })) },
  },
  $ref: '#/$defs/node',
});
const doubling = (levels: number) => ({
  $ref: '#/$defs/d0',
  $defs: Object.fromEntries(
    Array.from({ length: levels }, (_, level) => {
      const next = level === levels - 1 ? true : { $ref: `#/$defs/d${level + 1}` };
      return [`d${level}`, { anyOf: [next, next] }];
    }),
  ),
});

const wrong: [string, Record<string, unknown>, RegExp][] = [
  ['an unknown keyword', { maximun: 8 }, /unknown keyword: "maximun"/],
  ['an unknown type', { type: 'nummer' }, /must be equal to one of the allowed values/],
  ['an unknown format', { format: 'moonphase' }, /#: format "moonphase" is unknown; must be one of \[date, /],
  [
    'a format that a text can make slow',
    { properties: { u: { format: 'url' } } },
    /#\/properties\/u: format "url" is unknown/,
  ],
  [
    'a schema elsewhere',
    { $ref: 'https://example.org/schema.json' },
    /"\$ref" must be "#" or "#\/\.\.\." to a schema of the same file/,
  ],
  ['a schema of drafts', { $ref: 'http://json-schema.org/draft-07/schema#' }, /"\$ref" must be/],
  ['a reference to what is no schema', { $ref: '#/examples/0', examples: [{ $async: true }] }, /leads to no schema/],
  ['a verdict that is a promise', { $async: true, type: 'object' }, /#: "\$async" is not a keyword that a gate takes/],
  [
    'one within',
    { $defs: { a: { $async: true } }, properties: { t: { $ref: '#/$defs/a' } } },
    /#\/\$defs\/a: "\$async"/,
  ],
  ['one that says it is none', { items: [{ $async: false }] }, /#\/items\/0: "\$async"/],
  [
    'a schema with a name of its own within',
    { properties: { t: { $id: 'https://x.example/' } } },
    /"\$id" may stand at the root/,
  ],
  [
    'a name that a schema would pass over',
    JSON.parse('{"properties":{"__proto__":{"type":"number"}}}'),
    /"__proto__" can not/,
  ],
  ['a choice that leads back to itself', tree('anyOf'), /leads back to itself/],
  ['an exclusive one', tree('oneOf'), /leads back to itself/],
  ['a list of demands that does', tree('allOf'), /leads back to itself/],
  ['a negation that does', { properties: { next: { not: { $ref: '#' } } } }, /leads back to itself/],
  ['a reference to itself', { $ref: '#' }, /leads back to itself/],
  ['references that double thirty times', doubling(30), /applies more than 10000 schemas/],
  ['an expression of any size', { pattern: '([a-z]{1,200}[0-9]){3}' }, /comes to \d+ instructions; at most 1000/],
  ['an expression that needs backtracking', { pattern: '(?=a)b' }, /invalid or unsupported/],
  [
    'a list of any length in a member of that name',
    { properties: { enum: { uniqueItems: true } } },
    /needs "maxItems"/,
  ],
  ['a list of any length without repeats', { properties: { l: { uniqueItems: true } } }, /needs "maxItems" of at most/],
];
for (const [what, schema, words] of wrong) {
  test(`${what} is not a schema that a gate takes`, () => {
    assert.throws(() => compileReadingSchema(schema), words);
  });
}

const taken: [string, Record<string, unknown>][] = [
  ['a member that is called like a keyword', { properties: { uniqueItems: { const: true }, $async: {}, format: {} } }],
  ['a constant that looks like a schema', { const: { uniqueItems: true, $async: true, format: 'moonphase' } }],
  ['examples that do', { examples: [{ $ref: 'https://x.example/' }], default: { $id: 'x' }, enum: [{ $async: true }] }],
  [
    'a schema that is referred to from several places',
    {
      $defs: { t: { type: 'number' }, 'a/b': true },
      properties: { in: { $ref: '#/$defs/t' }, out: { $ref: '#/$defs/t' }, x: { $ref: '#/$defs/a~1b' } },
    },
  ],
  [
    'dependencies of draft 7',
    { $schema: 'http://json-schema.org/draft-07/schema#', dependencies: { a: ['b'], c: { required: ['d'] } } },
  ],
];
for (const [what, schema] of taken) {
  test(`${what} is taken`, () => {
    compileReadingSchema(schema);
  });
}

const inherited: [string, Record<string, unknown>, unknown, string | undefined][] = [
  ['required', { required: ['toString'] }, {}, ''],
  ['required and there', { required: ['toString'] }, { toString: 1 }, undefined],
  ['required, of every object', { required: ['__proto__'] }, {}, ''],
  ['constrained', { properties: { constructor: { type: 'number' } } }, {}, undefined],
  ['constrained and there', { properties: { constructor: { type: 'number' } } }, { constructor: 'a' }, '/constructor'],
  ['named by what depends on it', { dependentRequired: { valueOf: ['t'] } }, {}, undefined],
  ['compared', { properties: { a: { const: { b: 1 } } } }, { a: { valueOf: 1 } }, ''],
  [
    'compared with others',
    { properties: { a: { uniqueItems: true, maxItems: 9 } } },
    { a: [{ toString: 1 }, { toString: 1 }] },
    '',
  ],
];
for (const [what, schema, reading, path] of inherited) {
  test(`P13: a member that every object inherits, ${what}: ${path === undefined ? 'matches' : 'departs'}`, () => {
    assert.equal(compileReadingSchema(schema).mismatchOf(reading)?.path, path);
  });
}

const length = 65_000;
const of = (unit: string) => unit.repeat(length / unit.length);
const coins = Array.from({ length }, (_, index) =>
  (index * index * 2_654_435_761) % 4_294_967_291 > 2 ** 31 ? 'a' : 'b',
).join('');
const letters = Array.from({ length: 20_000 }, (_, index) => String.fromCodePoint(0x4e00 + index)).join('');
const hostile = [
  ...['1', 'a', 'a-', 'a.', '1.', ':', '1:', 't', ' ', '/', '/~0', '%aa', '{a}', 'a:@', 'AAAA\n', 'A', '?'].map(of),
  ...['2026-11-25T10:00:00.', 'a@', 'a://', 'P', 'urn:uuid:', '#', '//'].flatMap((head) => [
    `${head}${of('1')}!`,
    `${head}${of('a.')}"`,
  ]),
  ...[coins, letters],
];
const slowest = 200;
for (const format of formatNames) {
  test(`P13: no text of a device makes the format "${format}" slow`, () => {
    const schema = compileReadingSchema({ properties: { t: { format } } });
    for (const t of hostile) assertFast(() => schema.mismatchOf({ t }), `${t.slice(0, 30)}…`);
  });
}

const patterns = [
  '^(a+)+$',
  '[a-z]{1,200}[0-9]',
  '[ab]*a[ab]{9}[cd]',
  '[ab]*a[ab]{30}[cd]',
  '[ab]*a[ab]{390}[cd]',
  '\\pL*é[\\pL0-9]{90}[0-9]',
  '.*.*=.*[0-9]',
  '(?i)[a-k]\\b.{0,9}!$',
];
for (const pattern of patterns) {
  test(`P13: no text of a device makes the pattern ${pattern} slow`, () => {
    const schema = compileReadingSchema({
      properties: { t: { pattern }, l: { items: { pattern } } },
      patternProperties: { [pattern]: true },
    });
    for (const t of hostile) {
      assertFast(() => schema.mismatchOf({ t }), `${t.slice(0, 30)}…`);
      assertFast(() => schema.mismatchOf({ l: t.match(/.{1,400}/gsu) }), `many of ${t.slice(0, 30)}…`);
      assertFast(() => schema.mismatchOf({ [t]: 1 }), `a name ${t.slice(0, 30)}…`);
    }
  });
}

test('P13: no list of a device makes a search for repeats slow', () => {
  const schema = compileReadingSchema({ properties: { l: { uniqueItems: true, maxItems: 1_000 } } });
  const l = Array.from({ length: 1_000 }, (_, index) => ({ a: [1, 2, 3, 4, index] }));
  assertFast(() => schema.mismatchOf({ l }), 'different ones');
  assert.equal(schema.mismatchOf({ l: [1, 1] })?.path, '/l');
});

test('P13: a text that is too long for a large pattern is refused, not passed over, also under "not"', () => {
  const pattern = '[a-z]{1,200}[0-9]';
  for (const schema of [{ pattern }, { not: { pattern } }, { anyOf: [{ pattern }, true] }]) {
    const compiled = compileReadingSchema({ properties: { t: schema } });
    assert.match(compiled.mismatchOf({ t: of('-') })?.must ?? '', /can not be checked: it has more text than/);
  }
  assert.equal(compileReadingSchema({ properties: { t: { pattern } } }).mismatchOf({ t: 'abc1' }), undefined);
});

/** The first of its kind counts too, unless the machine was busy: then the quickest of three does. */
function assertFast(run: () => unknown, what: string): void {
  let quickest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3 && quickest >= slowest; round++) {
    const begun = performance.now();
    run();
    quickest = Math.min(quickest, performance.now() - begun);
  }
  assert.ok(quickest < slowest, `${what}: ${quickest} ms`);
}
