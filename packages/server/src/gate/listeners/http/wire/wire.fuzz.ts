/** Requests and what is nearly so, cut to pieces in any way: what is read does not depend on the cuts, and what is taken for a request Node's own reader takes for the same. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { heardByNode, heardHere } from '../../../../../test/heard-requests.ts';

/** Mostly as it should be: of a text with many faults only the first is ever looked at. */
const mostly = (right: string[], ...wrong: string[]) =>
  fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...right) },
    { weight: 1, arbitrary: fc.constantFrom(...right, ...wrong) },
  );

const method = mostly(['POST', 'GET', 'HEAD'], 'PUT', 'OPTIONS', 'MINT', 'CONNECT', 'post', '');
const gap = mostly([' '], '  ', '\t');
const target = mostly(['/a', '/a?b=%20', 'https://x/a'], '*', '//', '', '/a b', '/ä', '/a\t', 'a');
const version = mostly(['HTTP/1.1'], 'HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1', '');
const lineEnd = mostly(['\r\n'], '\n', '\r', '\r\r\n', '\n\r', '\r\n ', '\0');
const size = mostly(
  ['5', '3', '05'],
  '0',
  '+5',
  '-1',
  '0x5',
  '5 ',
  ' 5',
  '5,5',
  '5, 5',
  'a',
  '1e1',
  '5.0',
  '',
  '9'.repeat(20),
);
const coding = mostly(
  ['chunked', 'Chunked'],
  'gzip',
  'chunked, chunked',
  'gzip, chunked',
  'identity',
  '"chunked"',
  'chunked;q=1',
  '\x0bchunked',
);
const field = fc.oneof(
  mostly(['x: a\tb ', 'y:'], 'host: x', 'Host: y', 'host : x', ' host: x', 'x', ': x', 'x: \0', 'é: x', 'x : y'),
  mostly(['connection: keep-alive', 'expect: 100-continue'], 'connection: close', 'expect: x'),
  size.map((value) => `content-length: ${value}`),
  coding.map((value) => `Transfer-Encoding:${value}`),
);
const chunk = fc
  .tuple(
    mostly(
      ['1\r\na', '3;a=b\r\nabc', '05\r\nabcde', 'c\r\na\r\n0\r\n\r\nabc'],
      '5\r\nabc',
      '1\r\nabc',
      '+1\r\na',
      '1 \r\na',
      '1;\0\r\na',
      '1\na',
      '0x1\r\na',
      '-1\r\na',
    ),
    lineEnd,
  )
  .map((parts) => parts.join(''));
const chunks = fc
  .tuple(
    fc.array(chunk, { maxLength: 3 }),
    mostly(['0\r\n\r\n', '0\r\nx: a\r\n\r\n'], '0\r\nhost: y\r\n\r\n', '0\r\n', '', '0\n\n', '0\r\n\n'),
  )
  .map(([before, end]) => before.join('') + end);
/** With the field that says how long it is, in more or less the right way. */
const framed = fc.oneof(
  size.map((value): [string, string] => [`content-length: ${value}\r\n`, 'abcde']),
  fc.tuple(coding, chunks).map(([value, body]): [string, string] => [`transfer-encoding: ${value}\r\n`, body]),
  fc.constant<[string, string]>(['', '']),
);
const wellFormed = fc
  .tuple(fc.constantFrom('GET', 'POST'), fc.constantFrom('', 'x: y\r\n', 'content-length: 5\r\n'))
  .map(([name, more]) => `${name} /ok HTTP/1.1\r\nhost: x\r\n${more}\r\n${more.startsWith('content') ? 'abcde' : ''}`);
const fields = fc.array(fc.tuple(field, lineEnd), { maxLength: 2 }).map((all) => all.flat().join(''));
const nearly = fc
  .tuple(method, gap, target, version, fields, lineEnd, framed)
  .map(
    ([name, between, url, of, more, end, [says, body]]) =>
      `${name}${between}${url} ${of}\r\nhost: x\r\n${more}${says}${end}${body}`,
  );
/** One byte of it is another, is gone, or is there twice. */
const spoilt = fc
  .tuple(
    fc.oneof(wellFormed, nearly),
    fc.nat(),
    fc.constantFrom('', '\r', '\n', '\0', ' ', ':', ',', ';', '\x7f', 'ÿ', '0'),
    fc.nat({ max: 2 }),
  )
  .map(([text, at, by, taken]) => {
    const place = at % text.length;
    return text.slice(0, place) + by + text.slice(place + taken);
  });

export const bytesOfRequests = fc
  .array(fc.oneof(wellFormed, nearly, spoilt), { minLength: 1, maxLength: 4 })
  .map((texts) => Buffer.from(texts.join(''), 'latin1'));
const cuts = fc
  .array(fc.nat({ max: 400 }), { maxLength: 6 })
  .map((places) => places.toSorted((one, other) => one - other));

export const wireProperties = {
  'what is read does not depend on how it is cut to pieces': fc.asyncProperty(
    bytesOfRequests,
    cuts,
    async (bytes, places) => {
      const whole = await heardHere(bytes);
      const within = places.filter((at) => at < bytes.length);
      assert.deepEqual(await heardHere(bytes, within), whole);
      assert.deepEqual(await heardHere(bytes, [...bytes.keys()]), whole);
    },
  ),
  'what is taken for requests, Node takes for the same': fc.asyncProperty(bytesOfRequests, async (bytes) => {
    const { requests } = await heardHere(bytes);
    const node = await heardByNode(bytes);
    assert.deepEqual(requests, node.requests.slice(0, requests.length));
  }),
  'any bytes at all are heard without an error': fc.asyncProperty(
    fc.uint8Array({ maxLength: 300 }),
    cuts,
    async (bytes, places) => {
      const heard = await heardHere(
        Buffer.from(bytes),
        places.filter((at) => at < bytes.length),
      );
      assert.deepEqual(heard, await heardHere(Buffer.from(bytes)));
    },
  ),
};
