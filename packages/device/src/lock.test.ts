import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../test/certificates.ts';
import { holdDirectory } from './lock.ts';

const module = JSON.stringify(new URL('./lock.ts', import.meta.url).href);
const node = [process.execPath, '--conditions=portcullis-source', '--input-type=module', '-e'];

/** Another process that holds the directory until it is killed. */
async function holder(directory: string, around: string[] = []) {
  const program = `
    const { holdDirectory } = await import(${module});
    globalThis.lock = holdDirectory(${JSON.stringify(directory)});
    setInterval(() => undefined, 1_000_000);
    console.log('held');`;
  const [file = '', ...words] = [...around, ...node, program];
  const child = spawn(file, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  const side: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => side.push(chunk));
  await once(child.stdout, 'data');
  return { side: () => Buffer.concat(side).toString(), kill: () => killed(child) };
}

async function killed(child: ReturnType<typeof spawn>): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'close');
}

const refusal = { code: 'store_locked', message: /another process uses .*; stop it first/ };

test('a directory that is held is refused, in the same process too, and free once it is let go', () => {
  const directory = temporaryDirectory();
  const lock = holdDirectory(directory);
  assert.throws(() => holdDirectory(directory), refusal);
  lock.close();
  lock.close();
  holdDirectory(directory).close();
});

test('a process that is killed lets go of its directory, and what loads the lock says nothing on standard error', async () => {
  const directory = temporaryDirectory();
  const other = await holder(directory);
  assert.throws(() => holdDirectory(directory), refusal);
  await other.kill();
  assert.equal(other.side(), '');
  holdDirectory(directory).close();
});

const apart = ['unshare', '--net', '--pid', '--fork', '--kill-child=KILL'];
const canSplit = spawnSync(apart[0] as string, [...apart.slice(1), 'true']).status === 0;
const skip = canSplit || process.env.CI === 'true' ? false : 'this needs "unshare" and the right to use it';

test('P8: two containers that share a directory have other networks and process numbers, and the same lock', {
  skip,
}, async () => {
  const directory = temporaryDirectory();
  const other = await holder(directory, apart);
  assert.throws(() => holdDirectory(directory), refusal);
  await other.kill();
  for (const start = performance.now(); ; ) {
    try {
      holdDirectory(directory).close();
      break;
    } catch (error) {
      // The namespace's first process ends a moment after the one that made it.
      if (performance.now() - start > 10_000) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
});

test('P13: holding a directory writes nothing, so that a full disk keeps nobody from sending what waits', () => {
  const directory = temporaryDirectory();
  const lock = holdDirectory(directory);
  assert.deepEqual(readdirSync(directory), ['device.lock']);
  assert.equal(statSync(join(directory, 'device.lock')).size, 0);
  lock.close();
});

test('what can not be locked is said by name', () => {
  assert.throws(() => holdDirectory('/nonexistent/device'), { code: 'credential_unusable', message: /couldn't hold/ });
});
