import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../test/certificates.ts';
import {
  type Credential,
  credentialFileIn,
  pendingKey,
  readCredential,
  writeCredential,
} from './credential/credential.ts';
import { diskFailure, makeDirectory, replaceFile } from './durable.ts';

const credential = {
  fleet: 'plant',
  subject: 'truck-17',
  kind: 'device',
  key: 'the very secret key',
  certificate: 'leaf',
  issuer: 'issuer',
  roots: 'root',
  bundleVersion: 1,
  renewAfter: '2026-12-01T00:00:00.000Z',
  notAfter: '2026-12-20T00:00:00.000Z',
  gates: ['https://localhost:8443'],
  authority: 'https://localhost:8440',
  enrolment: 'https://localhost:8441',
} as unknown as Credential;

test('a file is replaced whole, for its owner alone, and nothing is left beside it', () => {
  const directory = temporaryDirectory();
  const file = join(directory, 'a.json');
  replaceFile(file, 'one');
  replaceFile(file, 'two');
  assert.equal(readFileSync(file, 'utf8'), 'two');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(directory), ['a.json']);
});

test('what a crash left beside a file does not stop the next writing', () => {
  const file = join(temporaryDirectory(), 'a.json');
  writeFileSync(`${file}.next`, 'torn', { mode: 0o644 });
  replaceFile(file, 'whole');
  assert.equal(readFileSync(file, 'utf8'), 'whole');
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('a directory is made with those above it, for its owner alone', () => {
  const directory = join(temporaryDirectory(), 'a', 'b', 'c');
  makeDirectory(directory);
  makeDirectory(directory);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
});

for (const [what, path, words] of [
  ['a place where the kernel lets nothing be made, below a directory that is there,', '/proc/x', /can not be written/],
  ['a place below it', '/proc/x/y', /can not be written/],
  ['a file in the way', 'file', /a file is in the way/],
  ['a file on the way', 'file/x/y', /a file is in the way/],
  ['a name that is too long', 'x'.repeat(300), /the name is too long/],
] as const) {
  test(`${what} is said, and does not hang`, { skip: path.startsWith('/proc') && process.platform !== 'linux' }, () => {
    const home = temporaryDirectory();
    writeFileSync(join(home, 'file'), '');
    const directory = resolve(home, path);
    assert.throws(() => makeDirectory(directory), { code: 'directory_unusable', message: words });
    assert.deepEqual(readdirSync(home), ['file']);
  });
}

test('a directory that can not be made whole leaves none of those above it', () => {
  const home = temporaryDirectory();
  assert.throws(() => makeDirectory(join(home, 'a', 'b', 'x'.repeat(300))), { code: 'directory_unusable' });
  assert.deepEqual(readdirSync(home), []);
});

test('a full disk is one by its own code, and what is no fault of the disk stays what it is', () => {
  assert.equal(
    (diskFailure(Object.assign(new Error(), { code: 'ENOSPC' }), '/d') as { code: string }).code,
    'disk_full',
  );
  const other = new Error('no such thing');
  assert.equal(diskFailure(other, '/d'), other);
});

test('a credential is one file that is read back as it was written', () => {
  const directory = temporaryDirectory();
  writeCredential(credentialFileIn(directory), credential);
  assert.deepEqual(readCredential(credentialFileIn(directory)), credential);
  assert.deepEqual(readdirSync(directory), ['credential.json']);
});

test('a credential that others may read is refused, with the mode and what it must be', () => {
  const file = credentialFileIn(temporaryDirectory());
  writeCredential(file, credential);
  chmodSync(file, 0o640);
  assert.throws(() => readCredential(file), { code: 'credential_unusable', message: /mode 640; it must be 600/ });
});

for (const [what, content] of [
  ['a torn one', JSON.stringify(credential).slice(0, 200)],
  ['one of another shape', JSON.stringify({ key: credential.key })],
  ['an empty file', ''],
] as const) {
  test(`${what} is refused as a credential, and the key is not shown`, () => {
    const file = credentialFileIn(temporaryDirectory());
    replaceFile(file, content);
    assert.throws(
      () => readCredential(file),
      (error: Error & { code: string }) => {
        assert.equal(error.code, 'credential_unusable');
        assert.doesNotMatch(`${error.stack}${JSON.stringify(error)}`, /secret/);
        return true;
      },
    );
  });
}

test('a missing credential says to enrol first', () => {
  const file = credentialFileIn(temporaryDirectory());
  assert.throws(() => readCredential(file), { code: 'credential_unusable', message: /enrol first/ });
});

test('P1: the pending key is on disk at once, is the same at the next try, and is made anew when it is damaged', () => {
  const directory = temporaryDirectory();
  const file = join(directory, 'pending.json');
  const key = pendingKey(directory);
  assert.ok(existsSync(file));
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(pendingKey(directory), key);
  replaceFile(file, '{"key":');
  assert.notEqual(pendingKey(directory), key);
});
