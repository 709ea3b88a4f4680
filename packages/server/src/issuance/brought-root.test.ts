import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { FleetName } from '@portcullis/contract';
import { authorityKeys, openAuthorities, signs } from '../../test/openssl-authority.ts';
import { broughtKey, fileKeys } from '../keys/keys.ts';
import { createSqliteStore } from '../storage/storage.ts';
import { realSystem } from '../telemetry/telemetry.ts';
import { broughtRoot, makeFleet } from './issuance.ts';

const { file, openssl, make: authority } = openAuthorities(after);

const bring = async (certificate: string, key = certificate) =>
  broughtRoot(
    readFileSync(file(`${certificate}.pem`), 'utf8'),
    await broughtKey(file(`${key}.key`), undefined),
    Date.now(),
  );

for (const key of authorityKeys) {
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
  authority('nameless', [signs], { named: '/' });
  authority('no-identifier', [signs, 'subjectKeyIdentifier=none']);
  authority('written-out', [signs], {
    newKey: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-pkeyopt', 'ec_param_enc:explicit'],
  });
  authority('by-pss', [signs], { newKey: ['-newkey', 'rsa:2048', '-sigopt', 'rsa_padding_mode:pss'] });
  authority('policies', [signs, 'policyConstraints=critical,requireExplicitPolicy:0']);
  openssl(
    'req',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
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
    ['silent', 'silent', /has no key usage: an authority has to say keyCertSign/],
    ['nameless', 'nameless', /has no name/],
    ['no-identifier', 'no-identifier', /has no subject key identifier/],
    ['written-out', 'written-out', /has a key whose curve is written out and not named/],
    ['by-pss', 'by-pss', /is signed by an algorithm that devices do not take \(1\.2\.840\.113549\.1\.1\.10\)/],
    ['policies', 'policies', /critical extensions .*\[2\.5\.29\.36\]/],
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

test('an authority without a common name is called by all of its name, on one line', async () => {
  authority('parts', [signs], { named: '/C=DE/O=Example AG/OU=Trust' });
  assert.equal((await bring('parts')).root.name, 'C=DE, O=Example AG, OU=Trust');
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
  openssl('genrsa', '-3', '-out', 'small.key', '2048');
  openssl('pkcs8', '-topk8', '-in', 'kept.key', '-passout', 'pass:secret', '-out', 'sealed.key');
  for (const name of ['sec1', 'short', 'small', 'sealed']) chmodSync(file(`${name}.key`), 0o600);
  writeFileSync(file('open.key'), readFileSync(file('kept.key')), { mode: 0o644 });
  chmodSync(file('open.key'), 0o644);
  const { publicKey } = await broughtKey(file('kept.key'), undefined);
  assert.ok((await broughtKey(file('sec1.key'), undefined)).publicKey.equals(publicKey));
  assert.ok((await broughtKey(file('sealed.key'), 'secret')).publicKey.equals(publicKey));
  for (const [name, passphrase, said] of [
    ['short', undefined, /must be of RSA with 2048 bits or more/],
    ['small', undefined, /must be of RSA .* an odd exponent from 65537 on/],
    ['sealed', undefined, /is encrypted; name a file/],
    ['kept', 'secret', /is not encrypted, and a passphrase is given/],
    ['sealed', 'wrong', /does not open with this passphrase/],
    ['open', undefined, /has mode 644; it must be 600/],
    ['gone', undefined, /can not be read \(ENOENT\)/],
  ] as const) {
    await assert.rejects(broughtKey(file(`${name}.key`), passphrase), { code: 'key_unusable', message: said }, name);
  }
});
