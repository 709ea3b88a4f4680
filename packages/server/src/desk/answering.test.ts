import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { boundedBody } from '../bounds/bounds.ts';
import { createLog } from '../telemetry/telemetry.ts';
import { Answering } from './answering.ts';

const bytesMax = 1_000;

/** A listener of a desk that takes bodies of so many bytes, a connection to it, and what came over it. */
async function open(context: TestContext): Promise<{ socket: Socket; came: IncomingMessage[] }> {
  const came: IncomingMessage[] = [];
  const answering = new Answering({
    log: createLog({ role: 'desk', level: 'silent' }),
    async answer(request) {
      const body = await boundedBody(request, bytesMax, 'a body has at most 1000 bytes');
      return { status: 200, headers: {}, body: String(body.length) };
    },
  });
  const server = createServer((request, response) => {
    came.push(request);
    void answering.answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').setEncoding('utf8');
  return { socket, came };
}

const head = (length: number) => `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n`;

test('a body is whole up to its bound', async (context) => {
  const { socket } = await open(context);
  socket.write(head(bytesMax) + 'x'.repeat(bytesMax));
  const [answer] = (await once(socket, 'data')) as [string];
  assert.match(answer, /^HTTP\/1\.1 200 .*\r\n\r\n1000$/s);
  socket.destroy();
});

test('who sends more is answered while he still sends, and his connection ends once all of it has come', async (context) => {
  const { socket, came } = await open(context);
  socket.write(head(30_000) + 'x'.repeat(bytesMax + 1));
  const [answer] = (await once(socket, 'data')) as [string];
  assert.match(answer, /^HTTP\/1\.1 413 .*at most 1000 bytes/s);
  socket.write('x'.repeat(30_000 - bytesMax - 1));
  await once(socket, 'close');
  assert.equal(came[0]?.complete, true);
});
