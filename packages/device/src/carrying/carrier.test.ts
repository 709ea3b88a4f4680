/** Carries what devices sealed: as it is, over crashes, and back what a gate said; nobody need trust it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { patienceMs } from '../../../../test/patience.ts';
import { deviceDirectory, gateOptions, impatient } from '../../test/gate.ts';
import { start } from '../../test/program.ts';
import { type Given, type Received, refused, startServer, until } from '../../test/servers.ts';
import { Carrier } from './carrier.ts';
import { Reception } from './reception.ts';
import type { SpoolBounds } from './spool.ts';

const sealsType = 'application/jose';
const acknowledgementOf = ({ body }: Received): Given => ({
  ...{ status: 200, headers: { 'content-type': sealsType } },
  body: `acknowledged ${body}`,
});

const startGate = (answer: (received: Received) => Given = acknowledgementOf, port = 0) =>
  startServer(gateOptions, answer, port);

async function startCarrier(gates: string[], bounds?: SpoolBounds, directory = deviceDirectory(gates)) {
  const notices: string[] = [];
  const onNotice = (words: string) => void notices.push(words);
  const carrier = Carrier.open({ directory, system: impatient, onNotice, ...(bounds && { bounds }) });
  const reception = await Reception.open(carrier, '127.0.0.1', 0);
  const close = async () => {
    await reception.close();
    await carrier.close();
  };
  after(close);
  return { carrier, reception, directory, notices, close, url: `http://127.0.0.1:${reception.port}` };
}

interface Wish {
  /** An address of this machine, in place of 127.0.0.1. */
  from?: string;
  headers?: Record<string, string>;
  path?: string;
  method?: string;
  waitSeconds?: number;
}

async function handOver(url: string, body: string, { from, headers, path, method, waitSeconds = 30 }: Wish = {}) {
  const sent = request(`${url}${path ?? '/v1/streams/telemetry/sealed'}`, {
    ...{ method: method ?? 'POST', agent: false, localAddress: from },
    headers: { 'content-type': sealsType, prefer: `wait=${waitSeconds}`, ...headers },
  });
  sent.on('error', () => undefined);
  sent.end(body);
  const [answer] = await once(sent, 'response', { signal: AbortSignal.timeout(patienceMs) });
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  return {
    status: answer.statusCode as number,
    type: answer.headers['content-type'] as string,
    body: Buffer.concat(chunks).toString(),
  };
}

test('what is handed over goes to a gate as it is, over the own mTLS of the carrier, and its answer comes back as it is', async () => {
  const gate = await startGate();
  const { url, carrier } = await startCarrier([gate.url]);
  const answer = await handOver(url, 'a.b.c\n');
  assert.deepEqual(answer, { status: 200, type: sealsType, body: '"acknowledged a.b.c\\n"' });
  const [received] = gate.requests;
  assert.deepEqual([received?.path, received?.body], ['/v1/streams/telemetry/sealed', 'a.b.c\n']);
  assert.ok(received?.serial);
  assert.deepEqual([carrier.kept, carrier.delivered], [0, 1]);
});

test('who asks again is given the answer that is kept; who wants it judged again has it carried again', async () => {
  const gate = await startGate();
  const first = await startCarrier([gate.url]);
  await handOver(first.url, 'a.b.c\n');
  await first.close();
  const { url } = await startCarrier([gate.url], undefined, first.directory);
  assert.equal((await handOver(url, 'a.b.c\n')).status, 200);
  assert.equal(gate.requests.length, 1);
  assert.equal((await handOver(url, 'a.b.c\n', { headers: { 'cache-control': 'no-cache' } })).status, 200);
  assert.equal(gate.requests.length, 2);
});

test('while no gate can be reached it is kept, which is no acknowledgement, and carried once one can', async () => {
  const gate = await startGate();
  await gate.close();
  const { url, carrier, notices } = await startCarrier([gate.url]);
  assert.deepEqual(await handOver(url, 'a.b.c\n', { waitSeconds: 0 }), {
    ...{ status: 202, type: 'application/json', body: '{"kept":true}\n' },
  });
  assert.equal(carrier.kept, 1);
  await until('it is told', () => notices.some((words) => /1 parcel waits/.test(words)));
  const back = await startGate(acknowledgementOf, gate.port);
  assert.equal((await handOver(url, 'a.b.c\n')).status, 200);
  assert.equal(back.requests.length, 1);
});

test('P16: kill -9 loses nothing that was said to be kept, and nothing that a gate answered', async () => {
  const gate = await startGate();
  await gate.close();
  const directory = deviceDirectory([gate.url]);
  const begin = async () => {
    const { child, ended } = start('carry', '--device', directory, '--listen', '127.0.0.1:0');
    let told = '';
    child.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()));
    await until('it listens', () => /listening on http:\/\/127\.0\.0\.1:\d+/.test(told));
    return { child, ended, url: /http:\/\/127\.0\.0\.1:\d+/.exec(told)?.[0] ?? '' };
  };
  const first = await begin();
  assert.equal((await handOver(first.url, 'a.b.c\n', { waitSeconds: 0 })).status, 202);
  first.child.kill('SIGKILL');
  await first.ended;
  const back = await startGate(acknowledgementOf, gate.port);
  const second = await begin();
  await until('it is carried without anybody asking again', () => back.requests.length === 1);
  assert.equal((await handOver(second.url, 'a.b.c\n')).status, 200);
  second.child.kill('SIGKILL');
  await second.ended;
  await back.close();
  const third = await begin();
  assert.equal((await handOver(third.url, 'a.b.c\n')).status, 200);
  third.child.kill('SIGTERM');
  const { status, out } = await third.ended;
  assert.deepEqual([status, out], [0, 'delivered 0 parcels, kept 0\n']);
});

test('a gate that refuses the carrier, or can not decide, leaves everything where it is', async () => {
  const answers: Given[] = [refused(403, 'attribute_rule_not_met'), refused(503, 'replica_stale')];
  const gate = await startGate((received) => answers.shift() ?? acknowledgementOf(received));
  const { url, notices } = await startCarrier([gate.url]);
  assert.equal((await handOver(url, 'a.b.c\n')).status, 200);
  assert.equal(gate.requests.length, 3);
  assert.match(notices.join('\n'), /attribute_rule_not_met[^\n]*1 parcel waits\n[^\n]*replica_stale/);
});

test('what a gate says of a parcel without a signature is handed on once, and then asked for again', async () => {
  const answers: Given[] = [refused(400, 'reading_malformed')];
  const gate = await startGate((received) => answers.shift() ?? acknowledgementOf(received));
  const { url } = await startCarrier([gate.url]);
  const hint = await handOver(url, 'a.b.c\n');
  assert.deepEqual([hint.status, JSON.parse(hint.body).reason], [400, 'reading_malformed']);
  assert.equal((await handOver(url, 'a.b.c\n')).status, 200);
});

test('one that no gate ever answers holds up none of the others', async () => {
  const gate = await startGate((received) => (received.body === 'poison\n' ? 'break' : acknowledgementOf(received)));
  const { url } = await startCarrier([gate.url]);
  for (let number = 0; number < 5; number++) {
    await handOver(url, 'poison\n', { path: `/v1/streams/s${number}/sealed`, waitSeconds: 0 });
  }
  assert.equal((await handOver(url, 'a.b.c\n')).status, 200);
});

test('P13: it holds as much as it may, on disk and on its way, and says so', async () => {
  const gate = await startGate();
  await gate.close();
  const bounds = { bytesMax: 1000, parcelsMax: 4, answersMax: 2, answerBytesMax: 1000 };
  const { url, carrier } = await startCarrier([gate.url], bounds);
  const handed = [];
  for (const body of ['1', '2', '3']) handed.push(await handOver(url, body, { waitSeconds: 0 }));
  assert.deepEqual(
    handed.map(({ status }) => status),
    [202, 202, 503],
  );
  assert.equal(JSON.parse(handed[2]?.body ?? '').reason, 'carrier_full');
  assert.equal(carrier.kept, 2);
  const again = await handOver(url, '1', { waitSeconds: 0 });
  assert.equal(again.status, 202, 'what is there takes no more room');
  const other = await handOver(url, '3', { waitSeconds: 0, from: '127.0.0.2' });
  assert.deepEqual([other.status, carrier.kept], [202, 3], 'there is room for who brought nothing yet');
});

test('P13: of the answers that it keeps the oldest go', async () => {
  const gate = await startGate();
  const { url, directory } = await startCarrier([gate.url], {
    bytesMax: 1000,
    parcelsMax: 9,
    answersMax: 2,
    answerBytesMax: 1000,
  });
  for (const body of ['1', '2', '3']) await handOver(url, body);
  assert.equal(readdirSync(join(directory, 'carried')).length, 2);
  await handOver(url, '3');
  assert.equal(gate.requests.length, 3);
  await handOver(url, '1');
  assert.equal(gate.requests.length, 4);
});

test('what was damaged on disk is not carried, and whoever brought it brings it again', async () => {
  const gate = await startGate();
  await gate.close();
  const first = await startCarrier([gate.url]);
  await handOver(first.url, 'a.b.c\n', { waitSeconds: 0 });
  await first.close();
  const carried = join(first.directory, 'carried');
  const [file = ''] = readdirSync(carried);
  writeFileSync(join(carried, file), readFileSync(join(carried, file), 'utf8').replace('a.b.c', 'a.b.d'));
  const back = await startGate(acknowledgementOf, gate.port);
  const { url, notices } = await startCarrier([back.url], undefined, first.directory);
  await until('it is told', () => notices.some((words) => /damaged/.test(words)));
  assert.equal((await handOver(url, 'a.b.c\n')).status, 200);
  assert.deepEqual(
    back.requests.map(({ body }) => body),
    ['a.b.c\n'],
  );
});

test('whatever anybody sends there is answered by name, and nothing of it is kept', async (t) => {
  const gate = await startGate();
  const { url, carrier } = await startCarrier([gate.url]);
  const rows: [string, string, Wish, number, string][] = [
    ['another route', 'x', { path: '/v1/streams/telemetry/readings' }, 404, 'route_unknown'],
    ['a name that is none of a stream', 'x', { path: '/v1/streams/..%2f/sealed' }, 404, 'route_unknown'],
    ['another method', '', { method: 'GET' }, 405, 'method_not_allowed'],
    [
      'readings that nobody sealed',
      '{}',
      { headers: { 'content-type': 'application/json' } },
      415,
      'media_type_unsupported',
    ],
    ['64 MB, announced', '', { headers: { 'content-length': String(64 * 1024 * 1024) } }, 413, 'request_too_large'],
    [
      'more than a body may have, in pieces',
      'x'.repeat(4 * 1024 * 1024 + 1),
      { headers: { 'transfer-encoding': 'chunked' } },
      413,
      'request_too_large',
    ],
  ];
  for (const [name, body, wish, status, reason] of rows) {
    await t.test(name, async () => {
      const answer = await handOver(url, body, wish);
      assert.deepEqual([answer.status, JSON.parse(answer.body).reason], [status, reason]);
    });
  }
  await t.test('bytes that are no HTTP', async () => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.end('\0\0\0\n\n'));
    socket.on('error', () => undefined).resume();
    await once(socket, 'close', { signal: AbortSignal.timeout(patienceMs) });
  });
  assert.deepEqual([carrier.kept, carrier.delivered, gate.requests.length], [0, 0, 0]);
});

test('P13: of one address there are only so many connections, and others have theirs', async () => {
  const gate = await startGate();
  const { url } = await startCarrier([gate.url]);
  const port = Number(new URL(url).port);
  const sockets = Array.from({ length: 70 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
  after(() => sockets.forEach((socket) => void socket.destroy()));
  const closed = () => sockets.filter(({ destroyed, readableEnded }) => destroyed || readableEnded).length;
  for (const socket of sockets) socket.resume();
  await until('those above the bound are closed', () => closed() === 6);
  for (const socket of sockets) socket.destroy();
  let status: number | undefined;
  while (status === undefined)
    status = await handOver(url, 'a.b.c\n').then(
      (answer) => answer.status,
      () => undefined,
    );
  assert.equal(status, 200, 'there is room again');
});

test('P13: bodies of one address that are on their way leave as much room for those of the others', async () => {
  const gate = await startGate();
  const { url } = await startCarrier([gate.url]);
  const bytes = 4 * 1024 * 1024;
  const statuses: (number | undefined)[] = [];
  const bodies = Array.from({ length: 5 }, () => {
    const headers = { 'content-type': sealsType, 'content-length': bytes };
    const body = request(`${url}/v1/streams/telemetry/sealed`, { method: 'POST', agent: false, headers });
    body.on('response', ({ statusCode }) => statuses.push(statusCode)).on('error', () => undefined);
    body.write(Buffer.alloc(bytes - 1));
    return body;
  });
  after(() => bodies.forEach((body) => void body.destroy()));
  await until('one is too much', () => statuses.length > 0);
  assert.deepEqual(statuses, [503]);
  assert.equal((await handOver(url, 'a.b.c\n', { from: '127.0.0.2' })).status, 200);
});
