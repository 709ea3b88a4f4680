/** P13: what malformed, oversized, slow, foreign and unsettled things get at the gate: a clear refusal, and nothing else changes. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { readCredential } from '@portcullis/device';
import { type Answer, eventually, House, type Pem, post, readingsUrl } from '../../house.ts';
import { forge } from '../man-in-the-middle/interception.ts';

let house: House;
let pem: Pem;

before(async () => {
  house = await House.open((made) =>
    made.configure(
      'gate.yaml',
      (text) => `${text}  cold-chain:
    expect: { status: active, clearance: { min: 2 } }
    when: 'reading.temperature < 8.0'
  sites:
    expect: { site: { in: [berlin, hamburg] } }
limits:
  requestMs: 1500
  handshakeMs: 1500
`,
    ),
  );
  pem = await house.pem(await house.device('truck-17', { status: 'active', clearance: 2 }));
});
after(() => house?.close());

const reasonOf = ({ body }: Answer) => (JSON.parse(body) as { reason: string }).reason;
const ndjson = { 'content-type': 'application/x-ndjson' };

const bodies: [string, string, Record<string, string>, number, string][] = [
  ['no JSON', '{"a":', {}, 400, 'reading_malformed'],
  ['an array', '[1]', {}, 400, 'reading_malformed'],
  ['nothing', '', {}, 400, 'reading_malformed'],
  ['a second value', '{} {}', {}, 400, 'reading_malformed'],
  ['another content type', '{}', { 'content-type': 'text/plain' }, 415, 'media_type_unsupported'],
  ['a compressed body', '{}', { 'content-encoding': 'gzip' }, 415, 'media_type_unsupported'],
  ['an unknown reserved member', '{"_ip":1}', {}, 422, 'reserved_member_misused'],
  ['a reserved member of a wrong type', '{"_id":7}', {}, 422, 'reserved_member_misused'],
  ['a time that is none', '{"_time":"yesterday"}', {}, 422, 'reserved_member_misused'],
  ['one bad line among good ones', '{"a":1}\n{"a":\n{"a":3}', ndjson, 400, 'reading_malformed'],
  ['a reading that is too long', `{"a":"${'x'.repeat(70_000)}"}`, {}, 413, 'reading_too_large'],
  ['a line that is too long', `{"a":"${'x'.repeat(70_000)}"}`, ndjson, 413, 'reading_too_large'],
  ['too many lines', '{}\n'.repeat(10_001), ndjson, 413, 'reading_too_large'],
];

for (const [what, body, headers, status, reason] of bodies) {
  test(`${what} is refused with ${reason}, and nothing of it is stored`, async () => {
    const before = (await house.json('readings')).length;
    const answer = await post(readingsUrl(house), pem, body, headers);
    assert.deepEqual([answer.status, reasonOf(answer)], [status, reason], answer.body);
    assert.equal(answer.headers['content-type'], 'application/problem+json');
    if (what.startsWith('one bad line')) assert.equal((JSON.parse(answer.body) as { line: number }).line, 2);
    assert.equal((await house.json('readings')).length, before);
  });
}

test('a body that never ends is cut off at its bound', async () => {
  const body = `${'{"a":"'.padEnd(60_000, 'x')}"}\n`.repeat(100);
  await post(readingsUrl(house), pem, body, ndjson).then(
    (answer) => assert.deepEqual([answer.status, reasonOf(answer)], [413, 'reading_too_large']),
    (error: NodeJS.ErrnoException) => assert.match(error.code ?? '', /EPIPE|ECONNRESET/),
  );
});

test('members that would reach a prototype reach none', async () => {
  const reserved = await post(readingsUrl(house), pem, '{"__proto__":{"admin":true}}');
  assert.deepEqual([reserved.status, reasonOf(reserved)], [422, 'reserved_member_misused']);
  assert.equal((await post(readingsUrl(house), pem, '{"constructor":{"prototype":{"admin":true}}}')).status, 202);
  assert.equal(({} as { admin?: boolean }).admin, undefined);
});

test('P8: the same id with other data is refused, with the same data stored once', async () => {
  const before = (await house.json('readings')).length;
  for (const [body, status] of [
    ['{"_id":"one","a":1}', 202],
    ['{"_id":"one","a":1}', 202],
    ['{"_id":"one","a":2}', 422],
  ] as const) {
    assert.equal((await post(readingsUrl(house), pem, body)).status, status);
  }
  assert.equal((await house.json('readings')).length, before + 1);
});

const streams: [string, string, string, number, string][] = [
  ['an unknown stream', 'nowhere', '{}', 404, 'stream_unknown'],
  ['an attribute that is expected and nobody set', 'sites', '{}', 403, 'attribute_missing'],
  ['a condition that is not met', 'cold-chain', '{"temperature":9}', 422, 'condition_not_met'],
  ['a condition over a member that is missing', 'cold-chain', '{}', 503, 'condition_failed'],
  ['a condition over a member of another type', 'cold-chain', '{"temperature":"cold"}', 503, 'condition_failed'],
];

for (const [what, stream, body, status, reason] of streams) {
  test(`${what}: ${reason}`, async () => {
    const answer = await post(readingsUrl(house, stream), pem, body);
    assert.deepEqual([answer.status, reasonOf(answer)], [status, reason]);
  });
}

test('an attribute of a wrong type or name is refused by the authority, and says what is allowed', async () => {
  const typed = await house.portcullis('attribute', 'set', 'truck-17', 'clearance=high', '--json');
  assert.equal((JSON.parse(typed.out) as { error: string }).error, 'attribute_type_conflict');
  const named = await house.portcullis('attribute', 'set', 'truck-17', '9lives=1');
  assert.deepEqual(
    [named.status, /^portcullis: attribute "9lives": .*must match/.test(named.error)],
    [2, true],
    named.error,
  );
});

function foreign(name: string): Pem {
  const folder = join(house.home, name);
  execFileSync('mkdir', [folder]);
  const words = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    'key.pem',
    '-out',
    'cert.pem',
  ];
  execFileSync('openssl', [...words, '-subj', `/CN=${name}`, '-days', '1'], { cwd: folder, stdio: 'ignore' });
  const read = (file: string) => readFileSync(join(folder, file), 'utf8');
  return { key: read('key.pem'), cert: read('cert.pem'), ca: pem.ca };
}

const day = 86_400_000;
const client = { issuer: 'issuer-device', kind: 'device', subject: 'truck-17', purpose: 'client' } as const;
const identities: [string, () => Promise<Partial<Pem>>][] = [
  ['no certificate', async () => ({ ca: pem.ca })],
  ['a self-signed certificate', async () => foreign('self')],
  [
    'a server certificate',
    async () => ({ ca: pem.ca, ...(await forge(house.fleet, { ...client, purpose: 'server' })) }),
  ],
  [
    'an expired certificate',
    async () => ({ ca: pem.ca, ...(await forge(house.fleet, { ...client, from: -2 * day, until: -day })) }),
  ],
  [
    'a certificate that is not valid yet',
    async () => ({ ca: pem.ca, ...(await forge(house.fleet, { ...client, from: day, until: 2 * day })) }),
  ],
];

for (const [what, identity] of identities) {
  test(`P3: ${what} ends in the handshake, and is counted`, async () => {
    await assert.rejects(post(readingsUrl(house), await identity(), '{}'));
  });
}

test('P3: a certificate that the fleet signed and has no row of is refused', async () => {
  const answer = await post(readingsUrl(house), { ca: pem.ca, ...(await forge(house.fleet, client)) }, '{}');
  assert.deepEqual([answer.status, reasonOf(answer)], [403, 'certificate_unknown']);
});

test("P3: an operator's certificate sends no readings, and a device's asks nothing that operators ask", async () => {
  const operator = JSON.parse(readFileSync(join(house.fleet, 'operator.json'), 'utf8')) as {
    key: string;
    certificate: string;
    issuer: string;
  };
  const identity = { ca: pem.ca, key: operator.key, cert: operator.certificate + operator.issuer };
  assert.equal(reasonOf(await post(readingsUrl(house), identity, '{}')), 'kind_not_admitted');
  const asked = await raw(`GET /v1/readings HTTP/1.1\r\nhost: localhost\r\n\r\n`);
  assert.match(asked, /^HTTP\/1\.1 403/);
});

async function tls(): Promise<TLSSocket> {
  const socket = connect({
    host: 'localhost',
    port: house.basePort + 3,
    ...pem,
    minVersion: 'TLSv1.3',
  });
  await once(socket, 'secureConnect');
  socket.on('error', () => undefined);
  return socket;
}

/** What comes back for these bytes until the gate closes, or has answered. */
async function raw(bytes: string, end = false): Promise<string> {
  const socket = await tls();
  if (end) socket.end(bytes);
  else socket.write(bytes);
  let answer = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    answer += chunk;
  });
  await eventually(
    () => socket.destroyed || socket.readableEnded || answer.includes('\r\n\r\n'),
    'an answer or the end',
  );
  socket.destroy();
  return answer;
}

test('slow-loris: a request that does not arrive in time is ended', async () => {
  const answer = await raw(
    `POST /v1/streams/telemetry/readings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{`,
  );
  assert.match(answer, /^(HTTP\/1\.1 408|$)/);
});

test('bytes that are no HTTP are answered 400, headers that are too long 431', async () => {
  assert.match(await raw('\u0016\u0003\u0001 not http\r\n\r\n'), /^HTTP\/1\.1 400/);
  assert.match(await raw(`GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`), /^HTTP\/1\.1 431/);
});

test('RFC 9110, RFC 9112: the authority takes the absolute form and HEAD, and says which methods a path has', async () => {
  const { key, certificate, issuer, roots } = readCredential(join(house.fleet, 'operator.json'));
  const authority = async (line: string) => {
    const identity = { key, cert: certificate + issuer, ca: roots };
    const socket = connect({ host: 'localhost', port: house.basePort, ...identity, minVersion: 'TLSv1.3' });
    let answer = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      answer += chunk;
    });
    socket.write(`${line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
    await once(socket, 'close');
    return answer;
  };
  assert.match(await authority('GET https://localhost/v1/gates'), /^HTTP\/1\.1 200 [\s\S]*"gate-1"/);
  const head = await authority('HEAD /v1/gates');
  assert.match(head, /^HTTP\/1\.1 200 /);
  assert.ok(head.endsWith('\r\n\r\n'), head);
  const refused = await authority('DELETE /v1/gates?x=1');
  assert.match(refused, /^HTTP\/1\.1 405 [\s\S]*\r\nallow: GET, HEAD\r\n[\s\S]*"reason":"method_not_allowed"/);
  assert.match(await authority('GET /v1/feeds'), /^HTTP\/1\.1 404 /);
});

test('a socket that is half closed in mid-request holds nothing', async () => {
  await raw(`POST /v1/streams/telemetry/readings HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{`, true);
  const connections = async () => (await house.json<{ connections: number }>('gate', 'list'))[0]?.connections ?? 99;
  await eventually(async () => (await connections()) === 0, 'no connection is left');
});

test('a peer that never shakes hands is dropped', async () => {
  const socket = connectTcp({ host: '127.0.0.1', port: house.basePort + 3 });
  socket.on('error', () => undefined).resume();
  await eventually(() => socket.destroyed || socket.readableEnded, 'the gate ends it');
  socket.destroy();
});

test('after all of that the gate admits as before, and kept what it refused with its reasons', async () => {
  assert.equal((await post(readingsUrl(house), pem, '{"temperature":4}')).status, 202);
  const metrics = (await raw(`GET /v1/metrics HTTP/1.1\r\nhost: localhost\r\n\r\n`)).length;
  assert.ok(metrics > 0);
});
