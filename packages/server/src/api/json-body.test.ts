import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Problem, ReasonText } from '@portcullis/contract';
import { z } from 'zod';
import type { Rooms } from './route.ts';
import { route } from './route.ts';
import { makeServer } from './server.ts';

const Body = z.strictObject({ set: z.record(z.string(), z.unknown()).optional(), reason: ReasonText.optional() });
const echo = route({
  ...{ method: 'POST', path: '/v1/echo', kinds: [], uses: [], summary: 'What came' },
  schemas: { body: Body },
  handle: async (_rooms, { body }) => body,
});

async function post(
  body: string | Buffer,
  type = 'application/json',
  more: Record<string, string> = {},
  url = '/v1/echo',
) {
  const server = await makeServer({ log: { error() {} } } as unknown as Rooms, [echo], {} as never);
  const { statusCode, payload, headers } = await server.inject({
    ...{ method: 'POST', url, payload: body },
    headers: { 'content-type': type, ...more },
  });
  await server.close();
  return { status: statusCode, headers, payload, detail: (JSON.parse(payload) as Problem).detail ?? '' };
}

const refused: [string, string | Buffer, RegExp][] = [
  [
    'a number that no double holds',
    '{"set":{"iccid":8944110068256270054}}',
    /8944110068256270054 .*write it as a string/,
  ],
  ['one that is too large', '{"set":{"n":[1e400]}}', /more than a number can be/],
  ['a member twice', '{"set":{"a":1,"a":2}}', /"a" stands twice/],
  ['half a character', '{"reason":"\\ud800"}', /surrogate/],
  ['another character set', Buffer.from('{"reason":"Tür"}', 'latin1'), /not UTF-8/],
  ['a prototype', '{"__proto__":{"set":{}}}', /^body: the member "__proto__" is reserved$/],
  ['a prototype within', '{"set":{"__proto__":7,"site":"kiel"}}', /^body: the member "__proto__" is reserved$/],
  ['a prototype in escapes', '{"set":{"\\u005f_proto__":7}}', /^body: the member "__proto__" is reserved$/],
  ['no JSON', '{', /body/],
  ['nothing', '', /./],
];
for (const [what, body, words] of refused) {
  test(`a body with ${what} is refused`, async () => {
    const { status, detail } = await post(body);
    assert.equal(status, 400, detail);
    assert.match(detail, words);
  });
}

test('what a double holds is taken, however it is written', async () => {
  const { status, payload } = await post('{"set":{"a":0.1,"b":1.10,"c":-0,"d":1E2,"e":"8944110068256270054"}}');
  assert.deepEqual([status, payload], [200, '{"set":{"a":0.1,"b":1.1,"c":0,"d":100,"e":"8944110068256270054"}}']);
});

test('another media type is none of this listener', async () => {
  assert.equal((await post('{}', 'text/plain')).status, 415);
});

test('RFC 9110 §8.4: a body is taken as it is, and what is compressed is refused with what is taken', async () => {
  assert.equal((await post('{}', 'application/json', { 'content-encoding': 'identity' })).status, 200);
  const { status, headers } = await post('{}', 'application/json', { 'content-encoding': 'gzip' });
  assert.deepEqual([status, headers['accept-encoding']], [415, 'identity']);
});

test('a target that is no URL is refused as everything else is', async () => {
  const { status, payload, headers } = await post('{}', 'application/json', {}, '/v1/%zz');
  assert.equal(status, 400);
  assert.match(String(headers['content-type']), /^application\/problem\+json/);
  assert.equal((JSON.parse(payload) as Problem).reason, 'request_malformed');
});
