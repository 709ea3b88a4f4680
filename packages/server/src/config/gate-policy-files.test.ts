import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { GatePolicyFiles } from './gate-policy-files.ts';

const yaml = (streams: string) => `authority: https://localhost:8440
url: https://localhost:8443
listen: { port: 8443 }
streams: ${streams}
`;

class Folder {
  readonly path = mkdtempSync(join(tmpdir(), 'portcullis-policy-'));

  constructor(context: TestContext) {
    context.after(() => rmSync(this.path, { recursive: true, force: true }));
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.path, `${name}.new`), text);
    renameSync(join(this.path, `${name}.new`), join(this.path, name));
  }
}

function folderWith(context: TestContext, streams: string, files: Record<string, string> = {}) {
  const folder = new Folder(context);
  folder.write('gate.yaml', yaml(streams));
  for (const [name, text] of Object.entries(files)) folder.write(name, text);
  return { folder, files: new GatePolicyFiles(folder.path) };
}

test('a stream has what its files hold', async (context) => {
  const { files } = folderWith(context, '{ cold: { schema: cold.json, expectedFrom: expected.ndjson } }', {
    'cold.json': '{"required":["t"]}',
    'expected.ndjson':
      '{"subject":"truck-17","seal":"9f3c","level":{"min":2}}\n\n{"subject":"truck-18","seal":"1"}\n{"subject":"truck-18","seal":"2"}\n',
  });
  const { streams } = await files.load();
  const { schema, expected, kinds } = streams.cold ?? {};
  assert.deepEqual([schema, kinds], [{ required: ['t'] }, ['device']]);
  assert.deepEqual(expected?.of('truck-17'), { seal: '9f3c', level: { min: 2 } });
  assert.equal(expected?.of('truck-18'), 'ambiguous');
  assert.equal(expected?.of('truck-19'), undefined);
  assert.deepEqual(expected?.attributes, ['seal', 'level']);
});

test('J2: the digest changes with whatever decides, and with nothing else', async (context) => {
  const { folder, files } = folderWith(context, '{ cold: { schema: s.json, expectedFrom: e.ndjson } }', {
    's.json': '{}',
    'e.ndjson': '{"subject":"a","seal":1}\n',
  });
  const digests = new Set([(await files.load()).digest]);
  folder.write('gate.yaml', `${yaml('{ cold: { schema: s.json, expectedFrom: e.ndjson } }')}retainDays: 3\n`);
  const same = await files.load();
  assert.ok(digests.has(same.digest));
  assert.deepEqual(same.needRestart, ['retainDays']);
  for (const [name, text] of [
    ['s.json', '{"type":"object"}'],
    ['e.ndjson', '{"subject":"a","seal":2}\n'],
    ['gate.yaml', yaml('{ cold: { kinds: [gateway], schema: s.json, expectedFrom: e.ndjson } }')],
  ] as const) {
    const mark = files.mark();
    folder.write(name, text);
    assert.notEqual(files.mark(), mark, name);
    const { digest } = await files.load();
    assert.ok(!digests.has(digest), name);
    digests.add(digest);
  }
});

const wrong: [string, Record<string, string>, RegExp][] = [
  ['a schema that is not there', { 'e.ndjson': '' }, /s\.json: the file does not exist/],
  ['a file of values that is not there', { 's.json': '{}' }, /e\.ndjson: the file does not exist/],
  ['a schema that is not JSON', { 's.json': '{', 'e.ndjson': '' }, /s\.json: /],
  [
    'a schema that is a list',
    { 's.json': '[]', 'e.ndjson': '' },
    /s\.json: a JSON Schema must be an object or a boolean/,
  ],
  [
    'a line that is not JSON',
    { 's.json': '{}', 'e.ndjson': '\n{"subject":"a","seal":"secret' },
    /e\.ndjson:2: the line is not JSON$/,
  ],
  ['a line without a subject', { 's.json': '{}', 'e.ndjson': '{"seal":"secret"}' }, /e\.ndjson:1: "subject": /],
  [
    'a line that expects nothing',
    { 's.json': '{}', 'e.ndjson': '{"subject":"a"}' },
    /e\.ndjson:1: a line must expect something/,
  ],
  [
    'a value that is none',
    { 's.json': '{}', 'e.ndjson': '{"subject":"a","seal":["secret"]}' },
    /e\.ndjson:1: "seal": must be a string/,
  ],
  [
    'a name that is none',
    { 's.json': '{}', 'e.ndjson': '{"subject":"a","__proto__":"secret","x":1}' },
    /e\.ndjson:1: "__proto__" is not the name/,
  ],
];
for (const [what, texts, words] of wrong) {
  test(`${what} is refused with its place, and no value of it is quoted`, async (context) => {
    const { files } = folderWith(context, '{ cold: { schema: s.json, expectedFrom: e.ndjson } }', texts);
    await assert.rejects(files.load(), (error: Error) => {
      assert.match(error.message, words);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  });
}

test('a file that is written on while it is read is looked at again', async (context) => {
  const { folder, files } = folderWith(context, '{ cold: {} }');
  const before = files.mark();
  folder.write('gate.yaml', yaml('{ cold: { schema: s.json } }'));
  assert.notEqual(files.mark(), before);
  await assert.rejects(files.load());
  const missing = files.mark();
  folder.write('s.json', '{}');
  assert.notEqual(files.mark(), missing, 'a file that was named and missing is looked for');
  await files.load();
});
