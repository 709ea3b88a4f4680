import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Portion } from './portion.ts';

const mebibyte = 1024 * 1024;

/** Sends as much as the portion says over a link, and ends a request that takes longer than its patience or than the link lasts. */
function carry(bytes: number, link: { bytesPerMs: number; lastsMs?: number }, readingBytes = 100) {
  const portion = new Portion();
  let left = bytes;
  let milliseconds = 0;
  let requests = 0;
  for (; left > 0 && requests < 10_000; requests++) {
    const readings = Math.max(1, Math.floor(portion.bytesMax / readingBytes));
    const sent = Math.min(left, readings * readingBytes);
    const needsMs = 50 + sent / link.bytesPerMs;
    const boundMs = Math.min(portion.patienceMs(sent), link.lastsMs ?? Number.POSITIVE_INFINITY);
    milliseconds += Math.min(needsMs, boundMs);
    if (needsMs > boundMs) portion.failed(sent, boundMs);
    else portion.acknowledged(sent, needsMs);
    if (needsMs <= boundMs) left -= sent;
  }
  return { left, requests, milliseconds, portion };
}

test('a fast link is used in large portions from the fourth request on', () => {
  const { left, requests, portion } = carry(10 * mebibyte, { bytesPerMs: 10_000 });
  assert.equal(left, 0);
  assert.ok(requests < 20, `${requests} requests`);
  assert.equal(portion.bytesMax, mebibyte);
});

for (const bytesPerMs of [0.5, 2, 16]) {
  test(`1 MiB arrives over ${bytesPerMs} KB/s in little more time than it takes`, () => {
    const { left, milliseconds } = carry(mebibyte, { bytesPerMs });
    assert.equal(left, 0);
    assert.ok(milliseconds < 1.3 * (mebibyte / bytesPerMs) + 60_000, `${milliseconds} ms`);
  });
}

test('over 2 KB/s that break every four seconds all arrives, in at most three times its time', () => {
  const { left, milliseconds } = carry(mebibyte, { bytesPerMs: 2, lastsMs: 4_000 });
  assert.equal(left, 0);
  assert.ok(milliseconds < 3 * (mebibyte / 2), `${milliseconds} ms`);
});

test('a reading that alone needs longer than the usual time is given it', () => {
  const { left, requests } = carry(60_000, { bytesPerMs: 0.5 }, 60_000);
  assert.deepEqual([left, requests < 5], [0, true]);
});

test('patience has its bounds, whatever was seen', () => {
  const portion = new Portion();
  assert.equal(portion.patienceMs(mebibyte), 30_000);
  for (let tries = 0; tries < 50; tries++) portion.failed(60_000, 30_000);
  assert.equal(portion.patienceMs(1), 30_000);
  assert.equal(portion.patienceMs(mebibyte), 900_000);
  assert.equal(portion.bytesMax, 1_024);
  portion.acknowledged(1_024, 0);
  assert.equal(portion.patienceMs(mebibyte), 30_000);
});

test('one small reading that passes leaves a large portion as it is', () => {
  const { portion } = carry(10 * mebibyte, { bytesPerMs: 10_000 });
  portion.acknowledged(100, 600);
  assert.equal(portion.bytesMax, mebibyte);
});
