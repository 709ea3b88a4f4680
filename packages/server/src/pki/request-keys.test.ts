/** Keys and forms that OpenSSL makes or Node reads alike, and that no certificate is given for. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { isStrongKey } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { requestWith, skip } from '../../test/openssl-requests.ts';
import { parseRequest } from './pki.ts';

const pemOf = (key: import('node:crypto').KeyObject) => key.export({ format: 'pem', type: 'pkcs8' }) as string;

test('RSA with an exponent below 65537 is refused, and named', { skip }, () => {
  const made = (publicExponent: number) => generateKeyPairSync('rsa', { modulusLength: 2_048, publicExponent });
  const [small, usual] = [made(3), made(65_537)];
  parseRequest(requestWith({ key: pemOf(usual.privateKey) }));
  assert.throws(() => parseRequest(requestWith({ key: pemOf(small.privateKey) })), {
    code: 'key_refused',
    message: /exponent 3; .*odd exponent from 65537 to 2\^32$/,
  });
  assert.deepEqual(
    [small, usual].map(({ publicKey }) => isStrongKey(publicKey)),
    [false, true],
  );
});

test('RSA that takes long to verify is no key for a certificate: above 8192 bits, or with an exponent above 32 bits', () => {
  const rsa = (modulusLength: number, publicExponent: bigint) =>
    isStrongKey({ asymmetricKeyType: 'rsa', asymmetricKeyDetails: { modulusLength, publicExponent } });
  for (const [bits, exponent, isStrong] of [
    [2_047, 65_537n, false],
    [2_048, 65_537n, true],
    [8_192, 2n ** 32n - 1n, true],
    [8_193, 65_537n, false],
    [2_048, 2n ** 32n + 1n, false],
  ] as const)
    assert.equal(rsa(bits, exponent), isStrong, `${bits} bits, ${exponent}`);
});

test('RFC 5480 §2.1.1: a curve that is written out is refused, though it is the same one', { skip }, () => {
  const made = (paramEncoding: 'named' | 'explicit') =>
    generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding });
  parseRequest(requestWith({ key: pemOf(made('named').privateKey) }));
  assert.throws(() => parseRequest(requestWith({ key: pemOf(made('explicit').privateKey) })), {
    code: 'key_refused',
    message: /written out and not named/,
  });
});

test('RFC 2986 §4.1: a request has version 0', () => {
  const request = makeRequest(makeKey(), 'truck-17');
  const version = Buffer.from('020100', 'hex');
  const at = request.indexOf(version);
  assert.ok(at > 0 && at < 12);
  for (const wrong of ['020101', '0201ff']) {
    const other = Buffer.from(request);
    other.set(Buffer.from(wrong, 'hex'), at);
    assert.throws(() => parseRequest(other), { code: 'request_malformed' });
  }
});
