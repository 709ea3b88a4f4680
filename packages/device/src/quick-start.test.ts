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
