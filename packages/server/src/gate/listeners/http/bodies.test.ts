/** What a body may cost the gate, whoever sends it and however it is cut to pieces. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { OpenFront, until } from '../../../../test/open-front.ts';
import { piecesMax } from '../../../bounds/bounds.ts';

const head = (stream = 'telemetry') =>
  `POST /v1/streams/${stream}/readings HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\n`;
const chunked = 'transfer-encoding: chunked\r\n\r\n';

/** Writes again and again for as long as the other side takes it. Resolves to how much that was. */
async function pour(socket: TLSSocket, bytes: Buffer, times: number): Promise<number> {
  let poured = 0;
  for (let count = 0; count < times && !socket.destroyed; count++) {
    poured += bytes.length;
    if (!socket.write(bytes)) await until(() => socket.destroyed || !socket.writableNeedDrain, 'it is taken');
    else await turn();
  }
  return poured;
}

function heard(socket: TLSSocket): () => string {
  let text = '';
  socket.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  return () => text;
}

test('P13: a body of a million chunks of one byte is refused after a few thousand, and what came is not kept', async (context) => {
  const gate = await OpenFront.open(context);
  const socket = await gate.socket(await gate.device('truck-17'));
  const answer = heard(socket);
  socket.write(`${head()}${chunked}`);
  const poured = await pour(socket, Buffer.from('1\r\nx\r\n'.repeat(10_000)), 100);
  await until(() => answer().includes('\r\n\r\n{'), 'it is answered');
  assert.match(answer(), /^HTTP\/1.1 413 [\s\S]*connection: close[\s\S]*too many pieces/i);
  await until(() => socket.destroyed && gate.connections.size === 0, 'the connection ends');
  assert.ok(poured <= 6_000_000, `${poured} bytes`);
  assert.equal(gate.intake.bytes, 0);
  assert.deepEqual(await gate.stored(), []);
});

test('a batch that is sent line by line is taken, and charged with no more than twice its bytes', async (context) => {
  const gate = await OpenFront.open(context);
  const socket = await gate.socket(await gate.device('truck-17'));
  const answer = heard(socket);
  const line = '{"t":12345}\n';
  const lines = 10_000;
  socket.write(`${head()}${chunked}`);
  for (let sent = 0; sent < lines; sent += 500) {
    socket.write(`${line.length.toString(16)}\r\n${line}\r\n`.repeat(500));
    await turn();
  }
  await until(() => gate.intake.bytes >= line.length * lines, 'all of it has come');
  assert.ok(gate.intake.bytes <= 2 * line.length * lines, `${gate.intake.bytes}`);
  socket.write('0\r\n\r\n');
  await until(() => answer().startsWith('HTTP/1.1 202 '), 'it is taken');
  assert.equal(gate.intake.bytes, 0);
  assert.ok(lines < piecesMax);
  socket.destroy();
});

test('P13: whom nothing admits is answered at the head, and the body behind it is not read on', async (context) => {
  const gate = await OpenFront.open(context);
  const leaf = await gate.device('truck-17', { attributes: { status: { value: 'off' } } });
  const socket = await gate.socket(leaf);
  const answer = heard(socket);
  socket.write(`${head()}${chunked}`);
  await until(() => answer().includes('\r\n\r\n{'), 'it is answered before any of the body');
  assert.match(answer(), /^HTTP\/1.1 403 [\s\S]*connection: close/i);
  const chunk = 'x'.repeat(0x8000);
  const poured = await pour(socket, Buffer.from(`8000\r\n${chunk}\r\n`), 1_000);
  await until(() => gate.connections.size === 0, 'the connection ends');
  // What the kernels of both sides hold is not read on.
  assert.ok(poured <= 16_000_000, `${poured} bytes`);
});

for (const [what, begun] of [
  ['a route that nobody knows', 'POST /v1/nowhere HTTP/1.1\r\nhost: x\r\n'],
  ['another method', head().replace('POST', 'PUT')],
] as const) {
  test(`P13: ${what} with a body that does not end is answered, and the body not read on`, async (context) => {
    const gate = await OpenFront.open(context);
    const socket = await gate.socket(await gate.device('truck-17'));
    const answer = heard(socket);
    socket.write(`${begun}${chunked}`);
    await until(() => answer().includes('\r\n\r\n{'), 'it is answered');
    assert.match(answer(), /^HTTP\/1.1 40[45] /);
    const poured = await pour(socket, Buffer.from(`8000\r\n${'x'.repeat(0x8000)}\r\n`), 1_000);
    await until(() => gate.connections.size === 0, 'the connection ends');
    assert.ok(poured <= 16_000_000, `${poured} bytes`);
  });
}

test('a short body that nobody wants leaves the connection open', async (context) => {
  const gate = await OpenFront.open(context);
  const agent = gate.agent(await gate.device('truck-17'));
  assert.equal((await gate.ask(agent, 'PUT', '/v1/streams/telemetry/readings', '{"t":1}')).status, 405);
  assert.equal((await gate.post(agent, '{"t":2}')).status, 202);
  assert.equal(gate.connections.size, 1);
  agent.destroy();
});

test('P13: refusals on streams that nobody knows are one line, whatever names are invented', async (context) => {
  const gate = await OpenFront.open(context);
  const agent = gate.agent(await gate.device('truck-17'));
  const begun = performance.now();
  for (let count = 0; count < 100; count++) {
    assert.equal((await gate.post(agent, '{}', { stream: `invented-${count}` })).body.reason, 'stream_unknown');
  }
  await gate.verdicts.flush();
  const seconds = Math.ceil((performance.now() - begun) / 1_000) + 1;
  const { items } = await gate.sink.refusals({ limit: 1_000 });
  assert.ok(items.length <= 2 * seconds, `${items.length} lines in ${seconds} s`);
  assert.equal(
    items.reduce((sum, { count }) => sum + count, 0),
    100,
  );
  agent.destroy();
});
