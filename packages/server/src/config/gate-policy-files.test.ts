import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { PortcullisError } from '@portcullis/contract';
import { GatePolicyFiles } from './gate-policy-files.ts';
import { unreadable } from './regular-file.ts';

const yaml = (streams: string) => `authority: https://localhost:8440
url: https://localhost:8443
listen: { port: 8443 }
streams: ${streams}
`;

/** Stands for a byte that UTF-8 does not have. */
const notText = '<ff>';

class Folder {
  readonly path = mkdtempSync(join(tmpdir(), 'portcullis-policy-'));

  constructor(context: TestContext) {
    context.after(() => rmSync(this.path, { recursive: true, force: true }));
  }

  write(name: string, text: string): void {
    const [before = '', after] = text.split(notText);
    const bytes =
      after === undefined ? before : Buffer.concat([Buffer.from(before), Buffer.of(0xff), Buffer.from(after)]);
    writeFileSync(join(this.path, `${name}.new`), bytes, { mode: 0o600 });
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
    'a name that stands twice',
    { 's.json': '{}', 'e.ndjson': '{"subject":"a","seal":"secret","seal":"x"}' },
    /e\.ndjson:1: the member "seal" stands twice in the same object$/,
  ],
  [
    'one that is written in two ways',
    { 's.json': '{}', 'e.ndjson': '{"subject":"a","seal":"secret \\"{:","s\\u0065al":":"}' },
    /e\.ndjson:1: the member "seal" stands twice in the same object$/,
  ],
  [
    'one that stands twice further in',
    { 's.json': '{}', 'e.ndjson': '{"subject":"a","level":{"min":1,"min":0}}' },
    /e\.ndjson:1: the member "min" stands twice in the same object$/,
  ],
  [
    'a schema with a name that stands twice',
    { 's.json': '{"required":["a"],"required":[]}', 'e.ndjson': '' },
    /s\.json: the member "required" stands twice in the same object$/,
  ],
  [
    'a number that no double holds',
    { 's.json': '{}', 'e.ndjson': '{"subject":"a","iccid":8944110068256270054}' },
    /e\.ndjson:1: a number in it is more exact than a number can be; write it as a string$/,
  ],
  [
    'one in a list, and one of a range',
    {
      's.json': '{}',
      'e.ndjson': '{"subject":"a","iccid":"x"}\n{"subject":"b","n":{"in":[1,0.12345678901234567890]}}',
    },
    /e\.ndjson:2: a number in it is more exact/,
  ],
  [
    'a text with half a character',
    { 's.json': '{}', 'e.ndjson': '{"subject":"a","seal":"secret\\ud800"}' },
    /e\.ndjson:1: a text in it holds half of a surrogate pair/,
  ],
  [
    'a schema with a number that no double holds',
    { 's.json': '{"const":8944110068256270054}', 'e.ndjson': '' },
    /s\.json: the number 8944110068256270054 would be taken as 8944110068256270000; write it as a string$/,
  ],
  [
    'bytes that are no text',
    { 's.json': '{}', 'e.ndjson': `{"subject":"a","seal":"secret${notText}"}` },
    /e\.ndjson: it is not UTF-8$/,
  ],
  [
    'a name that is none',
    { 's.json': '{}', 'e.ndjson': '{"subject":"a","__proto__":"secret","x":1}' },
    /e\.ndjson:1: the member "__proto__" is reserved/,
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

const odd: [string, (path: string) => void, RegExp][] = [
  ['a directory', (path) => mkdirSync(path), /must be a regular file$/],
  ['a named pipe', (path) => void execFileSync('mkfifo', [path]), /must be a regular file$/],
  ['a device', (path) => symlinkSync('/dev/zero', path), /must be a regular file$/],
  ['a link to itself', (path) => symlinkSync(path, path), /must be a regular file that can be read \(ELOOP\)$/],
  ['a file whose bytes can not be read', (path) => symlinkSync('/proc/self/mem', path), /that can be read \(EIO\)$/],
];
for (const [what, make, words] of odd) {
  test(`${what} in the place of a file is refused by name, at once, and is no obstacle for a look`, async (context) => {
    for (const name of ['s.json', 'e.ndjson', 'gate.yaml']) {
      const { folder, files } = folderWith(context, '{ cold: { schema: s.json, expectedFrom: e.ndjson } }', {
        's.json': '{}',
        'e.ndjson': '',
      });
      const path = join(folder.path, name);
      rmSync(path);
      make(path);
      files.mark();
      await assert.rejects(files.load(), (error: PortcullisError) => {
        if (name === 'gate.yaml' && what === 'a link to itself') return error.code === 'fleet_missing';
        assert.match(error.message, words);
        assert.ok(error.message.includes(name));
        return error.code === 'config_invalid';
      });
    }
  });
}

test('a way that leads through a file, and a name that is too long, are marked and refused', async (context) => {
  for (const [name, code] of [
    ['s.json/inner', 'ENOTDIR'],
    ['n'.repeat(300), 'ENAMETOOLONG'],
  ] as const) {
    const { files } = folderWith(context, `{ cold: { schema: ${name} } }`, { 's.json': '{}' });
    assert.match(files.mark(), new RegExp(code));
    await assert.rejects(files.load(), { code: 'config_invalid', message: new RegExp(`\\(${code}\\)$`) });
  }
});

/** An account that owns nothing: the superuser, as whom tests may run, may read everything. */
const nobody = 65_534;

test('a file that its reader may not read is refused by name', async (context) => {
  const { folder, files } = folderWith(context, '{ cold: { schema: s.json } }', { 's.json': '{}' });
  chmodSync(join(folder.path, 's.json'), 0);
  if (process.getuid?.() === 0) {
    for (const path of ['', 'gate.yaml', 's.json']) chownSync(join(folder.path, path), nobody, nobody);
    process.seteuid?.(nobody);
  }
  const refused = { code: 'config_invalid', message: /s\.json: must be a regular .* \(EACCES\)$/ };
  await assert.rejects(files.load(), refused).finally(() => process.seteuid?.(process.getuid?.() ?? 0));
});

test('what may pass by itself is not called invalid, so that a gate reads it again', () => {
  const codeOf = (code: string) => unreadable('s.json', Object.assign(new Error(code), { code })).code;
  assert.deepEqual(['EMFILE', 'ENOMEM', 'ESTALE'].map(codeOf), ['internal', 'internal', 'internal']);
  assert.deepEqual(['ENOENT', 'EACCES', 'EISDIR'].map(codeOf), ['config_invalid', 'config_invalid', 'config_invalid']);
});

test('a byte order mark at the start is none of the text', async (context) => {
  const { folder, files } = folderWith(context, '{ cold: { schema: s.json, expectedFrom: e.ndjson } }', {
    's.json': '\ufeff{"required":["t"]}',
    'e.ndjson': '\ufeff{"subject":"a","seal":1}\n',
  });
  folder.write('gate.yaml', `\ufeff${yaml('{ cold: { schema: s.json, expectedFrom: e.ndjson } }')}`);
  const { streams } = await files.load();
  assert.deepEqual(streams.cold?.schema, { required: ['t'] });
  assert.deepEqual(streams.cold?.expected?.of('a'), { seal: 1 });
});

test('expected values that others may read are a warning, once a file', async (context) => {
  const streams = '{ cold: { expectedFrom: e.ndjson }, warm: { expectedFrom: e.ndjson, schema: s.json } }';
  const { folder, files } = folderWith(context, streams, { 'e.ndjson': '{"subject":"a","seal":1}', 's.json': '{}' });
  chmodSync(join(folder.path, 's.json'), 0o644);
  assert.deepEqual((await files.load()).warnings, []);
  for (const mode of [0o640, 0o604]) {
    chmodSync(join(folder.path, 'e.ndjson'), mode);
    const { warnings } = await files.load();
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /e\.ndjson: group or others may read what is expected/);
  }
});

test('all files that a policy is made of are named', (context) => {
  const { folder, files } = folderWith(
    context,
    '{ a: { schema: s.json, expectedFrom: e.ndjson }, b: { schema: s.json } }',
  );
  assert.deepEqual(
    files.files,
    ['gate.yaml', 's.json', 'e.ndjson'].map((name) => join(folder.path, name)),
  );
});

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

const numbers: [string, string | undefined][] = [
  ['8944501234567890123', '8944501234567890123 would be taken as 8944501234567890000'],
  ['{ min: 0.12345678901234567890 }', '0.12345678901234567890 would be taken as 0.12345678901234568'],
  ['{ in: [a, 9007199254740993] }', '9007199254740993 would be taken as 9007199254740992'],
  ['1e400', '1e400 is more than a number can be'],
  ['0x7000000000000001', '8070450532247928833 would be taken as 8070450532247929000'],
  ['-12345678901234567890', '-12345678901234567890 would be taken as -12345678901234567000'],
  ['"8944501234567890123"', undefined],
  ...['1.10', '.5', '5.', '+7', '0x1F', '0o17', '1e22', '-0'].map((text): [string, undefined] => [text, undefined]),
];
for (const [value, words] of numbers) {
  test(`gate.yaml: ${value} is ${words === undefined ? 'taken' : 'refused, with its line'}`, (context) => {
    const folder = new Folder(context);
    folder.write('gate.yaml', yaml(`\n  cold: { expect: { a: 1 } }\n  warm: { expect: { iccid: ${value} } }`));
    const load = () => new GatePolicyFiles(folder.path);
    if (words === undefined) return void load();
    assert.throws(load, ({ code, message }: PortcullisError) => {
      assert.equal(code, 'config_invalid');
      assert.ok(message.includes(`gate.yaml:6: the number ${words}; write it as a string`), message);
      return true;
    });
  });
}

for (const [key, least] of [
  ['queueReadingsMax', 10_000],
  ['queueBytesMax', 4 * 1024 * 1024],
] as const) {
  test(`a queue that could never take one whole request is refused: ${key} below ${least}`, async (context) => {
    const { folder, files } = folderWith(context, '{ cold: {} }');
    folder.write('gate.yaml', `${yaml('{ cold: {} }')}limits: { ${key}: ${least - 1} }\n`);
    await assert.rejects(files.load(), { code: 'config_invalid', message: new RegExp(`${key}.*${least}`, 's') });
    folder.write('gate.yaml', `${yaml('{ cold: {} }')}limits: { ${key}: ${least} }\n`);
    await files.load();
  });
}
