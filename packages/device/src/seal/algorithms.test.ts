import assert from 'node:assert/strict';
import { generateKeyPairSync, verify } from 'node:crypto';
import { test } from 'node:test';
import { isSignedBy, signedBytes } from './algorithms.ts';

test('a signature of ES256 holds as Node says, whatever zeros its numbers begin with', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const seen = new Set<string>();
  // Of 256 numbers one begins with a byte of zeros, and half of all need one before them.
  for (let count = 0; count < 3_000; count++) {
    const bytes = Buffer.from(`reading ${count}`);
    const signature = signedBytes('ES256', privateKey, bytes);
    for (const half of [signature.subarray(0, 32), signature.subarray(32)])
      seen.add(half[0] === 0 ? 'shorter' : (half[0] as number) >= 0x80 ? 'longer' : 'usual');
    assert.ok(isSignedBy('ES256', publicKey, bytes, signature), signature.toString('hex'));
  }
  assert.deepEqual([...seen].toSorted(), ['longer', 'shorter', 'usual']);
});

test('what is no signature of ES256 is none here either', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const bytes = Buffer.from('reading');
  const right = signedBytes('ES256', privateKey, bytes);
  const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
  const [r, s, zeros] = [right.subarray(0, 32), right.subarray(32), Buffer.alloc(32)];
  for (const wrong of [Buffer.concat([s, r]), Buffer.alloc(64), Buffer.alloc(64, 0xff)].concat(
    [
      [zeros, s],
      [r, zeros],
      [order, s],
      [r, order],
    ].map((halves) => Buffer.concat(halves)),
  )) {
    assert.equal(isSignedBy('ES256', publicKey, bytes, wrong), false, wrong.toString('hex'));
    const asNodeSays = verify('sha256', bytes, { key: publicKey, dsaEncoding: 'ieee-p1363' }, wrong);
    assert.equal(asNodeSays, false);
  }
});
