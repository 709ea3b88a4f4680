/** Authorities as OpenSSL makes them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { FleetName } from '@portcullis/contract';
import { broughtKey, fileKeys } from '../keys/keys.ts';
import { createSqliteStore } from '../storage/storage.ts';
import { realSystem } from '../telemetry/telemetry.ts';
import { broughtRoot, makeFleet } from './issuance.ts';

const home = mkdtempSync(join(tmpdir(), 'portcullis-brought-'));
after(() => rmSync(home, { recursive: true, force: true }));
const file = (name: string) => join(home, name);
const openssl = (...words: string[]) => execFileSync('openssl', words, { cwd: home, stdio: 'pipe' });

const signs = 'keyUsage=critical,keyCertSign,cRLSign';
const subject = '/C=DE/O=Example AG/CN=Example CA';
const keys: Record<string, string[]> = {
  rsa: ['-newkey', 'rsa:2048'],
  'p-256': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  'p-384': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  ed25519: ['-newkey', 'ed25519'],
};

/** A certificate and its key, in `NAME.pem` and `NAME.key`. */
function authority(name: string, extensions: string[], { key = 'p-256', days = '3700' } = {}): void {
  const words = extensions.flatMap((one) => ['-addext', one]);
  const from = [...(keys[key] as string[]), '-nodes', '-keyout', `${name}.key`, '-out', `${name}.pem`];
  openssl('req', '-x509', ...from, '-days', days, '-subj', subject, ...words);
  chmodSync(file(`${name}.key`), 0o600);
}

const bring = async (certificate: string, key = certificate) =>
  broughtRoot(
    readFileSync(file(`${certificate}.pem`), 'utf8'),
    await broughtKey(file(`${key}.key`), undefined),
    Date.now(),
  );

for (const key of Object.keys(keys)) {
  test(`an authority of ${key} signs the issuers of a fleet, under its own name, and OpenSSL takes the chain`, async () => {
    authority(key, [signs], { key });
    const { root, warnings } = await bring(key);
    assert.deepEqual(warnings, []);
    const fleet = file(`fleet-${key}`);
    mkdirSync(join(fleet, 'keys'), { recursive: true });
    const store = await createSqliteStore(fleet);
    const made = { store, keys: fileKeys(join(fleet, 'keys')), system: realSystem, fleet: FleetName.parse('fleet-1') };
    const { root: pem } = await makeFleet({ ...made, root });
    assert.equal(pem.trim(), readFileSync(file(`${key}.pem`), 'utf8').trim());
    const rows = await store.read((db) => db.selectFrom('issuers').selectAll().where('role', '!=', 'root').execute());
    assert.equal(rows.length, 2);
    for (const { certificate } of rows) {
      writeFileSync(file('issuer.pem'), certificate);
      openssl('verify', '-x509_strict', '-CAfile', `${key}.pem`, 'issuer.pem');
      assert.equal(new X509Certificate(certificate).issuer, 'C=DE\nO=Example AG\nCN=Example CA');
    }
    await store[Symbol.asyncDispose]();
  });
}

test('an authority that may not sign the issuers of a fleet is refused, and it is said why', async () => {
  authority('good', [signs]);
  authority('other', [signs]);
  authority('no-usage', ['keyUsage=critical,cRLSign']);
  authority('silent', ['subjectKeyIdentifier=hash']);
  authority('leaf', ['basicConstraints=critical,CA:false', 'keyUsage=critical,digitalSignature']);
  authority('no-path', ['basicConstraints=critical,CA:true,pathlen:0', signs]);
  authority('soon', [signs], { days: '100' });
  authority('clients', [signs, 'extendedKeyUsage=clientAuth']);
  openssl(
    'req',
    ...(keys['p-256'] as string[]),
    '-nodes',
    '-keyout',
    'below.key',
    '-out',
    'below.csr',
    '-subj',
    '/CN=Below',
  );
  writeFileSync(file('below.cnf'), `basicConstraints=critical,CA:true\n${signs}\n`);
  openssl(
    'x509',
    '-req',
    '-in',
    'below.csr',
    '-CA',
    'good.pem',
    '-CAkey',
    'good.key',
    '-days',
    '3000',
    '-extfile',
    'below.cnf',
    '-out',
    'below.pem',
  );
  chmodSync(file('below.key'), 0o600);
  writeFileSync(file('two.pem'), readFileSync(file('good.pem'), 'utf8') + readFileSync(file('other.pem'), 'utf8'));
  writeFileSync(file('none.pem'), 'nothing');
  for (const [certificate, key, said] of [
    ['good', 'other', /the key is not the one of "Example CA"/],
    ['no-usage', 'no-usage', /may not sign certificates \(key usage: keyCertSign\)/],
    ['silent', 'silent', /may not sign certificates \(key usage: keyCertSign\)/],
    ['leaf', 'leaf', /is of no authority/],
    ['no-path', 'no-path', /path length 0.*must be 1 or more/],
    ['soon', 'soon', /must be good now, and for another year/],
    ['clients', 'clients', /lacks \[serverAuth, emailProtection, documentSigning\]/],
    ['below', 'below', /"Below" is not self-signed/],
    ['two', 'good', /one certificate/],
    ['none', 'good', /one certificate/],
  ] as const) {
    await assert.rejects(bring(certificate, key), { code: 'file_unusable', message: said }, certificate);
  }
});

test('what an authority can not do, or not for long, is told', async () => {
  authority('no-lists', ['keyUsage=critical,keyCertSign', 'nameConstraints=critical,permitted;DNS:example.org'], {
    days: '1500',
  });
  const { warnings } = await bring('no-lists');
  assert.deepEqual(
    warnings.map((one) => /cRLSign|constrains names|ends in 4 years/.exec(one)?.[0]),
    ['cRLSign', 'constrains names', 'ends in 4 years'],
  );
});

test('a key that is brought is in a file of its owner alone, of a kind that signs, and opens with its passphrase', async () => {
  authority('kept', [signs]);
  openssl('ec', '-in', 'kept.key', '-out', 'sec1.key');
  openssl('genrsa', '-out', 'short.key', '1024');
  openssl('pkcs8', '-topk8', '-in', 'kept.key', '-passout', 'pass:secret', '-out', 'sealed.key');
  for (const name of ['sec1', 'short', 'sealed']) chmodSync(file(`${name}.key`), 0o600);
  writeFileSync(file('open.key'), readFileSync(file('kept.key')), { mode: 0o644 });
  chmodSync(file('open.key'), 0o644);
  const { publicKey } = await broughtKey(file('kept.key'), undefined);
  assert.ok((await broughtKey(file('sec1.key'), undefined)).publicKey.equals(publicKey));
  assert.ok((await broughtKey(file('sealed.key'), 'secret')).publicKey.equals(publicKey));
  for (const [name, passphrase, said] of [
    ['short', undefined, /must be of RSA with 2048 bits or more/],
    ['sealed', undefined, /is encrypted; name a file/],
    ['sealed', 'wrong', /does not open with this passphrase/],
    ['open', undefined, /has mode 644; it must be 600/],
    ['gone', undefined, /can not be read \(ENOENT\)/],
  ] as const) {
    await assert.rejects(broughtKey(file(`${name}.key`), passphrase), { code: 'key_unusable', message: said }, name);
  }
});
