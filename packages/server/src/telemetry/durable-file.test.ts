import assert from 'node:assert/strict';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import files from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createFile, putInPlace, replaceFile } from './durable-file.ts';

function directory(context: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'portcullis-durable-'));
  context.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** What is done to the disk, in the order in which it is done. */
function watched(context: TestContext): string[] {
  const seen: string[] = [];
  const { open, rename, link } = files;
  context.mock.method(files, 'open', async (...[path, ...rest]: Parameters<typeof open>) => {
    const handle = await open(path, ...rest);
    const { sync } = handle;
    handle.sync = () => {
      seen.push(`sync ${path}`);
      return sync.call(handle);
    };
    return handle;
  });
  for (const [name, move] of Object.entries({ rename, link }))
    context.mock.method(files, name as 'rename', (from: string, to: string) => {
      seen.push(`${name} ${to}`);
      return move(from, to);
    });
  syncBuiltinESMExports();
  context.after(() => {
    context.mock.restoreAll();
    syncBuiltinESMExports();
  });
  return seen;
}

test('bytes are on disk before the name is, and the name before it is said', async (context) => {
  const home = directory(context);
  const seen = watched(context);
  const [file, key, place] = [join(home, 'head'), join(home, 'key.pem'), join(home, 'fleet')];
  await replaceFile(file, 'one');
  assert.deepEqual(seen.splice(0), [`sync ${file}.next`, `rename ${file}`, `sync ${home}`]);
  await createFile(key, 'secret');
  assert.deepEqual(seen.splice(0), [`sync ${key}.next`, `link ${key}`, `sync ${home}`]);
  await putInPlace(file, place);
  assert.deepEqual(seen.splice(0), [`rename ${place}`, `sync ${home}`]);
});

test('it is for its owner alone, unless it is said, and what a crash left beside does not matter', async (context) => {
  const home = directory(context);
  const [file, foreign] = [join(home, 'file'), join(home, 'foreign')];
  writeFileSync(foreign, 'mine');
  symlinkSync(foreign, `${file}.next`);
  await replaceFile(file, 'one');
  writeFileSync(`${file}.next`, 'half', { mode: 0o666 });
  await replaceFile(file, 'two');
  assert.deepEqual([readFileSync(file, 'utf8'), statSync(file).mode & 0o777], ['two', 0o600]);
  await replaceFile(file, 'three', 0o644);
  assert.equal(statSync(file).mode & 0o777, 0o644 & ~process.umask());
  assert.equal(readFileSync(foreign, 'utf8'), 'mine');
  assert.deepEqual(readdirSync(home).toSorted(), ['file', 'foreign']);
});

test('what is created anew takes the place of nothing', async (context) => {
  const file = join(directory(context), 'key.pem');
  await createFile(file, 'first');
  await assert.rejects(createFile(file, 'second'), { code: 'EEXIST' });
  assert.equal(readFileSync(file, 'utf8'), 'first');
  assert.ok(!existsSync(`${file}.next`));
});
