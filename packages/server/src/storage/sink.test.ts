import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, test } from 'node:test';
import { openSqliteSink, type Sink, type SinkRequest, type SinkWrite } from './sink.ts';

let directory: string;
let sink: Sink;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'portcullis-sink-'));
  sink = await openSqliteSink(directory);
});
afterEach(async () => {
  await sink[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

function request(rows: Record<string, unknown>, more: Partial<SinkRequest> = {}): SinkRequest {
  const ids = Object.keys(rows);
  return {
    ...{
      subject: 'truck-17',
      certificate: 'ab'.repeat(32),
      stream: 'telemetry',
      receivedAt: 1_000,
      policy: 1,
      revision: 7,
    },
    ids,
    given: ids.map(() => true),
    deviceTimes: ids.map(() => null),
    clocks: ids.map(() => 'unknown' as const),
    data: Object.values(rows).map((data) => JSON.stringify(data)),
    ...more,
  };
}

const write = (batch: number, requests: SinkRequest[], more: Partial<SinkWrite> = {}) =>
  sink.write({
    batch,
    instance: 'one',
    looked: batch - 1,
    quarantine: [],
    proven: more.looked ?? batch - 1,
    unproven: [],
    requests,
    ...more,
  });

const ids = async () => (await sink.read({ limit: 1_000 })).items.map(({ id }) => id);

test('P7: a batch is readable only once it was looked at', async () => {
  await write(1, [request({ a: { t: 1 } })]);
  assert.deepEqual(await ids(), []);
  await sink.mark({ looked: 1, quarantine: [], proven: 1, unproven: [] });
  assert.deepEqual(await ids(), ['a']);
});

test('P7: a quarantined batch never becomes readable, and a retry of it is a new reading', async () => {
  await write(1, [request({ a: { t: 1 } })]);
  const [outcome] = await write(2, [request({ a: { t: 1 } })], { looked: 1, quarantine: [1] });
  assert.deepEqual(outcome, { stored: 1, repeated: 0 });
  await sink.mark({ looked: 2, quarantine: [], proven: 2, unproven: [] });
  assert.deepEqual(await ids(), ['a']);
});

test('P8: a repeat is stored once, whatever the order of its members; other data under the same key is told apart', async () => {
  await write(1, [request({ a: { t: 1, h: 2 } })]);
  const outcomes = await write(2, [
    request({ a: { h: 2, t: 1 }, b: { t: 2 } }),
    request({ a: { t: 9 } }),
    request({ a: { t: 9 } }, { subject: 'truck-18' }),
    request({ a: { t: 9 } }, { stream: 'other' }),
  ]);
  assert.deepEqual(outcomes, [
    { stored: 1, repeated: 1 },
    { reused: 0 },
    { stored: 1, repeated: 0 },
    { stored: 1, repeated: 0 },
  ]);
});

test('a request is stored whole or not at all', async () => {
  await write(1, [request({ a: { t: 1 } })]);
  const [outcome] = await write(2, [request({ b: { t: 2 }, a: { t: 3 } })]);
  assert.deepEqual(outcome, { reused: 1 });
  await sink.mark({ looked: 2, quarantine: [], proven: 2, unproven: [] });
  assert.deepEqual(await ids(), ['a']);
});

test('within one request the same id counts once', async () => {
  const twice = request({ a: { t: 1 } });
  const doubled = {
    ...twice,
    ids: ['a', 'a'],
    given: [true, true],
    deviceTimes: [null, null],
    data: ['{"t":1}', '{"t":1}'],
  };
  const [outcome] = await write(1, [{ ...doubled, clocks: ['unknown', 'unknown'] }]);
  assert.deepEqual(outcome, { stored: 1, repeated: 1 });
});

test('P7: what an earlier process left without a look is found, and settled as proven or named unproven', async () => {
  await write(1, [request({ a: { t: 1 } })]);
  await write(2, [request({ b: { t: 2 } }, { subject: 'truck-18', revision: 9 })], { instance: 'two' });
  assert.deepEqual(await sink.unsettled(), [{ batch: 2, instance: 'two', judgedAt: 9, subjects: ['truck-18'] }]);
  await sink.settle(2, 'unproven');
  const { items } = await sink.read({ limit: 10 });
  assert.deepEqual(
    items.map(({ id, proof }) => [id, proof]),
    [
      ['a', 'proven'],
      ['b', 'unproven'],
    ],
  );
  assert.deepEqual([await sink.unsettled(), await sink.unprovenCount()], [[], 1]);
});

test('what was written is there for the next process, with its number; a second process is refused', async () => {
  await write(1, [request({ a: { t: 1 } })]);
  await assert.rejects(openSqliteSink(directory), { code: 'store_locked' });
  await sink[Symbol.asyncDispose]();
  sink = await openSqliteSink(directory);
  assert.equal(sink.lastBatch, 1);
});

test('reading is by page and by filter; a stored reading keeps what it was judged by', async () => {
  await write(1, [request({ a: { t: 1 }, b: { t: 2 } }), request({ c: { t: 3 } }, { stream: 'other' })]);
  await sink.mark({ looked: 1, quarantine: [], proven: 1, unproven: [] });
  const first = await sink.read({ limit: 2 });
  assert.deepEqual(
    [first.items.length, (await sink.read({ limit: 2, after: first.next ?? '' })).items[0]?.id],
    [2, 'c'],
  );
  assert.deepEqual(
    (await sink.read({ limit: 9, stream: 'other' })).items.map(({ id }) => id),
    ['c'],
  );
  const [reading] = first.items;
  assert.deepEqual(
    [reading?.revision, reading?.policy, reading?.instance, reading?.receivedAt],
    [7, 1, 'one', '1970-01-01T00:00:01.000Z'],
  );
});

test('old readings go, younger ones stay', async () => {
  await write(1, [request({ a: { t: 1 } }), request({ b: { t: 2 } }, { receivedAt: 5_000 })]);
  await sink.mark({ looked: 1, quarantine: [], proven: 1, unproven: [] });
  assert.equal(await sink.prune(2_000), 1);
  assert.deepEqual(await ids(), ['b']);
});

test('a damaged file is named as such', async () => {
  await sink[Symbol.asyncDispose]();
  writeFileSync(join(directory, 'readings.db'), 'this is no database, however long it may be'.repeat(100));
  await assert.rejects(openSqliteSink(directory), { code: 'store_damaged' });
  rmSync(join(directory, 'readings.db'));
  sink = await openSqliteSink(directory);
});

test('the view that SQL readers use shows what the sink shows', async () => {
  await write(1, [request({ a: { t: 1 } })]);
  await sink.mark({ looked: 1, quarantine: [], proven: 1, unproven: [] });
  await write(2, [request({ b: { t: 2 } })], { looked: 1 });
  const database = new DatabaseSync(join(directory, 'readings.db'), { readOnly: true });
  const rows = database.prepare('SELECT id FROM readable_readings').all();
  database.close();
  assert.deepEqual(
    rows.map(({ id }) => id),
    ['a'],
  );
});
