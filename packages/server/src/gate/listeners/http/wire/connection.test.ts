/** One connection: whose turn it is, how answers are written, and how it ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { PlayedSocket } from '../../../../../test/played-socket.ts';
import type { WireAnswer } from './answer.ts';
import { WireConnection } from './connection.ts';
import type { WireRequest } from './request.ts';

interface AskedOf {
  request: WireRequest;
  response: WireAnswer;
}

class Played {
  readonly socket: PlayedSocket;
  readonly wire: WireConnection;
  readonly asked: AskedOf[] = [];
  now = 0;

  constructor(onAsked: (asked: AskedOf) => void = () => undefined, takes = true) {
    this.socket = new PlayedSocket(takes);
    this.wire = new WireConnection(this.socket as unknown as TLSSocket, {
      ...{ now: () => 0, monotonic: () => this.now },
      headEnd: (closes) => `connection: ${closes ? 'close' : 'keep-alive'}\r\n\r\n`,
      asked: (request, response) => {
        this.asked.push({ request, response });
        onAsked({ request, response });
      },
    });
  }

  async send(text: string): Promise<this> {
    this.socket.send(Buffer.from(text, 'latin1'));
    await turn();
    return this;
  }

  last(): AskedOf {
    return this.asked.at(-1) as AskedOf;
  }
}

const get = (url = '/a') => `GET ${url} HTTP/1.1\r\nhost: x\r\n\r\n`;
const post = (body: string) => `POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
const stays = 'connection: keep-alive\r\n\r\n';

test('an answer that is given whole is one write, head and body', async () => {
  const played = await new Played().send(get());
  const { response } = played.last();
  response.writeHead(202, { 'content-type': 'text/plain', 'x-many': ['a', 'b'] }).end('good: ü');
  assert.equal(played.socket.writes, 1);
  assert.equal(
    Buffer.from(played.socket.written, 'latin1').toString(),
    `HTTP/1.1 202 Accepted\r\ncontent-type: text/plain\r\nx-many: a\r\nx-many: b\r\ncontent-length: 8\r\n${stays}good: ü`,
  );
  await played.send(get());
  played
    .last()
    .response.writeHead(200, {})
    .end(Buffer.of(1, 2, 3));
  assert.equal(played.socket.writes, 2);
  assert.ok(played.socket.written.endsWith(`content-length: 3\r\n${stays}\x01\x02\x03`));
});

test('an answer that is given in pieces comes in chunks, and ends', async () => {
  const played = await new Played().send(get());
  const { response } = played.last();
  response.writeHead(200, {});
  response.write('ü');
  response.write('');
  response.write(Buffer.from('0123456789'));
  response.end('!');
  const chunks = `2\r\n\xc3\xbc\r\na\r\n0123456789\r\n1\r\n!\r\n0\r\n\r\n`;
  assert.equal(played.socket.written, `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n${stays}${chunks}`);
  await played.send(get('/next'));
  assert.equal(played.last().request.url, '/next');
});

test('whoever speaks HTTP/1.0 gets the pieces alone, and the end of the connection ends them', async () => {
  const played = await new Played().send('GET /a HTTP/1.0\r\n\r\n');
  const { response } = played.last();
  response.writeHead(200, {});
  response.write('one ');
  response.end('two');
  assert.equal(played.socket.written, 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\none two');
  await turn();
  assert.equal(played.socket.destroyed, true);
});

test('HEAD is answered by a head alone, and so is what has no content', async () => {
  const played = await new Played().send(get().replace('GET', 'HEAD'));
  played.last().response.writeHead(200, { 'content-length': 5 }).end('hello');
  assert.equal(played.socket.written, `HTTP/1.1 200 OK\r\ncontent-length: 5\r\n${stays}`);
  await played.send(get().replace('GET', 'HEAD'));
  const { response } = played.last();
  response.writeHead(200, {});
  response.write('hello');
  response.end();
  assert.ok(played.socket.written.endsWith(`\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n${stays}`));
  await played.send(get());
  played.last().response.writeHead(204, {}).end();
  assert.ok(played.socket.written.endsWith(`\r\n\r\nHTTP/1.1 204 No Content\r\n${stays}`));
});

test('no value of a header can begin another line', async () => {
  const { response } = (await new Played().send(get())).last();
  response.writeHead(200, { x: 'a\r\ny: b' });
  assert.throws(() => response.end('c'), TypeError);
});

test('what is asked before its turn waits, and meanwhile nothing more is read', async () => {
  const played = await new Played().send(post('one') + post('two') + get());
  assert.equal(played.asked.length, 1);
  assert.equal(played.socket.isPaused(), true);
  await played.send(get('/last'));
  for (const count of [1, 2, 3, 4]) {
    assert.equal(played.asked.length, count);
    played.last().response.writeHead(200, {}).end(`${count}`);
    await turn();
    await turn();
  }
  assert.deepEqual(played.socket.written.match(/\r\n\r\n\d/g), ['\r\n\r\n1', '\r\n\r\n2', '\r\n\r\n3', '\r\n\r\n4']);
  assert.equal(played.socket.isPaused(), false);
});

test('as many requests as one piece holds are answered one after the other', async () => {
  const many = 2_000;
  const played = new Played(({ response }) => response.writeHead(200, {}).end(''));
  await played.send(get().repeat(many));
  assert.equal(played.asked.length, many);
});

test('P13: who asks and takes no answer is asked no more of', async () => {
  const played = new Played(({ response }) => response.writeHead(200, {}).end('x'.repeat(10_000)), false);
  await played.send(get().repeat(100));
  assert.ok(played.asked.length < 10, `${played.asked.length} answers wait`);
  assert.equal(played.socket.isPaused(), true);
});

test('a body is told piece by piece, then its end', async () => {
  const heard: string[] = [];
  const played = new Played(({ request }) => {
    request.on('data', (piece) => heard.push(piece.toString()));
    request.on('end', () => heard.push(`end, ${request.complete}`));
  });
  await played.send('POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\nab');
  assert.equal(played.last().request.complete, false);
  await played.send('cd');
  await played.send(`ef${get()}`);
  assert.deepEqual(heard, ['ab', 'cd', 'ef', 'end, true']);
  assert.equal(played.asked.length, 1, 'what stands behind it waits');
});

test('of a body that nobody takes any more nothing is read', async () => {
  const played = new Played(({ request }) => {
    request.push = () => false;
  });
  await played.send(`POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${'1\r\na\r\n'.repeat(100)}`);
  assert.equal(played.socket.isPaused(), true);
});

test('whoever awaits it is told to go on, before any answer', async () => {
  const played = await new Played().send(
    'POST /a HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n',
  );
  assert.equal(played.socket.written, 'HTTP/1.1 100 Continue\r\n\r\n');
});

test('whoever says that he sends no more has the answer all the same, and then the end', async () => {
  const played = await new Played().send(post('one'));
  played.socket.push(null);
  await turn();
  assert.equal(played.socket.destroyed, false);
  played.last().response.writeHead(200, {}).end('1');
  await turn();
  assert.match(played.socket.written, /200 OK[\s\S]*connection: close\r\n\r\n1$/);
  assert.equal(played.socket.destroyed, true);
});

test('an answer that goes on ends when whoever asked sends no more', async () => {
  const played = await new Played().send(get());
  const { response } = played.last();
  response.writeHead(200, {}).flushHeaders();
  played.socket.push(null);
  await turn();
  await turn();
  assert.deepEqual([played.socket.destroyed, response.destroyed], [true, true]);
});

for (const [what, sent] of [
  ['within a head', 'GET /a HT'],
  ['within a body', post('one').slice(0, -1)],
] as const) {
  test(`an end ${what} is told as a refusal`, async () => {
    const played = await new Played().send(sent);
    played.socket.push(null);
    await turn();
    await turn();
    assert.match(played.socket.written, /^HTTP\/1\.1 400 [\s\S]*the connection ended within a request/);
    assert.equal(played.socket.destroyed, true);
  });
}

test('a refusal does not stand within an answer that has begun', async () => {
  const played = new Played(({ response }) => {
    response.writeHead(403, { 'content-length': 2 });
    response.write('no');
  });
  await played.send('POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nno size\r\n');
  await turn();
  assert.equal(played.socket.written, `HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n${stays}no`);
  assert.equal(played.socket.destroyed, true);
});

test('that the connection is gone is told once, of what was under way, and nothing is written any more', async () => {
  const closed: string[] = [];
  const played = new Played(({ request, response }) => {
    request.on('close', () => closed.push('request'));
    response.on('close', () => closed.push('answer'));
  });
  await played.send('POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\nab');
  played.socket.destroy();
  await turn();
  assert.deepEqual(closed, ['request', 'answer']);
  const { response } = played.last();
  assert.deepEqual([response.destroyed, response.write('x')], [true, false]);
  response.end('y');
  assert.deepEqual([closed.length, played.socket.written], [2, '']);
});

test('since when a head is awaited is known: of the first from the beginning on, of others from their first byte', async () => {
  const played = new Played(({ response }) => response.writeHead(200, {}).end(''));
  played.now = 5;
  assert.equal(played.wire.headSince, 0);
  await played.send(get());
  assert.equal(played.wire.headSince, undefined);
  await played.send('GET /');
  played.now = 6;
  await played.send('a HTTP/1.1\r\n');
  assert.equal(played.wire.headSince, 5);
  await played.send('host: x\r\n\r\n');
  assert.equal(played.wire.headSince, undefined);
});
