/** Readings in Debian's PostgreSQL: what every sink promises, and what several gates at one database can do besides. */
import assert from 'node:assert/strict';
import { after, describe, type TestContext, test } from 'node:test';
import { parseAddress } from '../../packages/server/src/storage/postgres/address.ts';
import { Connections } from '../../packages/server/src/storage/postgres/connections.ts';
import { withAccount } from '../../packages/server/src/storage/sink/account.ts';
import { edgesContract } from '../../packages/server/src/storage/sink/edges.contract.ts';
import { missingContract } from '../../packages/server/src/storage/sink/missing.contract.ts';
import { openPostgresSink } from '../../packages/server/src/storage/sink/postgres/postgres-sink.ts';
import { dropOrphans } from '../../packages/server/src/storage/sink/postgres/rows.ts';
import type { Sink, SinkRequest } from '../../packages/server/src/storage/sink/promises.ts';
import { readingContract } from '../../packages/server/src/storage/sink/reading.contract.ts';
import { refusedContract } from '../../packages/server/src/storage/sink/refused.contract.ts';
import { lookedAt, one, other, sharedContract } from '../../packages/server/src/storage/sink/shared.contract.ts';
import { readAll, requestOf, sinkContract, writeOf } from '../../packages/server/src/storage/sink/sink.contract.ts';
import { temporaryDirectory } from '../../packages/server/src/storage/store/store.contract.ts';
import { eventually } from '../../packages/server/test/house.ts';
import { ask, dropSchema, freshSchema, newSchema, skip, urlOf } from '../../packages/server/test/postgres.ts';
import { asNewcomer, type Block, blocksOf } from '../newcomer.ts';

const made = new Map<string, string>();
after(async () => {
  for (const schema of made.values()) await dropSchema(schema);
});

const addressOf = (schema: string) => parseAddress(urlOf(schema), () => '', 'sink');

/** A schema for each directory, as each gate has one. */
function schemaOf(directory: string): string {
  const schema = made.get(directory) ?? newSchema();
  made.set(directory, schema);
  return schema;
}

let opened = 0;
const open = (gate: string, directory: string, schema: string) =>
  withAccount(directory, undefined, (account) =>
    openPostgresSink({ address: addressOf(schema), gate, holder: `process ${++opened}`, account }),
  );

const engine = {
  name: 'postgres',
  open: (directory: string) => open('gate-1', directory, schemaOf(directory)),
};

// They wait for the database's disk more than they compute.
describe('postgres', { skip, concurrency: 6 }, () => {
  sinkContract(engine);
  edgesContract(engine);
  readingContract(engine);
  refusedContract(engine);
  missingContract(engine);
});

/** Gates at one database, each with a disk of its own. */
async function gatesAt(context: TestContext) {
  const { schema } = freshSchema(context);
  const directories = new Map<string, string>();
  const start = async (gate: string) => {
    const directory = directories.get(gate) ?? (await temporaryDirectory(context));
    directories.set(gate, directory);
    return open(gate, directory, schema);
  };
  const readable = () =>
    ask(`SELECT gate, id, proof, data->>'t' AS t FROM ${schema}.readable_readings ORDER BY gate, number`);
  const count = async () => (await readable()).length;
  return { schema, start, readable, count };
}

sharedContract(skip, gatesAt);

test('P8: two gates that are sent the same readings at the same time store each of them once, in each other’s way or not', {
  skip,
}, async (context) => {
  const { start, readable } = await gatesAt(context);
  await using first = await start('gate-1');
  await using second = await start('gate-2');
  const requests = Array.from({ length: 20 }, (_, at) =>
    requestOf(
      Array.from({ length: 20 }, (__, index): [string, unknown] => [`r${index}`, { t: index }]),
      { subject: `truck-${at}` },
    ),
  );
  const all = async (sink: Sink, order: (all: SinkRequest[]) => SinkRequest[]) => {
    for (let batch = 1; batch <= 5; batch++) await sink.write(writeOf(batch, order(requests)));
    await sink.mark(lookedAt(5));
  };
  await Promise.all([all(first, (same) => same), all(second, (same) => same.toReversed())]);
  const rows = await readable();
  assert.equal(rows.length, 400);
});

for (const [what, statements] of [
  ['a day’s table', ['DROP TABLE readings_1970_01_02']],
  ['the row of a gate that is gone', [`DELETE FROM gates WHERE gate = 'gate-2'`]],
] as const)
  test(`P8: somebody removed ${what}, and left the ids: a repeat of what was in it is a new reading, and keeps nobody waiting`, {
    skip,
  }, async (context) => {
    const { schema, start, readable } = await gatesAt(context);
    await using first = await start('gate-1');
    const second = await start('gate-2');
    const days: [string, number][] = [
      ['old', 1],
      ['new', 2],
    ];
    const requests = days.map(([id, day]) => requestOf([[id, { t: 1 }]], { receivedAt: day * 86_400_000 }));
    await second.write(writeOf(1, requests));
    await second.mark(lookedAt(1));
    await second[Symbol.asyncDispose]();
    for (const statement of statements) await ask(`SET search_path = ${schema}; ${statement}`);
    const left = (await readable()).length;
    const again = requestOf([['old', { t: 2 }]], { receivedAt: 3 * 86_400_000 });
    assert.deepEqual(await first.write(writeOf(1, [again])), [{ stored: 1, repeated: 0 }]);
    await first.mark(lookedAt(1));
    assert.deepEqual(await first.write(writeOf(2, [again], { looked: 1 })), [{ stored: 0, repeated: 1 }]);
    assert.equal((await readable()).length, left + 1);
  });

test('P8: an id that gets its reading from another gate, while it is found to have none, keeps it', {
  skip,
}, async (context) => {
  const { schema, start } = await gatesAt(context);
  await using sink = await start('gate-1');
  const request = requestOf([['x', { t: 1 }]]);
  await sink.write(writeOf(1, [request]));
  const path = `SET search_path = ${schema};`;
  await ask(`${path} UPDATE keys SET number = number + 1000`);
  const held = 7_301;
  const gaining = ask(`${path} DO $$ BEGIN
    UPDATE keys SET number = number - 1000;
    PERFORM pg_advisory_xact_lock(${held});
    FOR look IN 1..1000 LOOP
      EXIT WHEN EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)));
      PERFORM pg_sleep(0.01);
    END LOOP; END $$`);
  const isHeld = `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = ${held} AND granted`;
  await eventually(async () => (await ask(isHeld)).length > 0, 'the other gate has begun');
  const bounds = { connectionsMax: 1, statementMs: 30_000, idleInTransactionMs: 30_000 };
  const connections = new Connections(addressOf(schema), bounds);
  context.after(() => connections.close());
  await connections.db.transaction().execute((db) => dropOrphans(db, [request], [{ request: 0, id: 'x', number: 1 }]));
  await gaining;
  assert.deepEqual(await ask(`SELECT id FROM ${schema}.keys`), [{ id: 'x' }]);
});

test('a process that another one has followed under the same name stores nothing more, and is told', {
  skip,
}, async (context) => {
  const { schema } = freshSchema(context);
  const broken: Error[] = [];
  const at = async (onBroken?: (error: Error) => void) =>
    withAccount(await temporaryDirectory(context), onBroken, (account) =>
      openPostgresSink({
        ...{ address: addressOf(schema), gate: 'gate-1', holder: `process ${++opened}`, onBroken, account },
      }),
    );
  await using first = await at((error) => broken.push(error));
  await first.write(writeOf(1, [one]));
  await using second = await at();
  await assert.rejects(first.write(writeOf(2, [other])), { code: 'store_locked' });
  assert.equal(broken.length, 1);
  assert.deepEqual(
    (await second.unsettled()).map(({ batch }) => batch),
    [1],
    'and what it left is settled by the one that followed',
  );
});

test('what a crash kept from the gate’s own account is noted at the next start, once', { skip }, async (context) => {
  const { schema, start } = await gatesAt(context);
  const watched = { watched: [{ rule: 'cold-chain', revision: 5, sides: 'o' }] };
  const sink = await start('gate-1');
  await sink.write(writeOf(1, [requestOf([['a', {}]], watched)]));
  await sink[Symbol.asyncDispose]();
  // As if the process had ended between the two commits.
  const [{ account } = { account: '' }] = await ask<{ account: string }>(`SELECT account FROM ${schema}.batches`);
  const late = account.replace('"truck-17"', '"truck-18"');
  await ask(
    `INSERT INTO ${schema}.batches SELECT gate, 2, instance, judged_at, subjects, $1, 100, 100, first_at, last_at FROM ${schema}.batches`,
    [late],
  );
  for (let time = 0; time < 2; time++) await (await start('gate-1'))[Symbol.asyncDispose]();
  await using again = await start('gate-1');
  await again.settle(1, 'proven');
  await again.settle(2, 'proven');
  const { edges } = await again.untold({ newest: false });
  assert.deepEqual(edges.map(({ subject }) => subject).toSorted(), ['truck-17', 'truck-18']);
});

test('days that every gate has pruned are dropped, and no others', { skip }, async (context) => {
  const { schema, start } = await gatesAt(context);
  await using first = await start('gate-1');
  await using second = await start('gate-2');
  const dayMs = 86_400_000;
  const days = async () =>
    (
      await ask<{ relname: string }>(
        `SELECT relname FROM pg_class WHERE relnamespace = '${schema}'::regnamespace AND relname ~ '^readings_\\d{4}_\\d\\d_\\d\\d$' ORDER BY 1`,
      )
    ).map(({ relname }) => relname);
  for (const [index, sink] of [first, second].entries()) {
    await sink.write(
      writeOf(
        1,
        [1, 2, 3].map((day) => requestOf([[`${day}-${index}`, {}]], { receivedAt: day * dayMs })),
      ),
    );
    await sink.mark(lookedAt(1));
  }
  assert.equal(await first.prune(3 * dayMs), 2);
  assert.equal((await days()).length, 3);
  assert.equal(await second.prune(2.5 * dayMs), 2);
  assert.deepEqual(await days(), ['readings_1970_01_03', 'readings_1970_01_04']);
  // A clock that was set back: the day is made again, and what came in it is there.
  await first.write(writeOf(2, [requestOf([['back', {}]], { receivedAt: dayMs })]));
  await first.mark(lookedAt(2));
  await second.prune(3 * dayMs);
  assert.deepEqual(
    (await readAll(first)).map(({ id }) => id),
    ['3-0', 'back'],
  );
});

test('P8: nothing is stored while the database is away, and the next write goes on when it is back', {
  skip,
}, async (context) => {
  const { schema, start, readable } = await gatesAt(context);
  await using sink = await start('gate-1');
  await sink.write(writeOf(1, [one]));
  await ask(`REVOKE ALL ON SCHEMA ${schema} FROM PUBLIC`);
  await ask(`ALTER SCHEMA ${schema} RENAME TO ${schema}_away`);
  await assert.rejects(sink.write(writeOf(2, [requestOf([['b', {}]])])));
  await ask(`ALTER SCHEMA ${schema}_away RENAME TO ${schema}`);
  await ask(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'portcullis' AND query LIKE '%keys%' AND pid <> pg_backend_pid()",
  );
  const again = () => sink.write(writeOf(3, [requestOf([['b', {}]])], { looked: 2, quarantine: [2] }));
  await again().catch(again);
  await sink.mark(lookedAt(3));
  assert.equal((await readable()).length, 2);
});

test('docs/operating/sinks.md works from its first line to its last', { skip }, async (context) => {
  const database = newSchema();
  context.after(() => ask(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`));
  const named = ({ text, ...block }: Block): Block => ({
    ...block,
    text: text
      .replaceAll(/\b(createdb|psql) plant\b/g, `$1 ${database}`)
      .replace('postgres:///plant', `postgres:///${database}`),
  });
  await asNewcomer((newcomer) => newcomer.follow(blocksOf('docs/operating/sinks.md').map(named)));
});
