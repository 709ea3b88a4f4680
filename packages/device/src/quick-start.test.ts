import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { temporaryDirectory } from '../test/certificates.ts';

const run = promisify(execFile);
const programs = ['../bin/portcullis-device.js', '../../server/bin/portcullis.js'].map((file) =>
  join(import.meta.dirname, file),
);

/** What is kept of a run whose caches go there. */
async function keptBy(program: string, cacheHome: string): Promise<string[]> {
  const { NODE_COMPILE_CACHE: _, ...environment } = process.env;
  const env = { ...environment, XDG_CACHE_HOME: cacheHome };
  const { stdout } = await run(process.execPath, [program, '--help'], { env });
  assert.match(stdout, /portcullis/);
  const own = statSync(join(cacheHome, 'portcullis'), { throwIfNoEntry: false });
  return own ? readdirSync(join(cacheHome, 'portcullis')) : [];
}

for (const program of programs) {
  test(`${program.split('/').at(-1)} keeps compiled code where nobody else can write`, async () => {
    const home = temporaryDirectory();
    assert.equal((await keptBy(program, home)).length, 1);
    assert.equal(statSync(join(home, 'portcullis')).mode & 0o777, 0o700);
  });
}

const [device = ''] = programs;

test('a Node that is too old for any of it is refused in words', async () => {
  const older = 'data:text/javascript,import module from "node:module"; delete module.registerHooks;';
  const { code, stderr } = (await run(process.execPath, ['--import', older, device, '--help']).catch(
    (error: { code: number; stderr: string }) => error,
  )) as { code: number; stderr: string };
  assert.equal(code, 1);
  assert.match(stderr, /^portcullis-device: Node \S+ can not run this; it must be 22\.23 or later [^\n]*\n$/);
});

test('a directory that others may write in is not used: what lies there would be run', async () => {
  const home = temporaryDirectory();
  mkdirSync(join(home, 'portcullis'));
  chmodSync(join(home, 'portcullis'), 0o777);
  assert.deepEqual(await keptBy(device, home), []);
});

test('nor is one that a link leads to', async () => {
  const [home, elsewhere] = [temporaryDirectory(), temporaryDirectory()];
  symlinkSync(elsewhere, join(home, 'portcullis'));
  assert.deepEqual(await keptBy(device, home), []);
});

test('without a place to keep it the program runs as well', async () => {
  const file = join(temporaryDirectory(), 'file');
  writeFileSync(file, '');
  assert.deepEqual(await keptBy(device, file), []);
});

/** Loads all of both programs; prints what each word meant in each module. `first`: what is done before. */
const listing = (first: string) => `
  import module from 'node:module';
  ${first}
  const found = {};
  module.registerHooks({
    resolve(word, context, next) {
      const resolved = next(word, context);
      found[word + ' in ' + context.parentURL] = { url: resolved.url, format: resolved.format };
      return resolved;
    },
  });
  for (const file of ['device/src/main.ts', 'server/src/main.ts', 'server/src/assemble.ts', 'server/src/assemble-gate.ts', 'server/src/assemble-desk.ts'])
    await import(new URL('../../' + file, '${import.meta.url}').href);
  console.log(JSON.stringify(found));`;

test('what is found with less asking is what Node finds: each word of each module means the same file', async () => {
  const quickly = `const { findModules } = await import('@portcullis/device/quick-start'); findModules({ source: true });`;
  const listed = async (first: string, ...options: string[]) => {
    const words = [...options, '--input-type=module', '--eval', listing(first)];
    const { stdout } = await run(process.execPath, words, { cwd: import.meta.dirname, maxBuffer: 64 * 1024 * 1024 });
    return JSON.parse(stdout.slice(stdout.indexOf('{"'))) as Record<string, { url: string; format?: string }>;
  };
  const [ours, nodes] = await Promise.all([listed(quickly), listed('', '--conditions=portcullis-source')]);
  assert.ok(Object.keys(nodes).length > 1_000);
  for (const [word, { url, format }] of Object.entries(ours)) {
    if (url.startsWith('data:')) continue;
    assert.equal(url, nodes[word]?.url, word);
    // Which Node does not always say before it has read the file.
    if (format && nodes[word]?.format) assert.equal(format, nodes[word].format, word);
  }
});
