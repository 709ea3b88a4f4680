import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EnrolmentToken, formatToken, parseToken } from './enrolment.ts';

const token = { url: 'https://localhost:8441', subject: 'truck-1', secret: 'A'.repeat(43), roots: ['AAAA'] };
const read = (keys?: string) => parseToken(formatToken({ ...token, keys } as EnrolmentToken)).keys;

test('a token says what key is made; one of a later version says nothing that this one could make', () => {
  assert.deepEqual([read('ml-dsa-44'), read(), read('ml-dsa-128')], ['ml-dsa-44', undefined, undefined]);
});

test('four roots of ML-DSA-87 fit into a token', () => {
  const roots = Array.from({ length: 4 }, () => Buffer.alloc(7_700).toString('base64'));
  assert.equal(parseToken(formatToken({ ...token, roots } as EnrolmentToken)).roots.length, 4);
});
