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

async function post(body: string | Buffer, type = 'application/json') {
  const server = await makeServer({ log: { error() {} } } as unknown as Rooms, [echo], {} as never);
  const { statusCode, payload } = await server.inject({
    ...{ method: 'POST', url: '/v1/echo', payload: body },
    headers: { 'content-type': type },
  });
  await server.close();
  return { status: statusCode, payload, detail: (JSON.parse(payload) as Problem).detail ?? '' };
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
