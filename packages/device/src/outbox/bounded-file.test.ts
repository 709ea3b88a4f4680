import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../test/certificates.ts';
import { BoundedFile } from './bounded-file.ts';

test('however many lines come, the two generations stay within their bound and hold the newest', () => {
  const kept = new BoundedFile(join(temporaryDirectory(), 'refused.ndjson'), 1_000);
  const dropped = Array.from({ length: 100 }, (_, index) => kept.append(`line ${index} ${'x'.repeat(90)}`));
  assert.equal(dropped.filter(Boolean).length > 0, true);
  for (const file of [kept.file, kept.older]) {
    assert.ok(statSync(file).size <= 1_000, `${file}: ${statSync(file).size}`);
    assert.equal(statSync(file).mode & 0o777, 0o600);
  }
  const lines = (readFileSync(kept.older, 'utf8') + readFileSync(kept.file, 'utf8')).trim().split('\n');
  assert.match(lines.at(-1) ?? '', /^line 99 /);
  assert.equal(lines.length, Number(lines.at(-1)?.split(' ')[1]) - Number(lines[0]?.split(' ')[1]) + 1);
});

test('a line that is larger than the bound is kept all the same, and nothing older for it', () => {
  const kept = new BoundedFile(join(temporaryDirectory(), 'deep', 'bad-lines.txt'), 10);
  assert.equal(kept.append('x'.repeat(50)), false);
  assert.equal(existsSync(kept.older), false);
  assert.equal(kept.append('y'), false);
  assert.equal(kept.append('z'.repeat(50)), true);
  assert.equal(readFileSync(kept.older, 'utf8'), 'y\n');
});
