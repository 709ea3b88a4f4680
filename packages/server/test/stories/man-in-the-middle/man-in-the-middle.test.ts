/** P2, both halves: what an interceptor gets from a strict device, and what he gets with a client that does not verify. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { formatToken, parseToken } from '@portcullis/contract';
import { type Credential, enrol, exchange, Link, makeKey, makeRequest } from '@portcullis/device';
import { z } from 'zod';
import { finished } from '../../../../../tools/commands.ts';
import { House, type Pem, post, readingsUrl } from '../../house.ts';
import { type Forged, forge, intercept } from './interception.ts';

let house: House;
let device: string;
let pem: Pem;

before(async () => {
  house = await House.open();
  device = await house.device('truck-17');
  pem = await house.pem(device);
});
after(() => house?.close());

/** Signed by nobody that the fleet knows: by itself, or by an authority with a name that looks public. */
function foreign(signedBy: 'itself' | 'a public-looking authority'): Forged {
  const folder = mkdtempSync(join(house.home, 'foreign-'));
  const openssl = (...words: string[]) => execFileSync('openssl', words, { cwd: folder, stdio: 'ignore' });
  const leaf = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    'key.pem',
    '-subj',
    '/CN=localhost',
  ];
  const name = ['-addext', 'subjectAltName=DNS:localhost,URI:spiffe://fleet/gate/gate-1'];
  if (signedBy === 'itself') openssl('req', '-x509', ...leaf, ...name, '-days', '1', '-out', 'cert.pem');
  else {
    const subject = '/C=US/O=Internet Security Research Group/CN=ISRG Root X1';
    openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      'ca.key',
      '-subj',
      subject,
      '-days',
      '1',
      '-out',
      'ca.pem',
    );
    openssl('req', ...leaf, ...name, '-out', 'leaf.csr');
    openssl(
      'x509',
      '-req',
      '-in',
      'leaf.csr',
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-days',
      '1',
      '-copy_extensions',
      'copy',
      '-out',
      'cert.pem',
    );
  }
  const read = (file: string) => readFileSync(join(folder, file), 'utf8');
  return { key: read('key.pem'), cert: read('cert.pem') };
}

const day = 86_400_000;
const interceptions: [string, () => Forged | Promise<Forged>][] = [
  ['a self-signed certificate', () => foreign('itself')],
  ['a certificate of a public-looking authority', () => foreign('a public-looking authority')],
  ['a valid device certificate that poses as the gate', async () => ({ key: pem.key, cert: pem.cert })],
  [
    'a server certificate of the device issuer for a device',
    () => forge(house.fleet, { issuer: 'issuer-device', kind: 'device', subject: 'truck-17' }),
  ],
  [
    'an expired certificate of the gate',
    () =>
      forge(house.fleet, {
        issuer: 'issuer-infrastructure',
        kind: 'gate',
        subject: 'gate-1',
        from: -2 * day,
        until: -day,
      }),
  ],
  [
    'the right chain with a wrong name',
    () =>
      forge(house.fleet, {
        issuer: 'issuer-infrastructure',
        kind: 'gate',
        subject: 'gate-1',
        hosts: ['other.example'],
      }),
  ],
  [
    "the authority's role where a gate should be",
    () => forge(house.fleet, { issuer: 'issuer-infrastructure', kind: 'authority', subject: 'authority' }),
  ],
];

for (const [name, forged] of interceptions) {
  test(`P2: a strict device sends nothing to ${name}, and keeps its reading`, async () => {
    const proxy = await intercept(await forged());
    const file = join(device, 'credential.json');
    const credential = readFileSync(file, 'utf8');
    const redirected = {
      ...(JSON.parse(credential) as Credential),
      gates: [`https://localhost:${proxy.port}`],
      // There a device whose gates are gone asks for others: it would find the true one.
      enrolment: 'https://localhost:1',
    };
    writeFileSync(file, JSON.stringify(redirected));
    try {
      writeFileSync(join(house.home, 'one.ndjson'), '{"secret":"cargo"}\n');
      const ended = await finished(
        'portcullis-device',
        'send',
        'telemetry',
        join(house.home, 'one.ndjson'),
        '--json',
        '--wait',
        '1',
        '--device',
        device,
      );
      const summary = JSON.parse(ended.out) as { acknowledged: number; kept: number };
      assert.equal(ended.status, 1);
      assert.equal(summary.acknowledged, 0);
      assert.ok(summary.kept >= 1);
      assert.match(ended.error, /could not be verified/);
      assert.deepEqual(proxy.seen, [], 'no byte of a request went to the interceptor');
    } finally {
      writeFileSync(file, credential);
      proxy.close();
    }
  });
}

test('P8: what was kept arrives once the way is the right one', async () => {
  const ended = await finished('portcullis-device', 'send', 'telemetry', '/dev/null', '--json', '--device', device);
  assert.equal(ended.status, 0, ended.error);
  const stored = await house.json<{ data: { secret?: string } }>('readings', 'telemetry');
  assert.equal(stored.length, interceptions.length);
});

test("P2: a gate's server certificate can not pose as the authority: nothing of a token goes to it", async (context) => {
  const gate = JSON.parse(readFileSync(join(house.fleet, 'gate/credential.json'), 'utf8')) as Credential;
  const link = new Link({ roots: gate.roots, fleet: gate.fleet, role: 'authority', credential: gate });
  const key = makeKey();
  const shape = z.looseObject({ certificate: z.string(), issuer: z.string() });
  const body = { request: makeRequest(key, 'gate-1').toString('base64') };
  const issued = await exchange(link, `${gate.authority}/v1/server-certificates`, body, shape);
  link.close();
  const proxy = await intercept({ key, cert: issued.certificate + issued.issuer });
  context.after(() => proxy.close());
  const token = (await house.portcullis('token', 'create', 'truck-18')).out.trim();
  const stolen = formatToken({ ...parseToken(token), url: `https://localhost:${proxy.port}` });
  await assert.rejects(enrol({ token: stolen, directory: join(house.home, 'truck-18') }), {
    code: 'server_not_verified',
  });
  assert.deepEqual(proxy.seen, []);
});

test('a client that does not verify gives the interceptor its reading; the gate still admits nothing from him', async (context) => {
  const mine = foreign('itself');
  const proxy = await intercept(mine);
  context.after(() => proxy.close());
  const url = `https://localhost:${proxy.port}/v1/streams/telemetry/readings`;
  const careless = { key: pem.key, cert: pem.cert, ['reject' + 'Unauthorized']: false };
  const answer = await post(url, careless, '{"secret":"cargo"}');
  assert.equal(answer.status, 202, 'the careless client believes that it was stored');
  assert.match(Buffer.concat(proxy.seen).toString(), /cargo/);
  const before = (await house.json('readings', 'telemetry')).length;
  const replay = (identity: Partial<Pem>) =>
    post(readingsUrl(house), { ca: pem.ca, ...identity }, '{"secret":"cargo"}');
  await assert.rejects(replay({}), 'without a certificate');
  await assert.rejects(replay(mine), 'with his own');
  await assert.rejects(
    replay({ cert: pem.cert, key: mine.key }),
    "with the device's certificate, whose key he does not have",
  );
  assert.equal((await house.json('readings', 'telemetry')).length, before);
});
