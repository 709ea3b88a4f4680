/** What RFC 9110 and RFC 9112 say that a server accepts is accepted, and what they say that it refuses is refused, as bytes on a real connection. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { Leaf } from '../../../../test/fleet-certificates.ts';
import { OpenFront } from '../../../../test/open-front.ts';

const path = '/v1/streams/telemetry/readings';
const end = 'content-type: application/json\r\ncontent-length: 7\r\nconnection: close\r\n\r\n{"t":1}';
const post = (line: string, more = 'host: x\r\n') => `${line}\r\n${more}${end}`;

async function answered(gate: OpenFront, leaf: Leaf, bytes: string): Promise<string> {
  const socket = await gate.socket(leaf);
  let text = '';
  socket.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  socket.write(bytes);
  await once(socket, 'close');
  return text;
}

const clock = /\r\ndate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/i;

const accepted: [clause: string, what: string, bytes: string][] = [
  ['RFC 9112 §2.2', 'an empty line before the request', `\r\n${post(`POST ${path} HTTP/1.1`)}`],
  ['RFC 9112 §3.2.2', 'the absolute form of the target', post(`POST https://x${path} HTTP/1.1`)],
  ['RFC 9112 §3.2.2', 'the same with another case and port', post(`POST HTTPS://X:8443${path} HTTP/1.1`)],
  ['RFC 9112 §2.5', 'HTTP/1.0, which knows no host', post(`POST ${path} HTTP/1.0`, '')],
  ['RFC 9112 §2.5', 'a later minor version', post(`POST ${path} HTTP/1.1`)],
  ['RFC 3986 §6.2.2.2', 'letters that are written as bytes', post(`POST /v1/streams/%74elemetry/%72eadings HTTP/1.1`)],
  [
    'RFC 9110 §5.1',
    'names of headers in any case',
    post(`POST ${path} HTTP/1.1`, 'HOST: x\r\n').replace('content-t', 'CONTENT-T'),
  ],
  [
    'RFC 9112 §5.1',
    'white space around a value',
    post(`POST ${path} HTTP/1.1`).replace(': application/json', ':\t application/json \t'),
  ],
  [
    'RFC 9110 §8.3.1',
    'a media type in any case',
    post(`POST ${path} HTTP/1.1`).replace('application/json', 'Application/JSON'),
  ],
  [
    'RFC 9110 §5.6.6',
    'an empty parameter',
    post(`POST ${path} HTTP/1.1`).replace('application/json', 'application/json;'),
  ],
  [
    'RFC 9110 §5.6.6',
    'a quoted character set',
    post(`POST ${path} HTTP/1.1`).replace('application/json', 'application/json ; Charset="UTF-8"'),
  ],
  [
    'RFC 8259 §11',
    'a parameter that means nothing to JSON',
    post(`POST ${path} HTTP/1.1`).replace('application/json', 'application/json; profile="https://x/y;z"'),
  ],
  [
    'RFC 9110 §8.4',
    'content that is said to be encoded in no way',
    post(`POST ${path} HTTP/1.1`, 'host: x\r\ncontent-encoding: identity\r\n'),
  ],
  [
    'RFC 9110 §7.8',
    'an offer to change the protocol, which is not taken',
    post(`POST ${path} HTTP/1.1`, 'host: x\r\nupgrade: h2c\r\n').replace(
      'connection: close',
      'connection: upgrade, close',
    ),
  ],
  [
    'RFC 9110 §10.1.1',
    'an expectation of 100-continue',
    post(`POST ${path} HTTP/1.1`, 'host: x\r\nExpect: 100-Continue\r\n'),
  ],
  [
    'RFC 9110 §13.1',
    'a condition, which does not apply',
    post(`POST ${path} HTTP/1.1`, 'host: x\r\nif-none-match: "a"\r\nrange: bytes=0-1\r\n'),
  ],
  [
    'RFC 9112 §7.1',
    'chunks with extensions, sizes in any case and with leading zeros, and trailers',
    `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: Chunked\r\nconnection: close\r\n\r\n` +
      '0007;a=b;c="d e"\r\n{"t":1,\r\nB\r\n"longer":23\r\n1\r\n}\r\n00\r\nx-check: 1\r\n\r\n',
  ],
];

test('what a server must accept is accepted', async (context) => {
  const gate = await OpenFront.open(context);
  const leaf = await gate.device('truck-17');
  for (const [index, [clause, what, bytes]] of accepted.entries()) {
    await context.test(`${clause}: ${what}`, async () => {
      const answer = await answered(gate, leaf, bytes);
      assert.match(answer, /^(HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 202 Accepted\r\n/, answer);
      // RFC 9110 §6.6.1: who has a clock says the time.
      assert.match(answer, clock);
      assert.equal((await gate.stored()).length, index + 1);
    });
  }
});

const refused: [clause: string, what: string, bytes: string, status: number, more?: RegExp][] = [
  ['RFC 9112 §3.2', 'no host', post(`POST ${path} HTTP/1.1`, ''), 400],
  ['RFC 9112 §3.2', 'two hosts', post(`POST ${path} HTTP/1.1`, 'host: x\r\nhost: y\r\n'), 400],
  ['RFC 9112 §5.1', 'white space before a colon', post(`POST ${path} HTTP/1.1`, 'host : x\r\n'), 400],
  ['RFC 9112 §5.2', 'a folded header', post(`POST ${path} HTTP/1.1`, 'host: x\r\nx: a\r\n b\r\n'), 400],
  ['RFC 9110 §15.6.2', 'a method that nobody knows', post(`MINT ${path} HTTP/1.1`), 501],
  ['RFC 9110 §15.6.6', 'another major version', post(`POST ${path} HTTP/3.0`), 505],
  [
    'RFC 9110 §15.5.18',
    'an expectation that nobody knows',
    post(`POST ${path} HTTP/1.1`, 'host: x\r\nexpect: gold\r\n'),
    417,
  ],
  ['RFC 9110 §15.5.6', 'another method on the readings', post(`PUT ${path} HTTP/1.1`), 405, /\r\nallow: POST\r\n/i],
  [
    'RFC 9110 §15.5.6',
    'another method on what is only read',
    post('POST /v1/explain HTTP/1.1'),
    405,
    /\r\nallow: GET, HEAD\r\n/i,
  ],
  [
    'RFC 9110 §15.5.16',
    'content in another encoding',
    post(`POST ${path} HTTP/1.1`, 'host: x\r\ncontent-encoding: gzip\r\n'),
    415,
    /\r\naccept-encoding: identity\r\n/i,
  ],
  [
    'RFC 9110 §15.5.16',
    'content of another type',
    post(`POST ${path} HTTP/1.1`).replace('application/json', 'text/plain'),
    415,
    /\r\naccept: application\/json, application\/x-ndjson\r\n/i,
  ],
  [
    'RFC 8259 §8.1',
    'another character set',
    post(`POST ${path} HTTP/1.1`).replace('application/json', 'application/json; charset=latin1'),
    415,
  ],
  ['RFC 9110 §15.5.5', 'a path that is not there', post('POST /v1/streams/a/b/readings HTTP/1.1'), 404],
  [
    'RFC 9112 §3',
    'a target of 8 000 bytes, which is read to its end and says too much,',
    post(`POST ${path}?${'x'.repeat(7_900)} HTTP/1.1`),
    404,
  ],
  ['RFC 3986 §2.1', 'a path with half a byte', post('POST /v1/streams/%7/readings HTTP/1.1'), 404],
];

test('what a server must refuse is refused, and nothing is stored', async (context) => {
  const gate = await OpenFront.open(context);
  const leaf = await gate.device('truck-17');
  for (const [clause, what, bytes, status, more = clock] of refused) {
    await context.test(`${clause}: ${what}: ${status}`, async () => {
      const answer = await answered(gate, leaf, bytes);
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), answer);
      assert.match(answer, more);
      assert.deepEqual(await gate.stored(), []);
    });
  }
});

test('RFC 9110 §9.3.2: HEAD is answered as GET is, without the content', async (context) => {
  const gate = await OpenFront.open(context);
  const leaf = await gate.device('operator-1', { kind: 'operator' });
  for (const path of ['/v1/readings', '/v1/verdicts?follow=1']) {
    const head = await answered(gate, leaf, `HEAD ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    assert.match(head, /^HTTP\/1\.1 200 /);
    assert.match(head, /\r\ncontent-type: application\/json\r\n/i);
    assert.ok(head.endsWith('\r\n\r\n'), head);
  }
});
