import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { AppliedReport, LeaseRequest, PortcullisError, type SubjectId } from '@portcullis/contract';
import type { Link } from '@portcullis/device';
import { z } from 'zod';
import { until } from '../../../test/open-front.ts';
import { Lease } from '../../replica/replica.ts';
import { createLog, realSystem } from '../../telemetry/telemetry.ts';
import { Leasing } from './leasing.ts';

const hash = 'a'.repeat(64);
const later = {
  ...({ pruneWaits: true, clockAheadMs: true, refusedMost: true, twoPlaces: true } as const),
  ...({ missing: true, advised: true } as const),
};
const counters = LeaseRequest.shape.counters.omit(later);
/** What version 0.1.0 takes: strictly that. */
const earlier: Record<string, z.ZodType> = {
  '/v1/leases': LeaseRequest.omit({ mqtt: true }).extend({ counters }),
  '/v1/reports': AppliedReport.omit({ hash: true }),
  '/v1/leases/release': z.unknown(),
};

/** An authority that refuses by name what it does not know, as its API does. */
class EarlierAuthority {
  readonly taken: { path: string; body: Record<string, unknown> }[] = [];
  refused = 0;

  async request({ url, body }: { url: string; body?: string }) {
    const path = new URL(url).pathname;
    const given = JSON.parse(body as string) as Record<string, unknown>;
    const [issue] = earlier[path]?.safeParse(given).error?.issues ?? [];
    if (!issue) {
      this.taken.push({ path, body: given });
      return answer(200, { granted: true, leaseMs: 400 });
    }
    this.refused++;
    const detail = `${['body', ...issue.path].join('.')}: ${issue.message}`;
    return answer(400, { type: 'about:blank', title: 'x', status: 400, reason: 'request_malformed', detail });
  }
}

const answer = (status: number, body: object) => ({ status, headers: {}, body: Buffer.from(JSON.stringify(body)) });

function leasingAt(context: TestContext, authority: EarlierAuthority) {
  const lease = new Lease(realSystem);
  const leasing = new Leasing({
    authority: 'https://localhost',
    instance: '0'.repeat(32),
    lease,
    link: () => authority as unknown as Link,
    log: createLog({ role: 'gate', level: 'error' }),
    beforeAsking: () => undefined,
    state: () => ({
      ...{ applied: 7, hash, connectionsClosed: 0, clock: 1, url: 'https://localhost:1', mqtt: 'mqtts://localhost:2' },
      counters: {
        ...{ connections: 0, admitted: 0, refused: 0, overruns: 0, unproven: 0 },
        ...{ policy: 1, policyRefused: false, pruneWaits: 40_000, clockAheadMs: 400_000, advised: [null] },
        refusedMost: [{ subject: 'truck-17' as SubjectId, perMinute: 1, reason: 'stream_unknown' }],
        twoPlaces: [],
        missing: [{ subject: 'truck-17' as SubjectId, readings: 1, since: '2026-01-01T00:00:00.000Z' }],
      },
    }),
    onBundle: () => undefined,
    follows: () => true,
  });
  context.after(() => leasing.release());
  return { lease, leasing };
}

test('an authority of version 0.1.0 grants leases and takes reports: what it does not know is left out once it said so', async (context) => {
  const authority = new EarlierAuthority();
  const { lease, leasing } = leasingAt(context, authority);
  leasing.start();
  await until(() => authority.taken.length >= 3, 'it is granted three leases');
  assert.equal(lease.holds(), true);
  assert.equal(authority.refused, 2, 'the renewals after the first are right at once');
  leasing.report({ applied: 8, hash, connectionsClosed: 1 });
  await until(() => authority.taken.some(({ path }) => path === '/v1/reports'), 'a report is taken');
  assert.equal(authority.refused, 3);
  leasing.report({ applied: 9, hash, connectionsClosed: 1 });
  await until(() => authority.taken.filter(({ path }) => path === '/v1/reports').length === 2, 'the next one too');
  assert.equal(authority.refused, 3);
});

test('a renewal that failed is tried again soon and not a quarter of the lease later; where more fail the tries are further apart', async (context) => {
  const tries: number[] = [];
  let fails = 1;
  const authority = {
    request: async () => {
      tries.push(realSystem.monotonic());
      if (tries.length > 1 && fails-- > 0) throw new PortcullisError('server_unreachable', 'ECONNRESET');
      return answer(200, { granted: true, leaseMs: 60_000 });
    },
  };
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { leasing } = leasingAt(context, authority as unknown as EarlierAuthority);
  const tried = async (count: number) => {
    for (let turn = 0; turn < 200 && tries.length < count; turn++) await new Promise(setImmediate);
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    return tries.length;
  };
  leasing.start();
  assert.equal(await tried(1), 1);
  context.mock.timers.tick(15_000);
  assert.equal(await tried(2), 2, 'it fails');
  context.mock.timers.tick(250);
  assert.equal(await tried(3), 3, 'and is granted');
  fails = 3;
  context.mock.timers.tick(14_999);
  assert.equal(await tried(4), 3);
  context.mock.timers.tick(1);
  assert.equal(await tried(4), 4);
  for (const [index, waitMs] of [250, 500, 1_000].entries()) {
    context.mock.timers.tick(waitMs - 1);
    assert.equal(await tried(5 + index), 4 + index);
    context.mock.timers.tick(1);
    assert.equal(await tried(5 + index), 5 + index);
  }
});
