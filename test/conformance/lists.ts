/** Lists of revoked certificates and answers about them, read by programs that we did not write: the good one is taken, the revoked and the suspended one found. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { createServer, request as httpsRequest, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { enrol } from '@portcullis/device';
import { eventually } from '../../packages/server/test/house.ts';
import { succeeded } from '../../tools/commands.ts';
import { type House, openHouse, skippedWithout } from './house.ts';

const env = { ...process.env, PATH: `/usr/sbin:${process.env.PATH}` };
const here = (...[program, ...words]: string[]) => spawnSync(program as string, words, { env }).error === undefined;
const needed = ['openssl', 'curl', 'nginx', 'haproxy', 'certtool', 'ocsptool', 'crlutil', 'certutil', 'pki'];
const skip = skippedWithout(
  needed.every((program) => here(program, '--version')),
  'openssl, curl, nginx, haproxy, certtool, crlutil and pki (Debian: nginx-light, haproxy, gnutls-bin, libnss3-tools, strongswan-pki)',
);

/** Each device, and what its certificate's standing is. */
const devices = { good: 'truck-1', revoked: 'truck-2', suspended: 'truck-3', resumed: 'truck-4' } as const;
type Who = keyof typeof devices;
const cut: readonly Who[] = ['revoked', 'suspended'];
const everybody = Object.keys(devices) as Who[];

let house: House;
const servers: ChildProcess[] = [];
let own: Server | undefined;
const file = (...names: string[]) => join(house.directory, ...names);
const pem = (who: Who, name: string) => file(devices[who], 'pem', name);
const url = (path: string) => `http://localhost:${house.basePort + 9}${path}`;

/** What openssl is asked for, about a certificate of this issuer. */
const question = (issuer: string) => ['ocsp', '-issuer', issuer, '-url', url('/ocsp')];
const trusted = () => ['-CAfile', file('export', 'issuers.pem')];

/** What a program says, on both of its ways out. */
function said(program: string, ...words: string[]): string {
  const { stdout, stderr, error } = spawnSync(program, words, { env, encoding: 'utf8', timeout: 60_000 });
  if (error) throw error;
  return `${stdout}${stderr}`;
}

async function fetched(path: string, headers: Record<string, string> = {}, method = 'GET') {
  const sent = get(url(path), { headers, method, agent: false });
  const [answer] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
  const pieces: Buffer[] = [];
  for await (const piece of answer) pieces.push(piece as Buffer);
  return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(pieces) };
}

before(async () => {
  if (skip !== false) return;
  house = await openHouse(undefined, '--public-name', 'localhost');
  for (const who of everybody) {
    const token = await house.portcullis('token', 'create', devices[who]);
    await enrol({ token: token.trim(), directory: file(devices[who]) });
    await succeeded('portcullis-device', 'export', file(devices[who], 'pem'), '--device', file(devices[who]));
    // The leaf alone, as programs take it that read one certificate of a file.
    writeFileSync(
      pem(who, 'leaf.pem'),
      `${readFileSync(pem(who, 'cert.pem'), 'utf8').split('-----END CERTIFICATE-----')[0]}-----END CERTIFICATE-----\n`,
    );
  }
  for (const who of ['suspended', 'resumed'] as const) await house.portcullis('certificate', 'suspend', devices[who]);
  await house.portcullis('certificate', 'resume', devices.resumed);
  const cutWords = ['certificate', 'revoke', devices.revoked, '--reason-code', 'keyCompromise', '--wait-public'];
  const told = await house.portcullis(...cutWords);
  assert.match(told, /^ {2}desk-1: tells strangers by it after \d+ ms$/m);
  writeFileSync(file('issuer.cer'), (await fetched('/ca/issuer-device.cer')).body);
  said('openssl', 'x509', '-in', file('issuer.cer'), '-inform', 'DER', '-out', file('issuer.pem'));
  // Before any list has it, and at once.
  const words = ['-CAfile', file('fleet', 'root.pem'), '-cert', pem('revoked', 'leaf.pem')];
  assert.match(said('openssl', ...question(file('issuer.pem')), ...words), /leaf\.pem: revoked/);
  const entries = async () => {
    const lines = await house.portcullis('revocation', 'list', '--json');
    const lists = lines.split('\n').map((line) => JSON.parse(line) as { issuer: string; list: { entries: number } });
    return lists.find(({ issuer }) => issuer === 'issuer-device')?.list.entries;
  };
  await eventually(async () => (await entries()) === cut.length, 'both are on the list');
  await house.portcullis('revocation', 'export', file('export'));
  const published = async () => (await fetched('/crl/issuer-device.crl')).body;
  const exported = () => said('openssl', 'crl', '-inform', 'DER', '-in', file('device.crl'), '-noout', '-text');
  await eventually(async () => {
    writeFileSync(file('device.crl'), await published());
    return (exported().match(/Serial Number/g) ?? []).length === cut.length;
  }, 'the desk has that list');
});
after(async () => {
  for (const server of servers) server.kill();
  own?.close();
  await house?.[Symbol.asyncDispose]();
});

test('a desk gives lists and issuers as caches and readers want them', { skip }, async () => {
  const list = await fetched('/crl/issuer-device.crl');
  assert.equal(list.status, 200);
  assert.equal(list.headers['content-type'], 'application/pkix-crl');
  assert.equal(Number(list.headers['content-length']), list.body.length);
  assert.equal(list.headers['transfer-encoding'], undefined);
  assert.match(list.headers['cache-control'] ?? '', /^public, max-age=\d+$/);
  const etag = list.headers.etag as string;
  assert.equal((await fetched('/crl/issuer-device.crl', { 'if-none-match': etag })).status, 304);
  const since = list.headers['last-modified'] as string;
  assert.equal((await fetched('/crl/issuer-device.crl', { 'if-modified-since': since })).status, 304);
  const head = await fetched('/crl/issuer-device.crl', {}, 'HEAD');
  assert.deepEqual([head.status, head.body.length, head.headers.etag], [200, 0, etag]);
  const issuer = await fetched('/ca/issuer-device.cer');
  assert.equal(issuer.headers['content-type'], 'application/pkix-cert');
  writeFileSync(file('issuer.cer'), issuer.body);
  assert.match(said('openssl', 'x509', '-in', file('issuer.cer'), '-noout', '-subject'), /device issuer/);
  assert.equal((await fetched('/crl/../fleet.yaml')).status, 404);
  assert.equal((await fetched('/crl/issuer-device.crl', {}, 'POST')).status, 405);
  assert.equal((await fetched('/crl/issuer-device.crl?x=1')).status, 400);
});

test('certificates name their list and their issuer, by name', { skip }, () => {
  const leaf = said('openssl', 'x509', '-in', pem('good', 'leaf.pem'), '-noout', '-text');
  assert.ok(leaf.includes(`URI:${url('/crl/issuer-device.crl')}`), leaf);
  assert.ok(leaf.includes(`CA Issuers - URI:${url('/ca/issuer-device.cer')}`));
  const issuer = said('openssl', 'x509', '-in', file('issuer.cer'), '-noout', '-text');
  assert.ok(issuer.includes(`URI:${url('/crl/root.crl')}`) && issuer.includes(`URI:${url('/ca/root.cer')}`));
});

for (const who of everybody) {
  const isCut = cut.includes(who);
  test(`openssl verify, strict and of the whole chain: ${who}`, { skip }, () => {
    const words = ['verify', '-x509_strict', '-crl_check_all', '-purpose', 'sslclient'];
    const files = ['-CAfile', file('export', 'issuers.pem'), '-CRLfile', file('export', 'lists.pem')];
    const told = said('openssl', ...words, ...files, pem(who, 'leaf.pem'));
    assert.match(told, isCut ? /error 23 at 0 depth lookup: certificate revoked/ : /: OK/);
  });

  test(`GnuTLS certtool: ${who}`, { skip }, () => {
    const words = [
      '--verify',
      '--load-ca-certificate',
      file('fleet', 'root.pem'),
      '--load-crl',
      file('export', 'lists.pem'),
    ];
    const chain = file(`${who}-chain.pem`);
    writeFileSync(chain, readFileSync(pem(who, 'cert.pem'), 'utf8') + readFileSync(file('fleet', 'root.pem'), 'utf8'));
    const told = said('certtool', ...words, '--infile', chain);
    assert.match(told, isCut ? /revoked/i : /Chain verification output: Verified\. The certificate is trusted/);
  });

  test(`strongSwan pki --verify with lists that are fetched: ${who}`, { skip }, () => {
    const cas = ['--cacert', file('fleet', 'root.pem'), '--cacert', file('issuer.cer')];
    const told = said('pki', '--verify', '--online', '--in', pem(who, 'leaf.pem'), ...cas);
    assert.match(
      told,
      isCut ? /certificate was revoked on/ : /certificate trusted, lifetimes valid, certificate not revoked/,
    );
  });

  const standing = { good: 'good', revoked: 'revoked', suspended: 'revoked', resumed: 'good' }[who];
  test(`openssl ocsp, with the hash of old and a newer one: ${who}`, { skip }, () => {
    for (const hash of ['-sha1', '-sha256']) {
      const told = said('openssl', ...question(file('issuer.pem')), ...trusted(), hash, '-cert', pem(who, 'leaf.pem'));
      assert.match(told, /Response verify OK/);
      assert.match(told, new RegExp(`leaf.pem: ${standing}\n`));
      if (who === 'suspended') assert.match(told, /Reason: certificateHold/);
      if (who === 'revoked') assert.match(told, /Reason: keyCompromise/);
    }
  });

  test(`GnuTLS ocsptool: ${who}`, { skip }, () => {
    const files = [
      '--load-issuer',
      file('issuer.pem'),
      '--load-cert',
      pem(who, 'leaf.pem'),
      '--load-trust',
      file('export', 'issuers.pem'),
    ];
    const told = said('ocsptool', `--ask=${url('/ocsp')}`, '--nonce', ...files);
    assert.match(told, /Verifying OCSP Response: Success/);
    assert.match(told, new RegExp(`Certificate Status: ${standing}`));
  });

  test(`NSS certutil: ${who}`, { skip }, () => {
    const database = file(`nss-${who}`);
    mkdirSync(database);
    const nss = (program: string, ...words: string[]) => said(program, ...words, '-d', `sql:${database}`);
    writeFileSync(file('empty'), '\n');
    nss('certutil', '-N', '--empty-password');
    nss('certutil', '-A', '-n', 'root', '-t', 'TC,,', '-a', '-i', file('fleet', 'root.pem'));
    nss('certutil', '-A', '-n', 'issuer', '-t', ',,', '-i', file('issuer.cer'));
    nss('certutil', '-A', '-n', 'leaf', '-t', ',,', '-a', '-i', pem(who, 'leaf.pem'));
    assert.doesNotMatch(nss('crlutil', '-I', '-B', '-i', file('device.crl')), /error/i);
    const told = nss('certutil', '-V', '-n', 'leaf', '-u', 'C', '-e');
    assert.match(told, isCut ? /revoked/i : /certificate is valid/);
  });

  test(`nginx with ssl_crl and with ssl_ocsp, HAProxy with crl-file, and Node with crl: ${who}`, { skip }, async () => {
    for (const [name, port] of Object.entries(await fronts())) {
      const told = await askedAs(who, port);
      assert.equal(told, isCut ? 'refused' : 'taken', name);
    }
  });
}

test('what was never issued is revoked, and what is no question is refused as RFC 6960 has it', { skip }, async () => {
  assert.match(
    said('openssl', ...question(file('issuer.pem')), ...trusted(), '-serial', '0x4711'),
    /0x4711: revoked\s.*1970/s,
  );
  const other = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-subj',
    '/CN=other',
  ];
  said('openssl', ...other, '-keyout', file('other.key'), '-out', file('other.pem'));
  assert.match(said('openssl', ...question(file('other.pem')), '-serial', '1'), /unauthorized \(6\)/);
  const asked = (body: string, type: string) =>
    fetch(url('/ocsp'), { method: 'POST', body, headers: { 'content-type': type } });
  const malformed = await asked('no question', 'application/ocsp-request');
  assert.deepEqual(
    [malformed.status, [...new Uint8Array(await malformed.arrayBuffer())]],
    [200, [0x30, 3, 0x0a, 1, 1]],
  );
  assert.equal((await asked('no question', 'text/plain')).status, 415);
  assert.ok((await asked('x'.repeat(200_000), 'application/ocsp-request')).status >= 400);
});

const java = here('java', '--version') && here('javac', '--version');
if (!java)
  process.stderr.write('Java judges nothing here: it needs a JDK (Debian: default-jdk-headless), and CI has none\n');
test('Java PKIX, with lists that are fetched and by OCSP, of the whole chain', {
  skip: skip || (java ? false : 'needs a JDK (Debian: default-jdk-headless)'),
}, () => {
  const program = join(import.meta.dirname, 'pkix', 'Pkix.java');
  const leaves = everybody.map((who) => pem(who, 'leaf.pem'));
  const told = said('java', '-Xshare:auto', program, file('fleet', 'root.pem'), file('issuer.pem'), ...leaves);
  for (const who of everybody)
    for (const way of ['OCSP', 'list']) {
      const begun = `${way} ${pem(who, 'leaf.pem')} `;
      const verdict = told.split('\n').find((line) => line.startsWith(begun)) ?? told;
      assert.match(verdict.slice(begun.length), cut.includes(who) ? /^REVOKED at 0: / : /^taken$/, `${way} ${who}`);
    }
});

test('curl with --crlfile takes a desk whose certificate is good, and not once it is revoked', { skip }, async () => {
  const ask = () => {
    const trust = ['--cacert', file('export', 'issuers.pem'), '--crlfile', file('export', 'lists.pem')];
    return said(
      'curl',
      '-sS',
      '-o',
      file('answer'),
      '-w',
      '%{http_code} ',
      ...trust,
      `https://localhost:${house.basePort + 2}/`,
    );
  };
  assert.match(ask(), /^404 $/);
  await house.portcullis('certificate', 'revoke', 'desk-1');
  await eventually(async () => {
    await house.portcullis('revocation', 'export', file('export'));
    return /^000 curl: \(60\).*certificate revoked/.test(ask());
  }, 'the list has it, and curl takes it for a no');
});

let open: Promise<Record<string, number>> | undefined;

/** Each in front of nothing, which asks for a client certificate and looks at the lists. */
function fronts(): Promise<Record<string, number>> {
  open ??= openFronts();
  return open;
}

async function openFronts(): Promise<Record<string, number>> {
  const subject = ['-subj', '/CN=proxy', '-addext', 'subjectAltName=DNS:localhost', '-days', '2', '-nodes'];
  const made = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-keyout',
    file('s.key'),
    '-out',
    file('s.pem'),
  ];
  said('openssl', 'req', '-x509', ...made, ...subject);
  writeFileSync(file('both.pem'), readFileSync(file('s.pem'), 'utf8') + readFileSync(file('s.key'), 'utf8'));
  const ports = { nginx: house.basePort + 10, haproxy: house.basePort + 11, 'nginx ssl_ocsp': house.basePort + 12 };
  const ca = file('export', 'issuers.pem');
  const lists = file('export', 'lists.pem');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${file(`n-${name}`)};`,
  );
  const root = process.getuid?.() === 0 ? 'user root root;' : '';
  writeFileSync(
    file('nginx.conf'),
    `daemon off; pid ${file('nginx.pid')}; ${root} error_log ${file('nginx.log')}; events {}
http { access_log off; ${temporary.join(' ')}
ssl_certificate ${file('s.pem')}; ssl_certificate_key ${file('s.key')};
ssl_client_certificate ${ca}; ssl_verify_client on; ssl_verify_depth 3; ssl_session_tickets off;
server { listen 127.0.0.1:${ports.nginx} ssl; ssl_crl ${lists}; location / { return 204; } }
server { listen 127.0.0.1:${ports['nginx ssl_ocsp']} ssl; ssl_ocsp on; ssl_ocsp_responder ${url('/ocsp').replace('localhost', '127.0.0.1')}; location / { return 204; } } }`,
  );
  writeFileSync(
    file('haproxy.cfg'),
    `defaults
  mode http
  timeout client 10s
  timeout connect 10s
  timeout server 10s
frontend f
  bind 127.0.0.1:${ports.haproxy} ssl crt ${file('both.pem')} ca-file ${ca} verify required crl-file ${lists}
  http-request return status 204
`,
  );
  servers.push(spawn('nginx', ['-c', file('nginx.conf')], { env, stdio: 'inherit' }));
  servers.push(spawn('haproxy', ['-f', file('haproxy.cfg')], { env, stdio: 'inherit' }));
  own = createServer(
    {
      ...{ key: readFileSync(file('s.key')), cert: readFileSync(file('s.pem')), ca: readFileSync(ca) },
      ...{ requestCert: true, rejectUnauthorized: true, crl: eachIn(readFileSync(lists, 'utf8')) },
    },
    (_, answer) => answer.writeHead(204).end(),
  ).listen(0, '127.0.0.1');
  await once(own, 'listening');
  for (const port of Object.values(ports)) {
    await eventually(async () => (await askedAs('good', port)) === 'taken', `port ${port} answers`);
  }
  return { ...ports, node: (own.address() as AddressInfo).port };
}

/** Of one text with several lists Node reads the first. */
const eachIn = (text: string) => text.match(/-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----\n/g) as string[];

async function askedAs(who: Who, port: number): Promise<'taken' | 'refused'> {
  const identity = { key: readFileSync(pem(who, 'key.pem')), cert: readFileSync(pem(who, 'cert.pem')) };
  return new Promise((resolve) => {
    const ca = readFileSync(file('s.pem'));
    const sent = httpsRequest({ host: 'localhost', port, ca, agent: false, ...identity }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 204 ? 'taken' : 'refused');
    });
    sent.on('error', () => resolve('refused'));
    sent.end();
  });
}
