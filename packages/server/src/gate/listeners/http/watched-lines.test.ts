import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unreadBytesMax, WatchedLines } from './watched-lines.ts';

const line = `${'x'.repeat(1_023)}\n`;
const fits = unreadBytesMax / line.length;

test('what there is no room for is counted, and told in its place as soon as half is read', () => {
  const lines = new WatchedLines((dropped) => `${dropped} dropped\n`);
  const added = Array.from({ length: fits + 3 }, () => lines.add(line, 10, 0));
  assert.deepEqual([added.filter(Boolean).length, lines.isBehind], [fits, true]);
  assert.equal(lines.take(0), line.repeat(fits), 'it is not told while nothing was read');
  assert.equal(lines.add(line, 10, unreadBytesMax), false);
  assert.equal(lines.take(unreadBytesMax / 2 + 1), '');
  assert.equal(lines.add(line, 10, 0), false, 'no line comes before the count of those that are missing');
  assert.equal(lines.take(unreadBytesMax / 2), '50 dropped\n');
  assert.equal(lines.isBehind, false);
  assert.equal(lines.add('next\n', 1, 0), true);
  assert.equal(lines.take(0), 'next\n');
});

test('P13: however much is told to one who never reads, what is kept for him is bounded', () => {
  const lines = new WatchedLines((dropped) => `${dropped} dropped\n`);
  let unread = 0;
  for (let times = 0; times < 1_000_000; times++) {
    lines.add(line, 1, unread);
    if (times % 100 === 0) unread += lines.take(unread).length;
  }
  assert.ok(unread <= unreadBytesMax, `${unread} characters`);
});
