import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Buckets } from '../bounds/bounds.ts';
import { keyCredentialsRoutes } from './key-credentials.ts';

test('P13: a gate that asks for contexts without end is told so, another one is not; no proxy keeps what it is given', async () => {
  const clock = { now: 0 };
  const keyContexts = new Buckets({ burst: 3, everyMs: 100, monotonic: () => clock.now });
  const keyCredentials = { contextOf: async () => 'a context' };
  const row = keyCredentialsRoutes.find(({ path }) => path === '/v1/key-contexts');
  const headers: unknown[] = [];
  const ask = (subject: string) => {
    const reply = { header: (...header: unknown[]) => headers.push(header) };
    return row?.handle({ keyContexts, keyCredentials } as never, { query: {}, peer: { subject }, reply } as never);
  };
  for (let times = 0; times < 3; times++) assert.equal(await ask('gate-1'), 'a context');
  assert.deepEqual(headers[0], ['cache-control', 'no-store']);
  await assert.rejects(async () => ask('gate-1'), { code: 'rate_limited', detail: { retryAfterSeconds: 1 } });
  assert.equal(await ask('gate-2'), 'a context');
  clock.now += 100;
  assert.equal(await ask('gate-1'), 'a context');
});
