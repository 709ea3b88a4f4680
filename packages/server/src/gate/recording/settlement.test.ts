import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Link } from '@portcullis/device';
import { Lease } from '../../replica/replica.ts';
import type { JudgedBy, Looked, Sink } from '../../storage/sink.ts';
import { createLog } from '../../telemetry/telemetry.ts';
import { settleLastBatches } from './settlement.ts';

/** A sink with two batches of a process that died, and an authority that knows of no receipt against them. */
function scene(
  atMark: (lease: Lease, clock: { now: number }) => void,
  { head, refuse = () => false }: { head?: JudgedBy; refuse?(body: string): boolean } = {},
) {
  const clock = { now: 0 };
  const lease = new Lease({ monotonic: () => clock.now, now: () => clock.now });
  lease.granted(lease.sending(), 1_000);
  const done: string[] = [];
  const sink = {
    unsettled: async () =>
      [1, 2].map((batch) => ({ batch, instance: 'x', judgedAt: 1, ...(head && { head }), subjects: ['truck-17'] })),
    async mark({ looked, proven }: Looked) {
      done.push(`readable to ${looked}, proven to ${proven}`);
      atMark(lease, clock);
    },
    async settle(batch: number, proof: string) {
      done.push(`${batch} ${proof}`);
    },
  } as unknown as Sink;
  const answer = { batches: [1, 2].map((batch) => ({ batch, proven: true })) };
  const told = (status: number, body: object) => ({ status, headers: {}, body: Buffer.from(JSON.stringify(body)) });
  const detail = 'body.batches.0: Unrecognized key: "head"';
  const unknown = { type: 'about:blank', title: 'malformed', status: 400, reason: 'request_malformed', detail };
  const request = async ({ body }: { body: string }) => (refuse(body) ? told(400, unknown) : told(200, answer));
  const parts = { authority: 'https://authority', instance: 'x', sink, lease };
  const log = createLog({ role: 'gate', level: 'silent' });
  return { done, settle: () => settleLastBatches({ ...parts, log, link: { request } as unknown as Link }) };
}

test('P7: what is settled as proven was readable, as unproven, while the lease still held', async () => {
  const { done, settle } = scene(() => undefined);
  await settle();
  assert.deepEqual(done, ['readable to 2, proven to 0', '1 proven', '2 proven']);
});

for (const [what, atMark] of [
  ['ends', (_lease: Lease, clock: { now: number }) => (clock.now = 2_000)],
  [
    'ends and another begins',
    (lease: Lease, clock: { now: number }) => {
      clock.now = 2_000;
      lease.granted(lease.sending(), 1_000);
    },
  ],
] as const) {
  test(`P7: where the lease ${what} before it is known that the rows are readable, they stay unproven`, async () => {
    const { done, settle } = scene((lease, clock) => void atMark(lease, clock));
    await settle();
    assert.deepEqual(done, ['readable to 2, proven to 0', '1 unproven', '2 unproven']);
  });
}

test('an authority of an earlier version, which knows of no heads, settles without', async () => {
  const asked: string[] = [];
  const { done, settle } = scene(() => undefined, {
    head: { revision: 1, hash: 'a'.repeat(64) },
    refuse: (body) => {
      asked.push(body);
      return body.includes('"head"');
    },
  });
  await settle();
  assert.deepEqual(
    asked.map((body) => body.includes('"head"')),
    [true, false],
  );
  assert.deepEqual(done, ['readable to 2, proven to 0', '1 proven', '2 proven']);
});
