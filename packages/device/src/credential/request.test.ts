import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { test } from 'node:test';
import { makeKey, makeRequest } from './request.ts';

function byOpenssl(request: Buffer, ...words: string[]): string {
  return execFileSync('openssl', ['req', '-inform', 'DER', ...words], { input: request, stdio: 'pipe' }).toString();
}

test('P1: a key is P-256, in PKCS#8, and another each time', () => {
  const key = makeKey();
  assert.equal(createPrivateKey(key).asymmetricKeyDetails?.namedCurve, 'prime256v1');
  assert.match(key, /^-----BEGIN PRIVATE KEY-----/);
  assert.notEqual(key, makeKey());
});

for (const subject of ['a', 'truck-17.cold', 'x'.repeat(63)]) {
  test(`OpenSSL verifies a request of a subject of ${subject.length} characters`, () => {
    const request = makeRequest(makeKey(), subject);
    assert.equal(byOpenssl(request, '-verify', '-noout', '-subject').trim(), `subject=CN = ${subject}`);
  });
}

test('P1: a request carries the public key and nothing of the private one', () => {
  const key = makeKey();
  const request = makeRequest(key, 'truck-17');
  const secret = Buffer.from(createPrivateKey(key).export({ format: 'jwk' }).d ?? '', 'base64url');
  assert.equal(secret.length, 32);
  assert.equal(request.includes(secret), false);
  assert.match(byOpenssl(request, '-noout', '-text'), /Attributes:\s+\(none\)/);
});

test('requests of many keys all verify', () => {
  for (let count = 0; count < 40; count++) byOpenssl(makeRequest(makeKey(), 'truck-17'), '-verify', '-noout');
});
