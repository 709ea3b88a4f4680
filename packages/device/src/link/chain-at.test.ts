import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { makeTestFleet, type TestAuthority } from '../../test/certificates.ts';
import { makeKey, makeRequest } from '../credential/request.ts';
import { complaintAt } from './chain-at.ts';

const { root, infrastructureIssuer: issuer, gate } = makeTestFleet();
const at = Date.now();
const moment = { from: at, until: at };
const read = (pem: string) => new X509Certificate(pem);

/** By OpenSSL, with just these extensions. */
const made = (by: TestAuthority, ...extensions: string[]) =>
  read(by.sign(makeRequest(makeKey(), 'made'), extensions, {}));
const serves = 'extendedKeyUsage = serverAuth';
const complaint = (...chain: X509Certificate[]) => complaintAt(chain, moment);
const usual = [read(gate.certificate), read(issuer.certificate), read(root.certificate)] as const;

test('the chain of a gate is one, at each time at which all of it is valid, and at no other', () => {
  assert.equal(complaint(...usual), undefined);
  const begin = Math.max(...usual.map(({ validFromDate }) => +validFromDate));
  const end = Math.min(...usual.map(({ validToDate }) => +validToDate));
  for (const [from, until, isOne] of [
    [begin, begin, true],
    [end, end, true],
    [0, Number.MAX_SAFE_INTEGER, true],
    [begin - 1, begin - 1, false],
    [end + 1, Number.MAX_SAFE_INTEGER, false],
    [0, begin - 1, false],
  ] as const) {
    assert.equal(complaintAt(usual, { from, until }) === undefined, isOne, `${from} to ${until}`);
  }
});

test('what OpenSSL would refuse whatever the time, in a leaf', () => {
  for (const [extensions, words] of [
    [[serves, '1.2.3.4 = critical, DER:0500'], /extension that is not understood/],
    [[serves, 'nameConstraints = permitted;DNS:a.example'], /extension that is not understood/],
    [[serves, 'keyUsage = critical, keyEncipherment'], /not one of a server/],
    [['extendedKeyUsage = clientAuth'], /not one of a server/],
    [[], /not one of a server/],
    [[serves, 'basicConstraints = critical, CA:true'], /not one of a server/],
  ] as const) {
    assert.match(complaint(made(issuer, ...extensions), usual[1], usual[2]) ?? '', words, extensions.join());
  }
  assert.equal(complaint(made(issuer, serves, '1.2.3.4 = DER:0500'), usual[1], usual[2]), undefined);
});

test('what OpenSSL would refuse whatever the time, in an issuer', () => {
  const authority = 'basicConstraints = critical, CA:true';
  for (const [extensions, words] of [
    [['keyUsage = critical, digitalSignature', authority], /may not sign/],
    [['basicConstraints = critical, CA:false'], /may not sign/],
    [[], /may not sign/],
    [[authority, 'extendedKeyUsage = clientAuth'], /may not sign/],
    [[authority, 'nameConstraints = critical, permitted;DNS:a.example'], /extension that is not understood/],
  ] as const) {
    assert.match(complaint(usual[0], made(root, ...extensions), usual[2]) ?? '', words, extensions.join());
  }
  assert.equal(complaint(usual[0], made(root, authority), usual[2]), undefined);
  const short = made(root, `${authority}, pathlen:0`);
  assert.equal(complaint(usual[0], short, usual[2]), undefined);
  assert.match(complaint(usual[0], usual[1], short, usual[2]) ?? '', /longer than an issuer allows/);
});
