/** What a body may cost the authority, by both of its listeners. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { z } from 'zod';
import { FleetCertificates } from '../../test/fleet-certificates.ts';
import { until } from '../../test/open-front.ts';
import { type Rooms, route } from './route.ts';
import { makeServer, tlsOptions } from './server.ts';

const taken = route({
  ...{ method: 'POST', path: '/v1/taken', kinds: [], uses: [], summary: 'How long it was' },
  schemas: { body: z.strictObject({ text: z.string() }) },
  handle: async (_rooms, { body }) => ({ length: body.text.length }),
});

const large = route({
  ...{ method: 'GET', path: '/v1/large', kinds: [], uses: [], summary: 'More than a socket takes at once' },
  schemas: {},
  handle: async () => ({ text: 'x'.repeat(30_000_000) }),
});

async function opened(
  context: TestContext,
  more: ConnectionOptions = {},
): Promise<{ socket: TLSSocket; told: () => string }> {
  const certificates = await FleetCertificates.make();
  const { key, cert } = await certificates.leaf({ subject: 'authority', kind: 'gate', purpose: 'server' });
  const rooms = { log: { error() {} }, system: { now: () => 0 } } as unknown as Rooms;
  const server = await makeServer(rooms, [taken, large], tlsOptions({ key, certificate: cert }, undefined));
  await server.listen({ host: '127.0.0.1', port: 0 });
  context.after(() => server.close());
  const { port } = server.server.address() as AddressInfo;
  const socket = connect({ host: '127.0.0.1', port, ca: certificates.rootPem, ...more });
  await once(socket, 'secureConnect');
  let text = '';
  socket.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  socket.on('error', () => undefined);
  return { socket, told: () => text };
}

const head = (path: string, more = 'transfer-encoding: chunked\r\n') =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${more}\r\n`;

test('what comes behind a large answer that is not taken yet is read once it is, though it came in several records at once', async (context) => {
  const { socket, told } = await opened(context);
  socket.write('GET /v1/large HTTP/1.1\r\nhost: x\r\n\r\n');
  await until(() => told() !== '', 'it is answered');
  socket.pause();
  const body = JSON.stringify({ text: 'y'.repeat(30_000) });
  // A record has at most 16 KiB of it (RFC 8446 §5.1).
  socket.write(head('/v1/taken', `content-length: ${body.length}\r\nconnection: close\r\n`) + body);
  for (let turns = 0; turns < 50; turns++) await turn();
  socket.resume();
  await until(() => socket.destroyed, 'the connection ends');
  assert.match(told(), /\}HTTP\/1.1 200 OK[\s\S]*\{"length":30000\}$/);
});

async function pour(socket: TLSSocket, bytes: Buffer, times: number): Promise<number> {
  let poured = 0;
  for (let count = 0; count < times && !socket.destroyed; count++) {
    poured += bytes.length;
    if (!socket.write(bytes)) await until(() => socket.destroyed || !socket.writableNeedDrain, 'it is taken');
    else await turn();
  }
  await until(() => socket.destroyed, 'the connection ends');
  return poured;
}

test('P13: a body of a million chunks of one byte is refused after a few thousand, and its connection ends', async (context) => {
  const { socket, told } = await opened(context);
  socket.write(head('/v1/taken'));
  const poured = await pour(socket, Buffer.from('1\r\nx\r\n'.repeat(10_000)), 100);
  assert.match(told(), /^HTTP\/1.1 413 [\s\S]*connection: close[\s\S]*too many pieces/i);
  assert.ok(poured < 6_000_000, `${poured} bytes`);
});

const early: [what: string, head: string, status: number][] = [
  ['a length that is too much', head('/v1/taken', 'content-length: 64000000\r\n'), 413],
  ['a path that nobody knows', head('/v1/nowhere'), 404],
  ['another media type', head('/v1/taken').replace('application/json', 'text/plain'), 415],
  ['a compressed body', head('/v1/taken', 'content-encoding: gzip\r\ntransfer-encoding: chunked\r\n'), 415],
];
for (const [what, begun, status] of early) {
  test(`P13: a request with ${what} is answered before its body, which is not read on`, async (context) => {
    const { socket, told } = await opened(context);
    socket.write(begun);
    await until(() => told().includes('\r\n\r\n{'), 'it is answered');
    assert.match(told(), new RegExp(`^HTTP/1.1 ${status} `));
    const poured = await pour(socket, Buffer.from(`8000\r\n${'x'.repeat(0x8000)}\r\n`), 1_500);
    // What the kernels of both sides hold is not read on.
    assert.ok(poured <= 16_000_000, `${poured} bytes`);
  });
}

test('a body in a thousand pieces is taken, and the connection goes on', async (context) => {
  const { socket, told } = await opened(context);
  for (const count of [1, 2]) {
    socket.write(`${head('/v1/taken')}1\r\n{\r\n7\r\n"text":\r\n1\r\n"\r\n`);
    socket.write('1\r\nx\r\n'.repeat(1_000));
    socket.write('2\r\n"}\r\n0\r\n\r\n');
    await until(() => told().split('{"length":1000}').length === count + 1, 'it is taken');
  }
  socket.destroy();
});

const noRequest: [what: string, bytes: string, status: number][] = [
  ['a method that HTTP does not know', 'FOO /v1/taken HTTP/1.1\r\nhost: x\r\n\r\n', 501],
  ['no HTTP', 'hello\r\n\r\n', 400],
  ['too long a head', `GET /v1/taken HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
];
for (const [what, bytes, status] of noRequest) {
  test(`${what} is refused with ${status} and a problem, as everything is`, async (context) => {
    const { socket, told } = await opened(context);
    socket.write(bytes);
    await until(() => socket.destroyed, 'the connection ends');
    assert.match(
      told(),
      new RegExp(`^HTTP/1.1 ${status} [\\s\\S]*application/problem\\+json[\\s\\S]*"reason":"request_malformed"`),
    );
  });
}

test('RFC 7301: who speaks HTTP/1.0 alone, and says so, is answered', async (context) => {
  const { socket, told } = await opened(context, { ALPNProtocols: ['http/1.0'] });
  assert.equal(socket.alpnProtocol, 'http/1.0');
  socket.write('POST /v1/taken HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{"text":"ab"}');
  await until(() => told().includes('{"length":2}'), 'it is answered');
});
