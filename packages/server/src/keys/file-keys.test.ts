import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { KeyAlgorithm } from '@portcullis/contract';
import { keysContract } from './keys.contract.ts';
import { fileKeys, type Keys, openKeys } from './keys.ts';

const passphrase = 'correct horse battery staple';

/** A fleet's directory, with keys as its configuration says. */
function fleetDirectory(after: (end: () => unknown) => void): string {
  const home = mkdtempSync(join(tmpdir(), 'portcullis-keys-'));
  after(() => rmSync(home, { recursive: true, force: true }));
  const directory = join(home, 'fleet');
  mkdirSync(join(directory, 'authority/keys'), { recursive: true });
  writeFileSync(join(home, 'passphrase'), `${passphrase}\n`, { mode: 0o600 });
  return directory;
}

function keysIn(directory: string, passphraseFile?: string, credentials?: string): Keys {
  return openKeys({
    directory,
    keys: { passphraseFile },
    system: { random: randomBytes, monotonic: () => performance.now() },
    credentials,
  });
}

for (const [keeper, passphraseFile] of [
  ['key files', undefined],
  ['encrypted key files', '../passphrase'],
] as const) {
  keysContract({
    keeper,
    algorithms: KeyAlgorithm.options,
    async make(after) {
      const directory = fleetDirectory(after);
      return {
        keys: keysIn(directory, passphraseFile),
        again: async () => keysIn(directory, passphraseFile),
      };
    },
  });
}

test('an encrypted key file is PBES2 by scrypt and AES-256, and OpenSSL opens it with the passphrase alone', async (context) => {
  const directory = fleetDirectory((end) => context.after(end));
  const { publicKey } = await keysIn(directory, '../passphrase').create('root');
  const file = join(directory, 'authority/keys/root.pem');
  const words = execFileSync('openssl', ['asn1parse', '-in', file], { encoding: 'utf8' });
  for (const word of ['PBES2', 'scrypt', 'aes-256-cbc']) assert.ok(words.includes(word), word);
  const opened = (pass: string) =>
    spawnSync('openssl', ['pkey', '-in', file, '-passin', `pass:${pass}`, '-pubout', '-outform', 'DER']);
  assert.ok(publicKey.equals(opened(passphrase).stdout));
  assert.notEqual(opened(`${passphrase}!`).status, 0);
});

test('a key that OpenSSL encrypted is read, whichever of its ways', async (context) => {
  const directory = fleetDirectory((end) => context.after(end));
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const plain = privateKey.export({ type: 'pkcs8', format: 'pem' });
  for (const [name, words] of [
    ['by-scrypt', ['-scrypt']],
    ['by-pbkdf2', ['-v2', 'aes-256-cbc']],
  ] as const) {
    const pem = execFileSync('openssl', ['pkcs8', '-topk8', ...words, '-passout', `pass:${passphrase}`], {
      input: plain,
    });
    writeFileSync(join(directory, `authority/keys/${name}.pem`), pem, { mode: 0o600 });
    const signer = await keysIn(directory, '../passphrase').open(name);
    assert.ok(signer.publicKey.equals(publicHalf(plain)));
  }
});

const publicHalf = (pem: string | Buffer) => {
  const jwk = createPrivateKey(pem).export({ format: 'jwk' });
  return Buffer.concat([
    Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex'),
    Buffer.from(jwk.x as string, 'base64url'),
    Buffer.from(jwk.y as string, 'base64url'),
  ]);
};

test('a key file that can not be used says why, what to do, and nothing of the secret', async (context) => {
  const directory = fleetDirectory((end) => context.after(end));
  const inKeys = (name: string) => join(directory, `authority/keys/${name}.pem`);
  await keysIn(directory, '../passphrase').create('sealed');
  await keysIn(directory).create('plain');
  writeFileSync(join(directory, '../other'), 'another passphrase', { mode: 0o600 });
  writeFileSync(inKeys('damaged'), readFileSync(inKeys('sealed'), 'utf8').replace(/.{8}(?=\n-----END)/, 'AAAAAAAA'), {
    mode: 0o600,
  });
  writeFileSync(inKeys('open'), readFileSync(inKeys('plain')), { mode: 0o640 });
  chmodSync(inKeys('open'), 0o640);
  for (const [name, secret, said] of [
    ['sealed', undefined, /is encrypted; name its passphrase in "keys\.passphraseFile"/],
    ['plain', '../passphrase', /is not encrypted.*openssl pkcs8 -topk8 -scrypt/],
    ['sealed', '../other', /the passphrase is another one, or the file is damaged/],
    ['damaged', '../passphrase', /the passphrase is another one, or the file is damaged/],
    ['open', undefined, /has mode 640; it must be 600/],
  ] as const) {
    await assert.rejects(keysIn(directory, secret).open(name), (error: Error & { code: string }) => {
      assert.equal(error.code, 'key_unusable');
      assert.match(error.message, said);
      assert.ok(!/horse|another pass|BEGIN/.test(`${error.message}${error.cause}`));
      return true;
    });
  }
});

test('a passphrase is one line of a file for its owner alone, or what systemd loaded', async (context) => {
  const directory = fleetDirectory((end) => context.after(end));
  const { publicKey } = await keysIn(directory, '../passphrase').create('issuer');
  const write = (name: string, content: string, mode = 0o600) => {
    writeFileSync(join(directory, '..', name), content);
    chmodSync(join(directory, '..', name), mode);
  };
  mkdirSync(join(directory, '../loaded'));
  // As systemd shows what it loaded for a service that has an account of its own.
  write('loaded/passphrase', passphrase, 0o440);
  write('group', passphrase, 0o640);
  write('two-lines', `${passphrase}\n\n`);
  write('empty', '\n');
  write('long', 'x'.repeat(1_025));
  const signer = await keysIn(directory, 'credential:passphrase', join(directory, '../loaded')).open('issuer');
  assert.ok(signer.publicKey.equals(publicKey));
  for (const [source, said] of [
    ['../group', /has mode 640; it must be 600/],
    ['../two-lines', /must hold one line/],
    ['../empty', /must hold one line/],
    ['../long', /at most 1024 bytes/],
    ['../loaded', /must be a regular file/],
    ['fleet.yaml', /must lie outside of/],
    ['authority/../x/y', /must lie outside of/],
    ['../gone', /can not be read \(ENOENT\)/],
    ['credential:passphrase', /LoadCredential=passphrase:FILE/],
    ['credential:../passphrase', /names no credential/],
  ] as const) {
    await assert.rejects(keysIn(directory, source).open('issuer'), { code: 'key_unusable', message: said });
  }
});

test('a key directory that was made without a passphrase opens as it is', async (context) => {
  const directory = fleetDirectory((end) => context.after(end));
  const made = await fileKeys(join(directory, 'authority/keys')).create('issuer');
  assert.ok((await keysIn(directory).open('issuer')).publicKey.equals(made.publicKey));
});
