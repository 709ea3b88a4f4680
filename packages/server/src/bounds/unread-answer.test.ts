import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { answerMs, boundAnswer } from './bounds.ts';

/** More than the kernel takes for a client that does not read. */
const longBytes = 64 * 1_048_576;

async function asked(context: TestContext, path: string) {
  const answering = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    boundAnswer(request, response);
    response.once('prefinish', () => answering.resolve());
    response.end(request.url === '/long' ? Buffer.alloc(longBytes) : 'short');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const [arrived, client] = [once(server, 'connection'), connect((server.address() as AddressInfo).port, '127.0.0.1')];
  client.on('error', () => undefined).write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
  const [socket] = await arrived;
  await answering.promise;
  return { client, socket };
}

test('P13: an answer that its client never reads ends with its connection, sooner the shorter it is', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { socket } = await asked(context, '/long');
  const longest = answerMs + 1_000 * Math.ceil(longBytes / 1_024);
  context.mock.timers.tick(longest - 60_000);
  assert.equal(socket.destroyed, false);
  context.mock.timers.tick(61_000);
  assert.equal(socket.destroyed, true);
});

test('an answer that was taken leaves its connection open', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { client, socket } = await asked(context, '/short');
  await once(client, 'data');
  context.mock.timers.tick(answerMs * 1_000);
  assert.equal(socket.destroyed, false);
});
