import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { PortcullisError } from '@portcullis/contract';
import type { FleetClient } from './fleet-client.ts';
import { Output } from './output.ts';
import { commit, rehearse } from './to-many.ts';

const where = { where: 'site == "kiel"' };
const selected = { revision: 7, subjects: ['truck-1', 'truck-2'], looked: 9, undecided: 0, example: null };
const ofStandings = {
  ...{
    path: '/v1/standings',
    body: { action: 'suspend' },
    subjects: undefined,
    perRequest: 1,
    counts: 'record' as const,
  },
  trialOf: () => ({ standing: 'suspended' as const }),
  done: (who: string) => `suspend ${who}`,
};
const touched = () => new PortcullisError('precondition_failed', 'nothing was changed: "truck-2" was touched');

function printed(json = true) {
  const [out, side] = [new PassThrough({ encoding: 'utf8' }), new PassThrough({ encoding: 'utf8' })];
  const output = new Output(out, side, { json });
  return {
    output,
    said: () => JSON.parse(String(out.read())) as Record<string, unknown>,
    noticed: () => String(side.read()),
  };
}

/** An authority that selects whom these say, one after the other, and answers changes in turn. */
function authority(selections: string[][], answers: (object | Error)[]) {
  const asked: unknown[] = [];
  const answered = async (_path: string, { subjects, ifRevision, dryRun }: Record<string, unknown>) => {
    asked.push([subjects, ifRevision, ...(dryRun ? ['dry'] : [])]);
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const client = {
    async *lines() {
      const subjects = selections.shift() ?? [];
      yield { type: 'subjects', subjects };
      yield { type: 'selected', revision: 8 + asked.length, looked: 9, undecided: 0, example: null };
    },
    change: answered,
    post: answered,
    get: async () => ({ items: [gate('gate-1', 'held'), gate('gate-2', 'none')] }),
    async getFromGate(url: string) {
      if (url.includes('gate-2')) throw new PortcullisError('server_unreachable', 'nobody listens');
      return { gate: 'gate-1', revision: 7, connections: 3 };
    },
  } as unknown as FleetClient;
  return { client, asked };
}
const gate = (name: string, lease: string) => ({ gate: name, url: `https://${name}`, lease });

test('where somebody was changed meanwhile it is selected anew, and what was made before counts too', async () => {
  const { client, asked } = authority(
    [['truck-2', 'truck-3']],
    [{ revision: 8, changed: 1 }, touched(), { revision: 10, changed: 1 }, { revision: 11, changed: 1 }],
  );
  const { output, said } = printed();
  await commit(client, where, { ...ofStandings, selected }, output);
  assert.deepEqual(asked, [
    [['truck-1'], 7],
    [['truck-2'], 7],
    [['truck-2'], 10],
    [['truck-3'], 10],
  ]);
  const { revision, changed, revisions } = said();
  assert.deepEqual([revision, changed, revisions], [11, 3, [8, 10, 11]]);
});

test('nobody is left the second time: what was made the first time is told', async () => {
  const { client } = authority([[]], [{ revision: 8, changed: 1 }, touched()]);
  const { output, said } = printed();
  await commit(client, where, { ...ofStandings, selected }, output);
  const { revision, changed, selected: found } = said();
  assert.deepEqual([revision, changed, found], [8, 1, 0]);
});

test('three times in vain is an error that says so, and which revisions were made', async () => {
  const both = ['truck-1', 'truck-2'];
  const { client, asked } = authority(
    [both, both, both],
    [touched(), { revision: 9, changed: 1 }, touched(), touched()],
  );
  const { output } = printed();
  const code = 'precondition_failed';
  const message = /^selected 3 times, .*"truck-2" was touched \(before that, there were changes: revisions \[9\]\)$/;
  await assert.rejects(commit(client, where, { ...ofStandings, selected }, output), { code, message });
  assert.equal(asked.length, 4);
  const named = authority([], [touched()]);
  await assert.rejects(commit(named.client, {}, { ...ofStandings, selected }, output), { message: touched().message });
});

test('whatever keeps the second of several changes from being made, it is told that the first was', async () => {
  const busy = new PortcullisError('rate_limited', 'try again soon', { detail: { retryAfterSeconds: 5 } });
  for (const options of [where, {}]) {
    const { client } = authority([], [{ revision: 8, changed: 1 }, busy]);
    await assert.rejects(commit(client, options, { ...ofStandings, selected }, printed().output), {
      code: 'rate_limited',
      message: 'try again soon (before that, there were changes: revisions [8])',
      detail: busy.detail,
    });
  }
});

test('a dry run names a gate that can not be asked, also one without a lease, and tells what the others say', async () => {
  const answer = { revision: 7, changed: 1, dryRun: true };
  const { client, asked } = authority([], [answer, answer]);
  const { output, said, noticed } = printed();
  await rehearse(client, { ...where, dryRun: true }, { ...ofStandings, selected }, output);
  const { changed, connections, gates, failures } = said();
  assert.deepEqual([changed, connections, gates], [2, 3, [{ gate: 'gate-1', connections: 3 }]]);
  assert.deepEqual(failures, [{ gate: 'gate-2', why: 'nobody listens' }]);
  assert.match(noticed(), /^gate-2 can not say: nobody listens\n/);
  assert.equal(output.status, 1);
  assert.deepEqual(asked, [
    [['truck-1'], undefined, 'dry'],
    [['truck-2'], undefined, 'dry'],
  ]);
});
