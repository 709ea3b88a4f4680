import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../test/certificates.ts';
import { makeCredential } from '../../test/gate.ts';
import { credentialFileIn, readCredential, writeCredential } from './credential.ts';
import { exportCredential } from './export.ts';
import { readKeyFile } from './key-file.ts';
import { makeKey } from './request.ts';
import { requireUsableKey } from './self-test.ts';

/** As its file has it: without its TPM it is a name. */
const inTpm = '-----BEGIN TSS2 PRIVATE KEY-----\nMIHwBgZngQUKAQOg\n-----END TSS2 PRIVATE KEY-----\n';

test('a key file is one of a key in a TPM, or refused with what it must be', () => {
  const directory = temporaryDirectory();
  const file = join(directory, 'key.pem');
  for (const [content, why] of [
    [makeKey(), /begin with "-----BEGIN TSS2 PRIVATE KEY-----"/],
    ['', /begin with/],
    [`${inTpm}${'x'.repeat(16_384)}`, /more than 16384 bytes/],
  ] as const) {
    writeFileSync(file, content);
    assert.throws(() => readKeyFile(file), { code: 'key_unusable', message: why });
  }
  assert.throws(() => readKeyFile(join(directory, 'none')), { code: 'key_unusable', message: /ENOENT/ });
  assert.throws(() => readKeyFile(directory), { code: 'key_unusable' });
});

test('P1: a credential with a key in a TPM names its file, also before a confirmation, and neither it nor an export has the key', () => {
  const directory = temporaryDirectory();
  const keyFile = join(directory, 'key.pem');
  writeFileSync(keyFile, inTpm);
  const file = credentialFileIn(directory);
  const { key: _, ...issued } = makeCredential([]);
  const previous = { ...issued, key: inTpm };
  const credential = { ...issued, key: inTpm, keyFile, unconfirmed: true as const, previous };
  writeCredential(file, credential);
  assert.ok(!readFileSync(file, 'utf8').includes('KEY-----'));
  const read = readCredential(file);
  assert.deepEqual([read.key, read.keyFile, read.previous?.key], [inTpm, keyFile, inTpm]);
  exportCredential(read, join(directory, 'pem'));
  assert.deepEqual(readdirSync(join(directory, 'pem')).toSorted(), ['cert.pem', 'root.pem']);
  writeFileSync(keyFile, makeKey());
  assert.throws(() => readCredential(file), { code: 'key_unusable', message: new RegExp(keyFile) });
});

test('a key is tried by a handshake: one on P-256 does, another or one that nobody can use does not', async () => {
  await requireUsableKey(makeKey());
  const other = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  await assert.rejects(requireUsableKey(other as string), { code: 'key_unusable', message: /P-256/ });
  await assert.rejects(requireUsableKey(inTpm), { code: 'key_unusable', message: /OPENSSL_CONF must name a file/ });
});
