import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hybridShare } from './status.ts';

const rows: [Record<string, number> | undefined, string | undefined, string][] = [
  [{ 'post-quantum': 3, classical: 0, unknown: 0 }, '100 %', 'all'],
  [{ 'post-quantum': 999, classical: 1, unknown: 0 }, '99 %', 'all but one are not all'],
  [{ 'post-quantum': 0, classical: 5, unknown: 0 }, '0 %', 'none'],
  [{ 'post-quantum': 1, classical: 1, unknown: 2 }, '25 %', 'what is not known is not hybrid'],
  [{ 'post-quantum': 0, classical: 0, unknown: 0 }, undefined, 'nobody came'],
  [undefined, undefined, 'an older gate does not say'],
];
for (const [handshakes, words, why] of rows) {
  test(`which share of handshakes was hybrid: ${why}`, () => assert.equal(hybridShare(handshakes), words));
}
