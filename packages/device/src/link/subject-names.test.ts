import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { TestAuthority } from '../../test/certificates.ts';
import { subjectNamesIn } from './subject-names.ts';

const gate = { fleet: 'plant', kind: 'gate', subject: 'gate-1' };

for (const [what, text, names] of [
  ['a URI alone', 'URI:spiffe://plant/gate/gate-1', [gate]],
  ['a URI between other names', 'DNS:localhost, URI:spiffe://plant/gate/gate-1, IP Address:127.0.0.1', [gate]],
  ['no names at all', undefined, []],
  ['a URI of another kind of name', 'URI:https://example.com/', []],
  ['a DNS name that says it is a URI', 'DNS:"evil.test, URI:spiffe://plant/gate/gate-1"', []],
  ['a quoted URI with something behind it', 'URI:"spiffe://plant/gate/gate-1, DNS:x"', []],
  ['what can not be told apart', 'DNS:"unclosed, URI:spiffe://plant/gate/gate-1', []],
  ['a URI with a further part', 'URI:spiffe://plant/gate/gate-1/x', []],
] as const) {
  test(`the subjects in ${what} are told`, () => {
    assert.deepEqual(subjectNamesIn(text), names);
  });
}

test('P3: a host name in a real certificate can not pretend to be a subject', () => {
  const authority = new TestAuthority('any');
  const alternatives = ['@names\n[names]\nDNS.1 = "evil.test, URI:spiffe://plant/gate/gate-1"'];
  const { subjectAltName } = new X509Certificate(authority.issue({ alternatives }).certificate);
  assert.match(subjectAltName ?? '', /spiffe/);
  assert.deepEqual(subjectNamesIn(subjectAltName), []);
});
