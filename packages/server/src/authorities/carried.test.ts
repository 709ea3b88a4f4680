import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { sealFor } from '../keys/keys.ts';
import type { Carried } from './authorities.ts';
import { openCarried, parseJoinRequest, sealCarried } from './authorities.ts';

function asking() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const asked = {
    format: 'portcullis-authority-request-1',
    publicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    hosts: ['b.example.com'],
    listen: { host: '0.0.0.0', apiPort: 8440, enrolmentPort: 8448 },
  };
  const request = parseJoinRequest(Buffer.from(JSON.stringify(asked)));
  return { asked, request, key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })) };
}

const carriedTo = (fingerprint: string, name = 'authority/keys/issuer-device.pem'): Carried => ({
  fleet: 'fleet-1',
  name: 'second' as Carried['name'],
  fingerprint,
  files: [{ name, mode: 0o600, bytes: Buffer.from('a secret').toString('base64') }],
});

test('what is sealed opens with the key that asked, and shows nothing otherwise', () => {
  const { request, key } = asking();
  const answer = sealCarried(request, carriedTo(request.fingerprint));
  assert.deepEqual(openCarried(answer, key, request.fingerprint), carriedTo(request.fingerprint));
  assert.ok(!answer.includes('secret') && !answer.includes(Buffer.from('a secret').toString('base64')));
  assert.notDeepEqual(sealCarried(request, carriedTo(request.fingerprint)), answer);
});

test('another key, another request, and each altered byte open nothing', () => {
  const { request, key } = asking();
  const answer = sealCarried(request, carriedTo(request.fingerprint));
  const refused = { code: 'key_unusable', message: /sealed for another key, for another request, or was altered/ };
  assert.throws(() => openCarried(answer, asking().key, request.fingerprint), refused);
  assert.throws(() => openCarried(answer, key, asking().request.fingerprint), refused);
  const { sealed, format } = JSON.parse(answer.toString()) as { sealed: string; format: string };
  const bytes = Buffer.from(sealed, 'base64');
  for (let at = 0; at < bytes.length; at += 1) {
    const altered = Buffer.from(bytes);
    altered.writeUInt8(altered.readUInt8(at) ^ 1, at);
    const other = Buffer.from(JSON.stringify({ format, sealed: altered.toString('base64') }));
    assert.throws(() => openCarried(other, key, request.fingerprint), { code: 'key_unusable' }, String(at));
  }
});

test('a name that leads out of the directory is refused, also in what was sealed', () => {
  const { request, key } = asking();
  for (const name of ['../x', '/etc/passwd', 'a/../../x', '.ssh/authorized_keys', 'a//b', 'a\\b\n']) {
    const hostile = carriedTo(request.fingerprint, name);
    assert.throws(() => sealCarried(request, hostile), { code: 'file_unusable' }, name);
    // As a program that checks nothing would seal it.
    const plain = Buffer.from(JSON.stringify(hostile));
    const sealed = sealFor(Buffer.from(request.publicKey, 'base64'), plain, request.fingerprint).toString('base64');
    const answer = Buffer.from(JSON.stringify({ format: 'portcullis-authority-answer-1', sealed }));
    assert.throws(() => openCarried(answer, key, request.fingerprint), { code: 'file_unusable' }, name);
  }
});

test('more files than the other machine takes are refused before anything is sealed', () => {
  const { request } = asking();
  const carried = carriedTo(request.fingerprint);
  const files = Array.from({ length: 5_001 }, () => carried.files[0] as Carried['files'][number]);
  assert.throws(() => sealCarried(request, { ...carried, files }), { code: 'file_unusable', message: /files/ });
});

test('what is no request, and a key of another curve, are refused', () => {
  const { asked, request } = asking();
  for (const wrong of [{}, { ...asked, hosts: [] }, { ...asked, more: 1 }, { ...asked, hosts: ['-'.repeat(20_000)] }])
    assert.throws(() => parseJoinRequest(Buffer.from(JSON.stringify(wrong))), { code: 'file_unusable' });
  const spki = (publicKey: { export(how: { type: 'spki'; format: 'der' }): Buffer }) =>
    publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
  for (const publicKey of [
    spki(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey),
    spki(generateKeyPairSync('x25519').publicKey),
    'AAAA',
  ])
    assert.throws(() => sealCarried({ ...request, publicKey }, carriedTo(request.fingerprint)), {
      code: 'key_unusable',
    });
});
