/** What is too large, or too much, for the lines of the feed: a gate gets it as a snapshot, which nobody holds the store open for. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FeedMessage, FleetName, InstanceId } from '@portcullis/contract';
import { eventually } from '../../test/house.ts';
import { feedUsual, openRecords, putSubject, type Records } from '../../test/records.ts';
import type { Store } from '../storage/storage.ts';
import { createLog } from '../telemetry/telemetry.ts';
import type { Feed } from './feed.ts';
import { changeBytesMax } from './follow.ts';
import { openFeed } from './open.ts';

const instance = InstanceId.parse('a'.repeat(32));
const fleet = FleetName.parse('fleet-1');
const log = createLog({ role: 'authority', level: 'silent' });

async function open(context: TestContext, store?: (records: Records) => Store) {
  const records = await openRecords(context);
  await putSubject(records, 'truck-1');
  const parts = { ...records, ...(store && { store: store(records) }) };
  const feed = await openFeed({ ...parts, ...feedUsual, log, fleet });
  return { records, feed };
}

/** A revision whose entry has about so many bytes. */
function change({ journal }: Records, bytes: number) {
  const value = 'x'.repeat(Math.min(bytes, 500_000));
  return journal.change({ actor: 'operator-1', action: 'attributes.change' }, async (one) => {
    for (let index = 0; index < bytes / value.length; index++)
      one.attribute(`crate-${index}`, 'device', 'lot', value, false);
  });
}

interface Following {
  messages: FeedMessage[];
  lengths: number[];
  stop(): Promise<void>;
}

/** `take`: called with each piece, and waited for. */
function follow(
  feed: Feed,
  { records, after, inParts = false }: { records: Records; after?: number; inParts?: boolean },
  take = async () => {},
): Following {
  const stop = new AbortController();
  const messages: FeedMessage[] = [];
  const lengths: number[] = [];
  let rest = '';
  const write = async (piece: string | Uint8Array) => {
    const lines = (rest + Buffer.from(piece).toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      lengths.push(line.length);
      messages.push(FeedMessage.parse(JSON.parse(line)));
    }
    await take();
  };
  const asked = async () => {
    const hash = after === undefined ? undefined : await records.journal.hashAt(after);
    const query = { instance, attributes: '', clock: records.clock.now, ...(after !== undefined && { after, hash }) };
    await feed.follow(query as never, { gate: 'gate-1', inParts, withRules: false }, write, stop.signal);
  };
  const running = asked().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  const end = () => {
    stop.abort();
    return running;
  };
  return { messages, lengths, stop: end };
}

const typesOf = ({ messages }: Following) => messages.map(({ type }) => type).filter((type) => type !== 'beat');
const stands = ({ messages }: Following, revision: number) =>
  eventually(
    () => messages.some((one) => (one.type === 'change' || one.type === 'complete') && one.revision >= revision),
    'it stands there',
  );

test('a change that is too large for a line comes as a snapshot in the middle of the stream, and later ones as lines again', async (context) => {
  const { records, feed } = await open(context);
  await using _feed = feed;
  const start = records.journal.head().revision;
  const gate = follow(feed, { records, after: start });
  await change(records, 1_000);
  await stands(gate, start + 1);
  await change(records, changeBytesMax + 1_000_000);
  await stands(gate, start + 2);
  await change(records, 1_000);
  await stands(gate, start + 3);
  await gate.stop();
  assert.deepEqual(typesOf(gate), ['change', 'snapshot', 'subjects', 'complete', 'change']);
  assert.ok(Math.max(...gate.lengths) < changeBytesMax);
});

test('a gate that is further behind than a snapshot is long gets one, and is not sent each change', async (context) => {
  const { records, feed } = await open(context);
  await using _feed = feed;
  const start = records.journal.head().revision;
  for (let index = 0; index < 20; index++) await change(records, 3_000_000);
  const gate = follow(feed, { records, after: start });
  await stands(gate, start + 20);
  await gate.stop();
  assert.deepEqual(typesOf(gate), ['snapshot', 'subjects', 'complete']);
  const near = follow(feed, { records, after: start + 19 });
  await stands(near, start + 20);
  await near.stop();
  assert.deepEqual(typesOf(near), ['change']);
});

test('fifty gates that ask at once read the store once, and leave no file behind', async (context) => {
  let reads = 0;
  const { records, feed } = await open(context, ({ store }) => ({
    ...store,
    read: (work) => store.read(work),
    leads: () => store.leads(),
    change: (work) => store.change(work),
    snapshot: (work) => {
      reads++;
      return store.snapshot(work);
    },
    [Symbol.asyncDispose]: async () => undefined,
  }));
  const revision = records.journal.head().revision;
  const gates = Array.from({ length: 50 }, () => follow(feed, { records }));
  for (const gate of gates) await stands(gate, revision);
  for (const gate of gates) await gate.stop();
  assert.equal(reads, 1);
  const folder = join(records.directory, 'snapshots');
  assert.equal(readdirSync(folder).length, 1);
  await feed[Symbol.asyncDispose]();
  assert.ok(!existsSync(folder));
});

test('a gate that does not read its snapshot holds no transaction of the store', async (context) => {
  let isOpen = false;
  const { records, feed } = await open(context, ({ store }) => ({
    ...store,
    read: (work) => store.read(work),
    leads: () => store.leads(),
    change: (work) => store.change(work),
    snapshot: async (work) => {
      isOpen = true;
      const result = await store.snapshot(work);
      isOpen = false;
      return result;
    },
    [Symbol.asyncDispose]: async () => undefined,
  }));
  const read = Promise.withResolvers<void>();
  let pieces = 0;
  const gate = follow(feed, { records }, () => {
    pieces++;
    return read.promise;
  });
  await eventually(() => pieces > 0, 'it is sent something');
  assert.equal(isOpen, false);
  read.resolve();
  await stands(gate, records.journal.head().revision);
  await gate.stop();
});

test('P13: on a disk that is full a gate gets its snapshot all the same', async (context) => {
  let tries = 0;
  const { records, feed } = await open(context, ({ store }) => ({
    ...store,
    read: (work) => store.read(work),
    leads: () => store.leads(),
    change: (work) => store.change(work),
    snapshot: async (work) => {
      if (tries++ === 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      return store.snapshot(work);
    },
    [Symbol.asyncDispose]: async () => undefined,
  }));
  const gate = follow(feed, { records });
  await stands(gate, records.journal.head().revision);
  await gate.stop();
  assert.deepEqual(typesOf(gate), ['snapshot', 'subjects', 'complete']);
});
