/** A spool before Debian's PostgreSQL and nats-server: what every sink promises, and what is acknowledged while they are away. */
import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { parseAddress } from '../../packages/server/src/storage/postgres/address.ts';
import { withAccount } from '../../packages/server/src/storage/sink/account.ts';
import { edgesContract } from '../../packages/server/src/storage/sink/edges.contract.ts';
import { openJetStreamSink } from '../../packages/server/src/storage/sink/jetstream/jetstream-sink.ts';
import { missingContract } from '../../packages/server/src/storage/sink/missing.contract.ts';
import { openPostgresSink } from '../../packages/server/src/storage/sink/postgres/postgres-sink.ts';
import type { Sink } from '../../packages/server/src/storage/sink/promises.ts';
import { readingContract } from '../../packages/server/src/storage/sink/reading.contract.ts';
import { refusedContract } from '../../packages/server/src/storage/sink/refused.contract.ts';
import { lookedAt, one, sharedContract } from '../../packages/server/src/storage/sink/shared.contract.ts';
import { readAll, requestOf, sinkContract, writeOf } from '../../packages/server/src/storage/sink/sink.contract.ts';
import { temporaryDirectory } from '../../packages/server/src/storage/store/store.contract.ts';
import { eventually } from '../../packages/server/test/house.ts';
import { NatsServer, skip as skipNats } from '../../packages/server/test/nats-server.ts';
import { Passage } from '../../packages/server/test/passage.ts';
import { ask, dropSchema, freshSchema, newSchema, skip, urlOf } from '../../packages/server/test/postgres.ts';
import { Scene } from '../../packages/server/test/spool-scene.ts';
import { freeBasePort } from '../../tools/commands.ts';

let opened = 0;
const holder = () => `process ${++opened}`;
const made = new Map<string, string>();
after(async () => {
  for (const schema of made.values()) await dropSchema(schema);
});

function schemaOf(directory: string): string {
  const schema = made.get(directory) ?? newSchema();
  made.set(directory, schema);
  return schema;
}

const inPostgres =
  (schema: string, gate = 'gate-1', port?: number) =>
  (directory: string) =>
    withAccount(directory, undefined, (account) =>
      openPostgresSink({
        address: parseAddress(urlOf(schema, port), () => '', 'sink'),
        ...{ gate, holder: holder(), account },
      }),
    );

const postgres = {
  name: 'postgres, spooled',
  open: (directory: string) => new Scene(directory, inPostgres(schemaOf(directory))).open(),
};

describe('postgres', { skip, concurrency: 6 }, () => {
  sinkContract(postgres);
  edgesContract(postgres);
  readingContract(postgres);
  refusedContract(postgres);
  missingContract(postgres);
});

async function gatesAt(context: TestContext) {
  const { schema } = freshSchema(context);
  const directories = new Map<string, string>();
  const sceneOf = async (gate: string) => {
    const directory = directories.get(gate) ?? (await temporaryDirectory(context));
    directories.set(gate, directory);
    return new Scene(directory, inPostgres(schema, gate));
  };
  const start = async (gate: string) => (await sceneOf(gate)).open();
  const count = async () => (await ask(`SELECT 1 FROM ${schema}.readable_readings`)).length;
  return { sceneOf, start, count };
}

sharedContract(skip, gatesAt);

const proofs = async (sink: Sink) => (await readAll(sink)).map(({ id, proof }) => `${id} ${proof}`);

test('P8: a reading that waits in the spool of one gate and is stored by another one is there once', {
  skip,
}, async (context) => {
  const { sceneOf, start, count } = await gatesAt(context);
  const scene = await sceneOf('gate-1');
  await using first = await scene.open();
  await using second = await start('gate-2');
  scene.fault = 'away';
  assert.deepEqual(await first.write(writeOf(1, [one, requestOf([['b', {}]])])), [
    { stored: 1, repeated: 0 },
    { stored: 1, repeated: 0 },
  ]);
  await first.mark(lookedAt(1));
  await second.write(writeOf(1, [one]));
  await second.mark(lookedAt(1));
  scene.fault = undefined;
  await scene.drained(first);
  assert.deepEqual([await proofs(first), await proofs(second), await count()], [['b unproven'], ['a proven'], 2]);
});

test('P8: PostgreSQL goes away and comes back, again and again: what is acknowledged is there once, in order', {
  skip,
}, async (context) => {
  const { schema } = freshSchema(context);
  let passage = await Passage.open(5_432, { host: '127.0.0.1' });
  const { port } = passage;
  const scene = new Scene(await temporaryDirectory(context), inPostgres(schema, 'gate-1', port));
  await using sink = await scene.open();
  const acknowledged: string[] = [];
  const failed: number[] = [];
  let batch = 0;
  const send = async () => {
    batch++;
    const ids = [1, 2, 3].map((place) => `r${String(batch).padStart(4, '0')}-${place}`);
    const rows = ids.map((id): [string, unknown] => [id, { batch }]);
    const more = { looked: batch - 1, quarantine: failed.filter((one) => one < batch) };
    const answered = await sink.write(writeOf(batch, [requestOf(rows)], more)).catch(() => undefined);
    if (answered) acknowledged.push(...ids);
    else failed.push(batch);
  };
  for (let time = 0; time < 4; time++) {
    for (let count = 0; count < 5; count++) await send();
    // In the middle of a write, and between two.
    const under = time % 2 === 0 ? send() : Promise.resolve();
    await passage.close();
    await under;
    for (let count = 0; count < 5; count++) await send();
    await sink.mark(lookedAt(batch, { quarantine: failed }));
    assert.ok(sink.spool.readings > 0);
    passage = await Passage.open(5_432, { port, host: '127.0.0.1' });
    await send();
    await sink.mark(lookedAt(batch, { quarantine: failed }));
    await scene.drained(sink);
  }
  assert.deepEqual(failed, [], 'the spool took what the database did not');
  assert.deepEqual(
    (await readAll(sink)).map(({ id }) => id),
    acknowledged,
  );
  await sink[Symbol.asyncDispose]();
  await passage.close();
});

test('P8: a database that is silent keeps a write up for some seconds only, and what it stores of it later is given up', {
  skip,
}, async (context) => {
  const { schema } = freshSchema(context);
  const passage = await Passage.open(5_432, { host: '127.0.0.1' });
  const scene = new Scene(await temporaryDirectory(context), inPostgres(schema, 'gate-1', passage.port));
  await using sink = await scene.open();
  await sink.write(writeOf(1, [requestOf([['a', {}]])]));
  await sink.mark(lookedAt(1));
  passage.cut('back');
  const from = performance.now();
  const request = requestOf([
    ['b', {}],
    [null, {}],
  ]);
  assert.deepEqual(await sink.write(writeOf(2, [request], { looked: 1 })), [{ stored: 2, repeated: 0 }]);
  assert.ok(performance.now() - from < 20_000);
  await sink.mark(lookedAt(2));
  passage.heal();
  await scene.drained(sink);
  assert.deepEqual(await proofs(sink), ['a proven', 'b unproven', 'made-1 unproven']);
  await sink[Symbol.asyncDispose]();
  await passage.close();
});

describe('jetstream', { skip: skipNats }, () => {
  let server: NatsServer;
  before(async () => {
    server = await NatsServer.start(await freeBasePort());
  });
  after(() => server?.remove());

  const users = new Map<string, string>();
  const inStream = async (directory: string) => {
    const user = users.get(directory) ?? server.newUser();
    if (!users.has(directory)) await server.makeStream(user);
    users.set(directory, user);
    return withAccount(directory, undefined, (account) =>
      openJetStreamSink({ address: server.addressOf(user), gate: 'gate-1', holder: holder(), account }),
    );
  };
  const jetstream = {
    name: 'jetstream, spooled',
    lacks: { prune: 'the stream removes what is old', orders: 'a stream has the order in which it was stored' },
    open: (directory: string) => new Scene(directory, inStream).open(),
  };
  sinkContract(jetstream);
  edgesContract(jetstream);

  test('P8: nats-server is killed and comes back: what is acknowledged is in the stream once, in order', async (context) => {
    const directory = await temporaryDirectory(context);
    const scene = new Scene(directory, inStream);
    await using sink = await scene.open();
    await sink.write(writeOf(1, [requestOf([['a', {}]])]));
    await server.kill();
    for (const [batch, id] of [
      [2, 'b'],
      [3, 'c'],
    ] as const)
      await sink.write(writeOf(batch, [requestOf([[id, {}]]), requestOf([['a', {}]])]));
    await sink.mark(lookedAt(3));
    assert.equal(sink.spool.readings, 3, 'of what came before the spool knows nothing');
    await eventually(() => sink.spool.state === 'away', 'it is said');
    await server.start();
    await scene.drained(sink);
    await sink.write(writeOf(4, [requestOf([['d', {}]])], { looked: 3 }));
    await sink.mark(lookedAt(4));
    assert.deepEqual(await proofs(sink), ['a unproven', 'b unproven', 'c unproven', 'd proven']);
    const stored = await server.as(users.get(directory) as string, async (manager) => {
      const { state } = await manager.streams.info('readings', { subjects_filter: 'readings.>' });
      return Object.values(state.subjects ?? {}).reduce((total, count) => total + count, 0);
    });
    assert.equal(stored, 4);
  });
});
