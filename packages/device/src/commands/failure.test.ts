import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { PortcullisError } from '@portcullis/contract';
import { z } from 'zod';
import { temporaryDirectory } from '../../test/certificates.ts';
import { failureOf } from './failure.ts';

const home = temporaryDirectory();
const file = join(home, 'file');
writeFileSync(file, '');

function thrown(work: () => unknown): PortcullisError {
  try {
    work();
  } catch (error) {
    return failureOf(error);
  }
  return assert.fail('it did not fail');
}

const disk: [string, () => unknown, RegExp][] = [
  ['a path that is not there', () => readFileSync(join(home, 'none')), /none" can not be used: there is no such file/],
  [
    'a directory for a file',
    () => readFileSync(home),
    /can not be used: it is a directory, and must be a file \(EISDIR\)/,
  ],
  ['a file for a directory', () => readdirSync(file), /file" can not be used: a part of it is a file/],
  ['a file that is there', () => mkdirSync(file), /file" can not be used: it is there already/],
];
for (const [what, work, words] of disk) {
  test(`${what} is named, and what it must be`, () => {
    const failure = thrown(work);
    assert.equal(failure.code, 'file_unusable');
    assert.match(failure.message, words);
  });
}

test('a right that is missing, and a disk that is full', () => {
  const system = (code: string) => Object.assign(new Error(code), { code, syscall: 'open', path: '/d/file' });
  assert.match(failureOf(system('EACCES')).message, /^"\/d\/file" can not be used: this account has no right to it/);
  assert.deepEqual(
    [failureOf(system('ENOSPC')).code, failureOf(system('ENOSPC')).message],
    ['disk_full', 'there is no space for "/d/file" (ENOSPC); make space'],
  );
});

test('a port that is taken is named with its address', async (context) => {
  const server = createServer().listen(0, '127.0.0.1');
  context.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const second = createServer().listen(port, '127.0.0.1');
  const failure = failureOf(await new Promise((resolve) => second.once('error', resolve)));
  assert.deepEqual(
    [failure.code, failure.message.startsWith(`127.0.0.1:${port}: another process`)],
    ['port_taken', true],
  );
});

test('a schema complains about one member by its name', () => {
  const failure = thrown(() => z.object({ a: z.object({ b: z.string() }) }).parse({ a: { b: 1 } }));
  assert.match(failure.message, /^"a\.b": Invalid input: expected string/);
});

test('what was a failure stays it, and what nobody foresaw is internal', () => {
  const own = new PortcullisError('usage', 'x');
  assert.equal(failureOf(own), own);
  assert.deepEqual([failureOf(new Error('odd')).code, failureOf('odd').message], ['internal', 'odd']);
});

test('of what went wrong, and went wrong again while it was closed, the first is told', async () => {
  const closing = async () => {
    await using stack = new AsyncDisposableStack();
    stack.defer(() => {
      throw new Error('closing failed too');
    });
    throw new PortcullisError('disk_full', 'the disk is full');
  };
  const { code, message } = failureOf(await closing().catch((thrown: unknown) => thrown));
  assert.deepEqual([code, message], ['disk_full', 'the disk is full']);
});
