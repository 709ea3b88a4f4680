import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { holdLock } from './lock.ts';

test('P13: a lock writes nothing but who holds it, which may fail: a full disk keeps nobody from a start', (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-lock-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'store.lock');
  const lock = holdLock(file);
  assert.throws(() => holdLock(file, { waitMs: 0 }), {
    code: 'store_locked',
    message: new RegExp(`\\(${process.pid}\\)`),
  });
  assert.deepEqual(readdirSync(directory), ['store.lock', 'store.lock.pid']);
  assert.equal(statSync(file).size, 0);
  lock.release();
  holdLock(file, { waitMs: 0 }).release();
});
