import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Link } from '@portcullis/device';
import { relay } from './relay.ts';

const link = { request: () => assert.fail('nothing is relayed') } as unknown as Link;
const asked = (path: string, body: string) =>
  relay({ path, from: '192.0.2.1', body: Buffer.from(body) }, { authority: 'https://localhost', link, relayMs: 1_000 });

test('what does not fit is not relayed, and says the first thing that does not', async () => {
  for (const [body, said] of [
    ['{', /: the body, as JSON: /],
    ['[]', /: the body, as JSON: /],
    ['{"token": 1}', /: proofKey: /],
    [JSON.stringify({ ['x'.repeat(5_000)]: 1 }), /^.{0,260}$/],
  ] as const)
    await assert.rejects(asked('/v1/enrolments', body), { code: 'request_malformed', message: said });
});
