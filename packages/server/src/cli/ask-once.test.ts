import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FailureCode, failures, PortcullisError } from '@portcullis/contract';
import type { Link, LinkAnswer } from '@portcullis/device/client';
import { askOnce } from './ask-once.ts';

const answer = (status: number, body: unknown = {}): LinkAnswer => ({
  ...{ status, headers: {}, body: Buffer.from(JSON.stringify(body)) },
});
const refusal = (code: FailureCode) => {
  const { status, title } = failures[code];
  return answer(status, { type: 'about:blank', title, status, reason: code, detail: title });
};
const away = (begun: boolean) => new PortcullisError('server_unreachable', 'nobody answers', { detail: { begun } });
const done = answer(200, { revision: 4 });

/** What comes of each try; the last again and again, while the clock runs a second each time that somebody looks. */
function asking(outcomes: (LinkAnswer | PortcullisError)[], isOneOfMany = true) {
  const keys: (string | undefined)[] = [];
  let clock = 0;
  const link = {
    async request({ headers }: Parameters<Link['request']>[0]) {
      keys.push(headers?.['idempotency-key']);
      const outcome = outcomes[Math.min(keys.length, outcomes.length) - 1] as LinkAnswer | PortcullisError;
      if (outcome instanceof PortcullisError) throw outcome;
      return outcome;
    },
  };
  const system = { random: (bytes: number) => Buffer.alloc(bytes, 7), monotonic: () => (clock += 1_000) };
  return { keys, answer: askOnce(link, { url: 'https://a', body: '{}', isOneOfMany }, system) };
}

test('rule 17: a change whose answer is lost is asked for again by the same id, until somebody leads and answers', async () => {
  const { keys, answer: asked } = asking([away(true), away(false), refusal('not_leader'), done]);
  assert.equal(await asked, done);
  assert.deepEqual(keys, new Array(4).fill('07'.repeat(16)));
});

test('of several authorities the next leader is waited for; of one a refusal is the answer', async () => {
  for (const code of ['not_leader', 'authority_stopping', 'store_unavailable'] as const) {
    assert.equal(await asking([refusal(code), done]).answer, done);
    await assert.rejects(asking([refusal(code), done], false).answer, { code });
  }
});

test('where nobody listens, and where the change is refused, it is asked for once', async () => {
  for (const [failed, code] of [
    [away(false), 'server_unreachable'],
    [refusal('disk_full'), 'disk_full'],
  ] as const) {
    const { keys, answer: asked } = asking([failed, done]);
    await assert.rejects(asked, { code });
    assert.equal(keys.length, 1);
  }
  const refused = refusal('precondition_failed');
  assert.equal(await asking([refused]).answer, refused);
});

test('it gives up after a while, and says what it saw last', async () => {
  const { keys, answer: asked } = asking([away(true)]);
  await assert.rejects(asked, { code: 'server_unreachable' });
  assert.ok(keys.length > 2 && keys.length < 40);
});
