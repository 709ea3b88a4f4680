/** A part that can not be read ends the feed that was to carry it, and holds up nothing else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Follower } from './follow.ts';
import { LastLines } from './last-lines.ts';

/** A follower while a draft is `state`, whose one part can not be read. */
function follower(state: string, signal: AbortSignal, told: string[]) {
  const drafts = {
    current: { id: 'd', parts: 1, prepared: false },
    stateOf: () => state,
    watch: () => () => undefined,
  };
  const head = () => ({ revision: 0, revisionHash: '' });
  const journal = { drafts, head, onChange: () => () => undefined, changes: async () => [], bytesAfter: async () => 0 };
  const partLine = async () => {
    told.push('read');
    drafts.current = undefined as never;
    throw new Error('the disk can not be read');
  };
  const write = async ({ type }: { type: string }) => void told.push(type);
  const parts = { journal, names: new Set(), now: () => 0, write, snapshotBytes: () => 0, lineOf: () => '', partLine };
  return new Follower({ ...parts, snapshot: async () => 0, signal } as never, 0);
}

test('it is read once, and the feed ends: whoever follows comes again', async () => {
  const told: string[] = [];
  await assert.rejects(follower('open', new AbortController().signal, told).run(), { message: /can not be read/ });
  assert.deepEqual(told, ['beat', 'read']);
});

test('one that was dropped meanwhile is nothing to end a feed for', async () => {
  const told: string[] = [];
  const stop = new AbortController();
  const running = follower('dropped', stop.signal, told).run();
  await new Promise((resolve) => setTimeout(resolve, 600));
  stop.abort();
  await running;
  assert.deepEqual(told, ['beat', 'read', 'beat']);
});

test('a line that could not be made is made anew for who asks next', async () => {
  const lines = new LastLines<Promise<string>>();
  const failed = lines.of('a', 'd 1', () => Promise.reject(new Error('no')));
  await assert.rejects(failed);
  lines.forget('a', failed);
  assert.equal(await lines.of('a', 'd 1', async () => 'line'), 'line');
});
