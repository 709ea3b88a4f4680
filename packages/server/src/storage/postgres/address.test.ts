import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from './address.ts';

const files: Record<string, string> = {
  pass: '# host:port:database:user:password\nother:5432:*:*:no\ndb.example.com:5432:fleet:ca:with\\:colon\n',
  'root.pem': 'a certificate',
};
const asked: string[] = [];
const readText = (file: string, secret: boolean) => {
  asked.push(`${file} ${secret}`);
  return files[file] as string;
};

test('on a network TLS verifies the server, and the password is in a file that nobody else may read', () => {
  const { client, schema, words } = parseAddress(
    'postgres://ca@db.example.com/fleet?passfile=pass&sslrootcert=root.pem&schema=plant_1',
    readText,
  );
  assert.deepEqual(client, {
    ...{ host: 'db.example.com', port: 5432, user: 'ca', database: 'fleet', password: 'with:colon' },
    ssl: { ca: 'a certificate', rejectUnauthorized: true, minVersion: 'TLSv1.2', servername: 'db.example.com' },
  });
  assert.deepEqual(asked, ['root.pem false', 'pass true']);
  assert.deepEqual([schema, words], ['plant_1', 'fleet at db.example.com:5432, schema plant_1']);
  assert.doesNotMatch(words, /colon/);
});

test('P2: no address on a network goes without TLS; a socket and the own machine do', () => {
  const tlsOf = (url: string) => parseAddress(url, readText).client.ssl;
  for (const url of [
    'postgres://10.0.0.7/fleet',
    'postgres://localhost.example.com/fleet',
    'postgres://[fd00::1]/fleet',
  ])
    assert.equal((tlsOf(url) as { rejectUnauthorized: boolean }).rejectUnauthorized, true, url);
  for (const url of [
    'postgres:///fleet',
    'postgres:///fleet?host=/run/other',
    'postgres://127.0.0.1/fleet',
    'postgres://[::1]:5433/fleet',
  ])
    assert.equal(tlsOf(url), false, url);
});

test('several databases that were one: each is reached by its own host, port and line of the passfile', () => {
  const passfile = 'a.example.com:5432:fleet:ca:one\nb.example.com:5433:fleet:ca:two\n';
  const { client, others, fenced, words } = parseAddress(
    'postgres://ca@a.example.com,b.example.com:5433/fleet?passfile=pass&fencing=external',
    () => passfile,
  );
  const placesOf = [client, ...others].map(({ host, port, password, ssl }) => [
    host,
    port,
    password,
    (ssl as { servername: string }).servername,
  ]);
  assert.deepEqual(placesOf, [
    ['a.example.com', 5432, 'one', 'a.example.com'],
    ['b.example.com', 5433, 'two', 'b.example.com'],
  ]);
  assert.deepEqual([fenced, words], [true, 'fleet at a.example.com:5432 or b.example.com:5433, schema portcullis']);
  assert.equal(parseAddress('postgres://[::1]:5433,127.0.0.1/fleet', readText).others.length, 1);
  const wrong = { code: 'config_invalid', message: '"sink" must name one database' };
  assert.throws(() => parseAddress('postgres://[::1]:5433,127.0.0.1/fleet', readText, 'sink'), wrong);
});

for (const [url, why] of [
  ['postgres://localhost,localhost:5432/fleet', /names one database twice/],
  ['postgres://a,/fleet', /must give each of several databases a host/],
  ['postgres://a,b/fleet?host=/run/other', /must name one database with host=/],
  ['postgres://a:1,b:x/fleet', /with HOST:PORT,HOST:PORT for several/],
  ['postgres://a,b/fleet?fencing=none', /has fencing=none; it may be external/],
  [`postgres://${'abcdefghi'.split('').join(',')}/fleet`, /names 9 databases; it may name 8/],
  ['mysql://localhost/fleet', /must be postgres:/],
  ['postgres://ca:secret@localhost/fleet', /must hold no password; name a file with it: passfile=FILE/],
  ['postgres://localhost', /must name a database/],
  [
    'postgres://localhost/fleet?sslmode=disable',
    /knows no "sslmode"; it may have fencing, host, passfile, schema, sslrootcert/,
  ],
  ['postgres://localhost/fleet?schema=A"b', /has the schema "A"b", which must match/],
  ['postgres://localhost/fleet?passfile=pass', /has a passfile, "pass", without a line for localhost:5432:fleet/],
] as const) {
  test(`an address such as ${url.replace(/\?.*|:secret/g, '…')} is refused, and says why: ${why.source}`, () => {
    assert.throws(() => parseAddress(url, readText), { code: 'config_invalid', message: why });
    assert.throws(
      () => parseAddress(url, readText),
      (error: Error) => !error.message.includes('secret'),
    );
  });
}
