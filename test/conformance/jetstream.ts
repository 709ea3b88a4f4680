/** Readings in Debian's nats-server: what every sink promises, and what several gates at one stream can do besides. */
import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { withAccount } from '../../packages/server/src/storage/sink/account.ts';
import { edgesContract } from '../../packages/server/src/storage/sink/edges.contract.ts';
import { openJetStreamSink } from '../../packages/server/src/storage/sink/jetstream/jetstream-sink.ts';
import { missingContract } from '../../packages/server/src/storage/sink/missing.contract.ts';
import { readingContract } from '../../packages/server/src/storage/sink/reading.contract.ts';
import { refusedContract } from '../../packages/server/src/storage/sink/refused.contract.ts';
import { idsOf, lookedAt, one, other, sharedContract } from '../../packages/server/src/storage/sink/shared.contract.ts';
import { readAll, requestOf, sinkContract, writeOf } from '../../packages/server/src/storage/sink/sink.contract.ts';
import { temporaryDirectory } from '../../packages/server/src/storage/store/store.contract.ts';
import { NatsServer, skip } from '../../packages/server/test/nats-server.ts';
import { freeBasePort } from '../../tools/commands.ts';
import { textOf } from '../tree.ts';

let server: NatsServer;
before(async () => {
  if (!skip) server = await NatsServer.start(await freeBasePort());
});
after(() => server?.remove());

const users = new Map<string, string>();
let opened = 0;

/** A fleet for each directory, as each gate has one. */
async function userOf(directory: string): Promise<string> {
  const known = users.get(directory);
  if (known) return known;
  const user = server.newUser();
  users.set(directory, user);
  await server.makeStream(user);
  return user;
}

const open = (gate: string, directory: string, user: string, onBroken?: (error: Error) => void) =>
  withAccount(directory, onBroken, (account) =>
    openJetStreamSink({ address: server.addressOf(user), gate, holder: `process ${++opened}`, account, onBroken }),
  );

/** Retention is the stream's own, and it has one order. */
const engine = {
  name: 'jetstream',
  lacks: { prune: 'the stream removes what is old', orders: 'a stream has the order in which it was stored' },
  open: async (directory: string) => open('gate-1', directory, await userOf(directory)),
};

describe('jetstream', { skip }, () => {
  sinkContract(engine);
  edgesContract(engine);
  readingContract(engine);
  refusedContract(engine);
  missingContract(engine);
});

/** The link comes back by events, which a loop of refusals alone would never let in. */
const aMoment = () => new Promise((done) => setTimeout(done, 20));

/** Gates at one stream, each with a disk of its own. */
async function gatesAt(context: TestContext, of = server) {
  const user = of.newUser();
  await of.makeStream(user);
  const directories = new Map<string, string>();
  const start = async (gate: string, onBroken?: (error: Error) => void) => {
    const directory = directories.get(gate) ?? (await temporaryDirectory(context));
    directories.set(gate, directory);
    return withAccount(directory, onBroken, (account) =>
      openJetStreamSink({ address: of.addressOf(user), gate, holder: `process ${++opened}`, account, onBroken }),
    );
  };
  const count = () =>
    of.as(user, async (manager) => {
      const { state } = await manager.streams.info('readings', { subjects_filter: 'readings.>' });
      return Object.values(state.subjects ?? {}).reduce((total, stored) => total + stored, 0);
    });
  return { user, start, count };
}

sharedContract(skip, gatesAt);

test('a process that another one has followed under the same name stores nothing more, and is told', {
  skip,
}, async (context) => {
  const { user, start } = await gatesAt(context);
  const broken: Error[] = [];
  await using first = await open('gate-1', await temporaryDirectory(context), user, (error) => broken.push(error));
  await first.write(writeOf(1, [one]));
  await using second = await start('gate-1');
  await assert.rejects(first.write(writeOf(2, [other])), { code: 'store_locked' });
  assert.equal(broken.length, 1);
  assert.equal(second.lastBatch, 1, 'which goes on behind it');
  await second.write(writeOf(2, [requestOf([['b', {}]])], { looked: 1, proven: 1 }));
  const proofs = (await readAll(second)).map(({ id, proof }) => `${id} ${proof}`);
  assert.deepEqual(proofs, ['a unproven'], 'of a batch that only a lost disk knew nobody can say more');
});

test('P8: a batch that was given up before it came to the stream is no number of a later one, on another disk either', {
  skip,
}, async (context) => {
  const { user, start } = await gatesAt(context);
  const first = await open('gate-1', await temporaryDirectory(context), user);
  await first.write(writeOf(1, [one]));
  await first.mark(lookedAt(2, { quarantine: [2] }));
  await first[Symbol.asyncDispose]();
  await using second = await start('gate-1');
  const next = second.lastBatch + 1;
  await second.write(writeOf(next, [requestOf([['b', {}]])], { looked: next - 1, proven: next - 1 }));
  await second.mark(lookedAt(next));
  assert.deepEqual(
    (await readAll(second)).map(({ id }) => id),
    ['a', 'b'],
  );
});

test('P8: a server that is killed in the midst loses nothing that was acknowledged, and doubles nothing', {
  skip,
}, async (context) => {
  const own = await NatsServer.start(await freeBasePort());
  context.after(() => own.remove());
  const { start } = await gatesAt(context, own);
  const sink = await start('gate-1');
  const acknowledged: string[] = [];
  let [batch, looked, failed] = [0, 0, 0];
  let quarantine: number[] = [];
  const write = async (ids: string[]) => {
    batch++;
    try {
      const rows = ids.map((id): [string, unknown] => [id, { t: 1 }]);
      await sink.write(writeOf(batch, [requestOf(rows)], { looked, quarantine, proven: looked }));
      acknowledged.push(...ids);
      quarantine = [];
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'store_unavailable');
      failed++;
      quarantine = [...quarantine, batch];
    }
    looked = batch;
  };
  for (let time = 0; time < 3; time++) {
    const killed = new Promise((done) => setTimeout(done, 60)).then(() => own.kill());
    const before = failed;
    for (let turn = 0; failed === before; turn++)
      await write(Array.from({ length: 50 }, (_, at) => `${time}-${turn}-${at}`));
    await killed;
    await assert.rejects(
      sink.unsettled().then(() => sink.mark(lookedAt(looked, { quarantine }))),
      {
        code: 'store_unavailable',
      },
    );
    await own.start();
    // Who was not acknowledged sends again.
    const again = Array.from({ length: 50 }, (_, at) => `again-${time}-${at}`);
    for (; !acknowledged.includes(again[0] as string); await aMoment()) await write(again);
  }
  await sink[Symbol.asyncDispose]();
  await using after = await start('gate-1');
  for (const { batch: left } of await after.unsettled()) await after.settle(left, 'unproven');
  await after.mark(lookedAt(batch));
  const ids = await idsOf(after);
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual(ids.toSorted(), acknowledged.toSorted());
});

test('P8: a server that stands still is answered for within seconds, and what it stored all the same is stored once', {
  skip,
}, async (context) => {
  const own = await NatsServer.start(await freeBasePort());
  context.after(() => own.remove());
  const { start } = await gatesAt(context, own);
  await using sink = await start('gate-1');
  await sink.write(writeOf(1, [requestOf([['first', {}]])]));
  own.pause();
  const begun = performance.now();
  await assert.rejects(sink.write(writeOf(2, [one])), { code: 'store_unavailable' });
  assert.ok(performance.now() - begun < 10_000);
  own.resume();
  const again = () => sink.write(writeOf(3, [one], { looked: 2, quarantine: [2], proven: 2 }));
  while ((await again().catch(() => undefined)) === undefined) await aMoment();
  await sink.mark(lookedAt(3));
  assert.deepEqual(await idsOf(sink), ['first', 'a']);
});

test('a stream that is full takes nothing of a request, says so, and goes on when there is room', {
  skip,
}, async (context) => {
  const { user, start } = await gatesAt(context);
  await using sink = await start('gate-1');
  await server.as(user, (manager) => manager.streams.update('readings', { max_msgs: 10 }));
  const many = requestOf(Array.from({ length: 20 }, (_, at): [string, unknown] => [`m${at}`, {}]));
  await assert.rejects(sink.write(writeOf(1, [many])), { code: 'disk_full', message: /stream readings .* is full/ });
  await server.as(user, (manager) => manager.streams.update('readings', { max_msgs: -1 }));
  await sink.write(writeOf(2, [many], { looked: 1, quarantine: [1] }));
  await sink.mark(lookedAt(2));
  assert.equal((await idsOf(sink)).length, 20);
});

test('a stream that would lose readings is refused at the start, each fault by name', { skip }, async (context) => {
  const directory = await temporaryDirectory(context);
  const user = server.newUser();
  await assert.rejects(open('gate-1', directory, user), { code: 'store_unavailable', message: /no such stream/ });
  const faults: [more: Parameters<typeof server.makeStream>[1], why: RegExp][] = [
    [{ subjects: ['readings.>'] }, /does not take settled\.>/],
    [{ storage: 'memory' }, /storage is "memory"/],
    [{ discard: 'old' }, /discard is "old"/],
    [{ duplicate_window: 120 * 1e9 }, /duplicate_window is 120 s; it must be 3600 s or more/],
    [{ max_msg_size: 1_000 }, /may have 1000 bytes/],
    [{ max_msgs_per_subject: 1 }, /max_msgs_per_subject/],
    [{ deny_delete: true }, /deny_delete/],
  ];
  for (const [more, message] of faults) {
    const fleet = server.newUser();
    await server.makeStream(fleet, more);
    await assert.rejects(open('gate-1', directory, fleet), { code: 'config_invalid', message });
  }
});

test('docs/operating/jetstream.md: a stream that is made as the page has it is one that a gate takes', {
  skip,
}, async (context) => {
  const [, text = ''] = /```json\n(.*?)```/s.exec(textOf('docs/operating/jetstream.md')) ?? [];
  const user = server.newUser();
  await server.as(user, (manager) => manager.streams.add(JSON.parse(text)));
  await using sink = await open('gate-1', await temporaryDirectory(context), user);
  assert.equal(sink.lastBatch, 0);
});
