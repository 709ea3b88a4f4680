/** From a reading that is admitted to an edge on the gate's disk, over real TLS. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StreamName } from '@portcullis/contract';
import { OpenFront, until } from '../../../test/open-front.ts';
import type { StreamConfig } from '../policy/policy.ts';

const cold: StreamConfig = {
  kinds: ['device'],
  expect: { status: 'active' },
  schema: { type: 'object', properties: { t: { type: 'number' } }, required: ['t'] },
};
const rules = {
  revision: 3,
  rules: [
    {
      rule: 'cold-chain',
      revision: 3,
      streams: ['cold' as StreamName],
      outside: 'reading.t > 8',
      inside: 'reading.t < 7',
    },
    {
      ...{ rule: 'by-limit', revision: 2, streams: ['cold' as StreamName] },
      ...{ outside: 'reading.t > double(attributes.limit)', inside: null },
    },
  ],
};
const timed = (id: string, t: unknown, time: string) =>
  JSON.stringify({ _id: id, _time: `2026-01-01T00:${time}Z`, _clock: 'synchronized', t });
const ndjson = { stream: 'cold', headers: { 'content-type': 'application/x-ndjson' } };

async function edgesOf(front: OpenFront, rule: string) {
  front.recording.markNow();
  // Once to be readable, once to be proven.
  for (const _ of [1, 2]) await new Promise<void>((resolve) => front.recording.afterCommitInFlight(resolve));
  const { edges } = await front.sink.untold({ newest: true });
  return edges
    .filter((edge) => edge.rule === rule)
    .map(({ reading, side, late, revision }) => [reading, side, late, revision]);
}

test('what is admitted is watched; what is refused, or repeated, is not, and says why nothing comes', async (context) => {
  const front = await OpenFront.open(context, { streams: { cold } });
  front.watching.take(rules);
  const agent = front.agent(
    await front.device('tracker-1', { attributes: { status: { value: 'active' }, limit: { value: 6 } } }),
  );
  context.after(() => agent.destroy());
  const first = [timed('a', 5, '10:00'), timed('b', 7.5, '10:10'), timed('c', 9, '10:20')].join('\n');
  assert.equal((await front.post(agent, first, ndjson)).status, 202);
  assert.equal((await front.post(agent, first, ndjson)).status, 202, 'a repeat');
  assert.equal((await front.post(agent, timed('d', 'warm', '10:30'), { stream: 'cold' })).status, 422);
  assert.equal((await front.post(agent, timed('e', 3, '10:15'), { stream: 'cold' })).status, 202);
  await until(async () => (await edgesOf(front, 'cold-chain')).length === 3, 'the edges are proven');
  assert.deepEqual(await edgesOf(front, 'cold-chain'), [
    ['a', 'inside', 0, 3],
    ['c', 'outside', 0, 3],
    ['e', 'inside', 1, 3],
  ]);
  assert.deepEqual(await edgesOf(front, 'by-limit'), [
    ['a', 'inside', 0, 2],
    ['b', 'outside', 0, 2],
    ['e', 'inside', 1, 2],
  ]);
  assert.deepEqual(
    front.gaps.first().map(({ reason }) => reason),
    ['schema_not_met'],
  );
});

test('what waits for its commit is watched by the rules, and with the attributes, that are in force by then', async (context) => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const front = await OpenFront.open(context, {
    streams: { cold },
    sink: (real) =>
      new Proxy(real, {
        get: (sink, name) => {
          if (name === 'write') return (write: Parameters<typeof sink.write>[0]) => held.then(() => sink.write(write));
          const member = Reflect.get(sink, name) as unknown;
          return typeof member === 'function' ? member.bind(sink) : member;
        },
      }),
  });
  front.watching.take(rules);
  const device = await front.device('tracker-1', { attributes: { status: { value: 'active' }, limit: { value: 6 } } });
  const agent = front.agent(device, 2);
  context.after(() => agent.destroy());
  let taken = 0;
  const submit = front.recording.submit.bind(front.recording);
  front.recording.submit = (entry) => {
    taken++;
    submit(entry);
  };
  const answers = [front.post(agent, timed('a', 5, '10:00'), { stream: 'cold' })];
  await until(() => taken === 1, 'the first commit is in flight');
  answers.push(front.post(agent, timed('b', 5, '10:10'), { stream: 'cold' }));
  await until(() => taken === 2, 'the second one waits');
  front.change({ subject: 'tracker-1', attributes: { limit: { value: 4 } } });
  release();
  assert.deepEqual(
    (await Promise.all(answers)).map(({ status }) => status),
    [202, 202],
  );
  await until(async () => (await edgesOf(front, 'by-limit')).length === 2, 'the edges are proven');
  assert.deepEqual(await edgesOf(front, 'by-limit'), [
    ['a', 'inside', 0, 2],
    ['b', 'outside', 0, 2],
  ]);
});
