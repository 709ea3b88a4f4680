/** RFC 9112 as bytes: what is a request, what is none, and that neither depends on how the bytes are cut. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heardByNode, heardHere } from '../../../../../test/heard-requests.ts';

const bytesOf = (text: string) => Buffer.from(text, 'latin1');
const host = 'host: x\r\n';
const post = (fields: string, body = '') => `POST /a HTTP/1.1\r\n${host}${fields}\r\n${body}`;
const chunked = (body: string) => post('transfer-encoding: chunked\r\n', body);
const next = `GET /next HTTP/1.1\r\n${host}\r\n`;
/** What would be heard of as a request if the bytes before it were taken for another body. */
const smuggled = `GET /smuggled HTTP/1.1\r\n${host}\r\n`;

type Refused = [what: string, bytes: string, status: number, detail: RegExp, also?: 'node takes it'];

const refused: Refused[] = [
  // The first line: RFC 9112 §3.
  ['no method', ` /a HTTP/1.1\r\n${host}\r\n`, 400, /first line/],
  ['no target', `GET  HTTP/1.1\r\n${host}\r\n`, 400, /first line/],
  ['no version', `GET /a\r\n${host}\r\n`, 400, /first line/, 'node takes it'],
  ['two spaces before the version', `GET /a  HTTP/1.1\r\n${host}\r\n`, 400, /first line/, 'node takes it'],
  ['a space behind the version', `GET /a HTTP/1.1 \r\n${host}\r\n`, 400, /first line/],
  ['a tab in place of a space', `GET\t/a HTTP/1.1\r\n${host}\r\n`, 400, /first line/],
  ['a control character in the target', `GET /a\x01 HTTP/1.1\r\n${host}\r\n`, 400, /control character, 0x01/],
  ['a byte beyond ASCII in the target', `GET /\xe4 HTTP/1.1\r\n${host}\r\n`, 400, /first line/],
  ['a target without a slash', `GET ok HTTP/1.1\r\n${host}\r\n`, 400, /must begin with "\/"/],
  ['a target with a user', `GET https://a@x/b HTTP/1.1\r\n${host}\r\n`, 400, /must begin with/, 'node takes it'],
  ['a target of another scheme', `GET ftp://x/b HTTP/1.1\r\n${host}\r\n`, 400, /must begin with/, 'node takes it'],
  ['a method with a bracket', `G(T /a HTTP/1.1\r\n${host}\r\n`, 400, /first line/],
  ['a method in lower case', `get /a HTTP/1.1\r\n${host}\r\n`, 501, /method is unknown/],
  ['a method of WebDAV', `PROPFIND /a HTTP/1.1\r\n${host}\r\n`, 501, /method is unknown/, 'node takes it'],
  ['a tunnel', `CONNECT x:443 HTTP/1.1\r\n${host}\r\n`, 501, /method is unknown/],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505, /"HTTP\/2.0"/],
  ['HTTP/0.9', `GET /a HTTP/0.9\r\n${host}\r\n`, 505, /"HTTP\/0.9"/, 'node takes it'],
  ['HTTP/1.2', `GET /a HTTP/1.2\r\n${host}\r\n`, 505, /"HTTP\/1.2"/],
  ['a version of two digits', `GET /a HTTP/1.10\r\n${host}\r\n`, 400, /first line/],
  ['a version in lower case', `GET /a http/1.1\r\n${host}\r\n`, 400, /first line/],
  ['another protocol', `GET /a RTSP/1.0\r\n${host}\r\n`, 400, /first line/, 'node takes it'],
  ['two empty lines before it', `\r\n\r\nGET /a HTTP/1.1\r\n${host}\r\n`, 400, /empty line/, 'node takes it'],
  // Lines: §2.2 and §5.
  ['a line that ends with a line feed alone', `GET /a HTTP/1.1\n${host}\r\n`, 400, /without a carriage return/],
  ['a header that ends so', 'GET /a HTTP/1.1\r\nhost: x\n\r\n', 400, /without a carriage return/],
  ['a head that ends so', 'GET /a HTTP/1.1\r\nhost: x\r\n\n', 400, /without a carriage return/],
  ['a carriage return alone', `GET /a HTTP/1.1\r\n${host}x: a\rb: c\r\n\r\n`, 400, /carriage return stands within/],
  ['a nought byte in a value', `GET /a HTTP/1.1\r\n${host}x: a\0b\r\n\r\n`, 400, /control character, 0x00/],
  ['a deleted letter in a value', `GET /a HTTP/1.1\r\n${host}x: a\x7fb\r\n\r\n`, 400, /control character, 0x7f/],
  ['a folded header', `GET /a HTTP/1.1\r\n${host}x: a\r\n b\r\n\r\n`, 400, /folded/],
  ['one that is folded by a tab', `GET /a HTTP/1.1\r\n${host}x: a\r\n\tb\r\n\r\n`, 400, /folded/],
  ['white space before the first header', `GET /a HTTP/1.1\r\n ${host}\r\n`, 400, /folded/],
  ['white space before a colon', 'GET /a HTTP/1.1\r\nhost : x\r\n\r\n', 400, /before the colon/],
  ['a header without a name', `GET /a HTTP/1.1\r\n${host}: a\r\n\r\n`, 400, /name: value/],
  ['a header without a colon', `GET /a HTTP/1.1\r\n${host}x\r\n\r\n`, 400, /name: value/],
  ['a name that is no token', `GET /a HTTP/1.1\r\n${host}x(y): a\r\n\r\n`, 400, /name: value/],
  ['a name beyond ASCII', `GET /a HTTP/1.1\r\n${host}\xe4: a\r\n\r\n`, 400, /name: value/],
  ['101 headers', `GET /a HTTP/1.1\r\n${host}${'x: a\r\n'.repeat(100)}\r\n`, 431, /100 headers/, 'node takes it'],
  ['a head of 16 KiB', `GET /a HTTP/1.1\r\n${host}x: ${'a'.repeat(16_384)}\r\n\r\n`, 431, /16384 bytes/],
  ['a target of 16 KiB', `GET /${'a'.repeat(16_384)} HTTP/1.1\r\n${host}\r\n`, 431, /16384 bytes/],
  // Whom it is for: §3.2.
  ['no host', 'GET /a HTTP/1.1\r\n\r\n', 400, /no host/],
  ['two hosts', `GET /a HTTP/1.1\r\n${host}${host}\r\n`, 400, /"host" stands there twice/, 'node takes it'],
  ['two hosts, one in capitals', `GET /a HTTP/1.1\r\n${host}HOST: y\r\n\r\n`, 400, /twice/, 'node takes it'],
  ['a host with a path', 'GET /a HTTP/1.1\r\nhost: x/y\r\n\r\n', 400, /no name or address/, 'node takes it'],
  ['a host with a user', 'GET /a HTTP/1.1\r\nhost: a@x\r\n\r\n', 400, /no name or address/, 'node takes it'],
  ['a list of hosts', 'GET /a HTTP/1.1\r\nhost: x, y\r\n\r\n', 400, /no name or address/, 'node takes it'],
  // Where the body ends: §6.
  ['two lengths', post('content-length: 5\r\ncontent-length: 6\r\n', `12345${smuggled}`), 400, /twice/],
  ['the same length twice', post('content-length: 5\r\ncontent-length: 5\r\n', '12345'), 400, /twice/],
  ['a list of lengths', post('content-length: 5, 5\r\n', '12345'), 400, /no number of bytes/],
  ['a length with a sign', post('content-length: +5\r\n', '12345'), 400, /no number of bytes/],
  ['a length below nought', post('content-length: -5\r\n', '12345'), 400, /no number of bytes/],
  ['a length with a space', post('content-length: 5 5\r\n', '12345'), 400, /no number of bytes/],
  ['an empty length', post('content-length: \r\n', '12345'), 400, /no number of bytes/],
  ['a length in hexadecimal', post('content-length: 0x5\r\n', '12345'), 400, /no number of bytes/],
  ['a length with a fraction', post('content-length: 5.0\r\n', '12345'), 400, /no number of bytes/],
  ['a length with an exponent', post('content-length: 1e1\r\n', '12345'), 400, /no number of bytes/],
  ['a length beyond 2^53', post('content-length: 9007199254740993\r\n', '1'), 400, /no number of bytes/],
  ['a length beyond 2^64', post('content-length: 18446744073709551621\r\n', '12345'), 400, /no number of bytes/],
  [
    'a length and chunks',
    post('content-length: 5\r\ntransfer-encoding: chunked\r\n', `0\r\n\r\n${smuggled}`),
    400,
    /one of them/,
  ],
  [
    'chunks and a length',
    post('transfer-encoding: chunked\r\ncontent-length: 5\r\n', `0\r\n\r\n${smuggled}`),
    400,
    /one of them/,
  ],
  ['another coding', post('transfer-encoding: gzip\r\n', smuggled), 400, /must be "chunked"/],
  [
    'another coding before chunks',
    post('transfer-encoding: gzip, chunked\r\n', '0\r\n\r\n'),
    400,
    /chunked/,
    'node takes it',
  ],
  ['chunks twice in one list', post('transfer-encoding: chunked, chunked\r\n', '0\r\n\r\n'), 400, /chunked/],
  ['chunks in two headers', post('transfer-encoding: chunked\r\n'.repeat(2), '0\r\n\r\n'), 400, /twice/],
  ['nearly chunks', post('transfer-encoding: xchunked\r\n', '0\r\n\r\n'), 400, /chunked/],
  ['chunks with a parameter', post('transfer-encoding: chunked;a=b\r\n', '0\r\n\r\n'), 400, /chunked/],
  ['quoted chunks', post('transfer-encoding: "chunked"\r\n', '0\r\n\r\n'), 400, /chunked/],
  ['chunks behind a vertical tab', post('transfer-encoding: \x0bchunked\r\n', '0\r\n\r\n'), 400, /0x0b/],
  [
    'chunks of HTTP/1.0',
    'POST /a HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
    /HTTP\/1.0/,
    'node takes it',
  ],
  [
    'two content types',
    post('content-type: a/b\r\ncontent-type: c/d\r\n'),
    400,
    /"content-type" .* twice/,
    'node takes it',
  ],
  ['an expectation that nobody knows', post('expect: gold\r\n'), 417, /100-continue/],
  // Chunks: §7.1.
  ['a chunk without a size', chunked('\r\n'), 400, /no size/],
  ['a size with a sign', chunked('+1\r\na\r\n0\r\n\r\n'), 400, /no size/],
  ['a size with 0x', chunked('0x1\r\na\r\n0\r\n\r\n'), 400, /no number/],
  ['a size behind white space', chunked(' 1\r\na\r\n0\r\n\r\n'), 400, /no size/],
  ['a size before white space', chunked('1 \r\na\r\n0\r\n\r\n'), 400, /no number/],
  ['a size that ends with a line feed', chunked('1\na\r\n0\r\n\r\n'), 400, /no number/],
  ['a size beyond all bodies', chunked('80000000\r\na'), 400, /larger than any body/],
  ['a size beyond 2^64', chunked('10000000000000001\r\na\r\n0\r\n\r\n'), 400, /larger than any body/],
  ['a carriage return in the line of a chunk', chunked('1;a\rb\r\na\r\n0\r\n\r\n'), 400, /carriage return/],
  ...[';', ';;', ';,a', '; a', ';a ', ';a==', ';a="', ';a="\0"', ';a="b"c', ';a\nb', ';a="\n"', ';a=b c'].map(
    (said): Refused => [
      `a chunk of which is said ${JSON.stringify(said)}`,
      chunked(`1${said}\r\na\r\n0\r\n\r\n`),
      400,
      /";name=value"/,
    ],
  ),
  ['an extension that is said to be nothing', chunked('1;a=\r\na\r\n0\r\n\r\n'), 400, /";name=value"/, 'node takes it'],
  ['a long extension', chunked(`1;${'a'.repeat(300)}\r\na\r\n0\r\n\r\n`), 400, /256 bytes/, 'node takes it'],
  ['many noughts before a size', chunked(`${'0'.repeat(300)}1\r\na\r\n0\r\n\r\n`), 400, /256 bytes/, 'node takes it'],
  ['a chunk that is longer than it said', chunked('1\r\nab\r\n0\r\n\r\n'), 400, /end of its line/],
  ['a chunk that ends with a line feed', chunked('1\r\na\n0\r\n\r\n'), 400, /end of its line/],
  ['a trailer that is folded', chunked('0\r\nx: a\r\n b\r\n\r\n'), 400, /trailer/],
  ['a trailer that tells a length', chunked(`0\r\nContent-Length: 9\r\n\r\n`), 400, /"content-length" is no trailer/],
  ['a trailer that tells a coding', chunked(`0\r\ntransfer-encoding: chunked\r\n\r\n`), 400, /is no trailer/],
  ['a trailer without a colon', chunked('0\r\nx\r\n\r\n'), 400, /trailer/],
  ['a trailer that ends with a line feed', chunked('0\r\nx: a\n\r\n'), 400, /trailer/],
  ['long trailers', chunked(`0\r\nx: ${'a'.repeat(5_000)}\r\n\r\n`), 400, /4096 bytes/, 'node takes it'],
];

for (const [what, text, status, detail, also] of refused) {
  test(`${what} is no request: ${status}`, async () => {
    const bytes = bytesOf(text + next);
    const heard = await heardHere(bytes);
    assert.deepEqual([heard.refused, heard.requests, heard.isOpen], [status, [], false]);
    assert.match(heard.detail ?? '', detail);
    // Where a long one is cut says nothing that a place of the short ones does not.
    const places = Array.from({ length: Math.min(text.length, 200) }, (_, at) => at + 1);
    for (const at of places) assert.deepEqual(await heardHere(bytes, [at]), heard, `cut at ${at}`);
    assert.deepEqual(await heardHere(bytes, places), heard, 'byte by byte');
    const { requests } = await heardByNode(bytes);
    assert.equal(
      requests.some(({ url }) => url !== '/next'),
      also !== undefined,
      `Node: ${JSON.stringify(requests)}`,
    );
  });
}

const body = '{"t":1}';
const paths = ['/a', '/a?b=c&d', '*', 'https://x/a', '/%41', '/a;b,c:d@e!f$g\'h(i)*j+k~l|m^n`o{p}q\\r"s<t>u#v[w]'];
const accepted: [what: string, text: string][] = [
  ['a value that is the name of a header which comes after it', post('x: content-type\r\ncontent-type: a/b\r\n')],
  ...paths.map((path): [string, string] => [`the target ${path}`, `GET ${path} HTTP/1.1\r\n${host}\r\n`]),
  ...['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'].map((method): [string, string] => [
    method,
    `${method} /a HTTP/1.1\r\n${host}\r\n`,
  ]),
  ...['', 'x:8443', '127.0.0.1', '[::1]:8443', 'x_y.example'].map((name): [string, string] => [
    `the host "${name}"`,
    `GET /a HTTP/1.1\r\nhost: ${name}\r\n\r\n`,
  ]),
  ['an empty line before it', `\r\nGET /a HTTP/1.1\r\n${host}\r\n`],
  ['names in capitals', `POST /a HTTP/1.1\r\nHOST: x\r\nContent-LENGTH: 7\r\n\r\n${body}`],
  ['white space around values', `GET /a HTTP/1.1\r\nhost:\t x \t\r\nx:  a\tb c  \r\ny:\r\n\r\n`],
  ['a value beyond ASCII', `GET /a HTTP/1.1\r\n${host}x: \xe4\xff\x80\r\n\r\n`],
  ['every letter of a name', `GET /a HTTP/1.1\r\n${host}!#$%&'*+-.^_\`|~09AZaz: a\r\n\r\n`],
  ['a name of objects', `GET /a HTTP/1.1\r\n${host}__proto__: a\r\nconstructor: b\r\n\r\n`],
  ['100 headers', `GET /a HTTP/1.1\r\n${host}${'x: a\r\n'.repeat(99)}\r\n`],
  ['a head of nearly 16 KiB', `GET /a HTTP/1.1\r\n${host}x: ${'a'.repeat(16_300)}\r\n\r\n`],
  ['no body', post('content-length: 0\r\n')],
  ['a body', post('content-length: 7\r\n', body)],
  ['a length with noughts', post('content-length: 0007\r\n', body)],
  ['a body that looks like a request', post(`content-length: ${smuggled.length}\r\n`, smuggled)],
  ['a body of all bytes', post('content-length: 256\r\n', String.fromCharCode(...Array.from({ length: 256 }).keys()))],
  ['a body of GET', `GET /a HTTP/1.1\r\n${host}content-length: 7\r\n\r\n${body}`],
  ['an expectation', post('expect: 100-Continue\r\ncontent-length: 7\r\n', body)],
  ['one chunk', chunked(`7\r\n${body}\r\n0\r\n\r\n`)],
  ['chunks', chunked('1\r\na\r\nA\r\n0123456789\r\n0\r\n\r\n')],
  ['chunks with line ends', chunked('4\r\n\r\n\r\n\r\n0\r\n\r\n')],
  ['noughts before sizes', chunked('0001\r\na\r\n000\r\n\r\n')],
  ['extensions', chunked('1;a=b;c="d e;\\r\\n";f\r\na\r\n0;x\r\n\r\n')],
  ['trailers', chunked('1\r\na\r\n0\r\nx: a\r\ny:\r\n\r\n')],
  ['no chunk', chunked('0\r\n\r\n')],
];

for (const [what, text] of accepted) {
  test(`${what} is read as Node reads it, whole and in pieces`, async () => {
    const bytes = bytesOf(text + next);
    const heard = await heardHere(bytes);
    assert.deepEqual(heard.requests, (await heardByNode(bytes)).requests);
    assert.deepEqual([heard.requests.length, heard.requests[1]?.url, heard.refused], [2, '/next', undefined]);
    const places = Array.from({ length: Math.min(text.length, 400) }, (_, at) => at + 1);
    for (const at of places) assert.deepEqual(await heardHere(bytes, [at]), heard, `cut at ${at}`);
    assert.deepEqual(await heardHere(bytes, places), heard, 'byte by byte');
  });
}

for (const [what, text] of [
  ['its sender says so', `GET /a HTTP/1.1\r\n${host}connection: x, Close\r\n\r\n`],
  ['its sender speaks HTTP/1.0', 'GET /a HTTP/1.0\r\n\r\n'],
  ['its sender speaks HTTP/1.0 and would like to go on', 'GET /a HTTP/1.0\r\nconnection: keep-alive\r\n\r\n'],
] as const) {
  test(`a connection ends with an answer when ${what}, and what stands behind is not read`, async () => {
    const { requests, answers, isOpen } = await heardHere(bytesOf(text + next));
    assert.deepEqual([requests.length, isOpen], [1, false]);
    assert.match(answers, /^HTTP\/1\.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n$/);
  });
}

test('RFC 9110 §7.8: an offer of another protocol is not taken, and the connection goes on', async () => {
  const offer = post('upgrade: h2c\r\nconnection: upgrade\r\ncontent-length: 7\r\n', body);
  const { requests } = await heardHere(bytesOf(offer + next));
  assert.deepEqual(
    requests.map(({ url }) => url),
    ['/a', '/next'],
  );
});
