import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../../../test/house.ts';
import { Scene } from '../../../../test/spool-scene.ts';
import { temporaryDirectory } from '../../store/store.contract.ts';
import { edgesContract } from '../edges.contract.ts';
import type { Looked, Sink } from '../promises.ts';
import { readAll, requestOf, sinkContract, writeOf } from '../sink.contract.ts';

const engine = { name: 'spooled', open: (directory: string) => new Scene(directory).open() };
sinkContract(engine);
edgesContract(engine);

const lookedAt = (looked: number, more: Partial<Looked> = {}): Looked => ({
  ...{ looked, quarantine: [], proven: looked, unproven: [] },
  ...more,
});
const one = (id: string, data: unknown = {}) => requestOf([[id, data]]);
const proofs = async (sink: Sink) => (await readAll(sink)).map(({ id, proof }) => `${id} ${proof}`);
const stored = { stored: 1, repeated: 0 };

test('P8: while the sink is away readings are acknowledged from the spool, and are in the sink once and in order when it is back, unproven', async (context) => {
  const scene = new Scene(await temporaryDirectory(context));
  await using sink = await scene.open();
  await sink.write(writeOf(1, [one('a')]));
  await sink.mark(lookedAt(1));
  scene.fault = 'away';
  assert.deepEqual(await sink.write(writeOf(2, [one('b'), one('c')])), [stored, stored]);
  assert.deepEqual(await sink.write(writeOf(3, [one('b'), one('d')])), [{ stored: 0, repeated: 1 }, stored]);
  await sink.mark(lookedAt(3));
  assert.equal(sink.spool.readings, 3);
  assert.equal(sink.spool.oldest, 1_000);
  scene.fault = undefined;
  // Behind those that wait, so that order holds.
  await sink.write(writeOf(4, [one('e')], { looked: 3 }));
  await sink.mark(lookedAt(4));
  await scene.drained(sink);
  assert.deepEqual(await proofs(sink), ['a proven', 'b unproven', 'c unproven', 'd unproven', 'e unproven']);
  await sink.write(writeOf(5, [one('f')], { looked: 4 }));
  await sink.mark(lookedAt(5));
  assert.deepEqual((await proofs(sink)).at(-1), 'f proven');
  const { readings, oldest, named } = sink.spool;
  assert.deepEqual([readings, oldest], [0, null]);
  assert.equal(named, await sink.unprovenCount());
});

test('P7: a batch in quarantine never leaves the spool, also where the process dies; its retry does', async (context) => {
  const scene = new Scene(await temporaryDirectory(context));
  const sink = await scene.open();
  scene.fault = 'away';
  await sink.write(writeOf(1, [one('a', { t: 1 })]));
  await sink.write(writeOf(2, [one('b')], { looked: 1, quarantine: [1] }));
  assert.deepEqual(await sink.write(writeOf(3, [one('a', { t: 2 })], { looked: 2 })), [stored]);
  await sink.mark(lookedAt(3));
  await scene.kill(sink);
  await using again = await scene.open();
  await scene.drained(again);
  assert.deepEqual(await proofs(again), ['b unproven', 'a unproven']);
  assert.deepEqual(
    (await readAll(again)).map(({ data }) => data),
    [{}, { t: 2 }],
  );
});

test('P7: what was not looked at stays in the spool while the process lives', async (context) => {
  const scene = new Scene(await temporaryDirectory(context));
  await using sink = await scene.open();
  scene.fault = 'away';
  await sink.write(writeOf(1, [one('a')]));
  await sink.write(writeOf(2, [one('b')], { looked: 1 }));
  scene.fault = undefined;
  const hasOnlyB = () => sink.spool.readings === 1;
  await eventually(hasOnlyB, 'what was looked at is stored');
  assert.deepEqual([sink.spool.readings, await proofs(sink)], [1, ['a unproven']]);
  await sink.mark(lookedAt(2, { quarantine: [2] }));
  await scene.drained(sink);
  assert.deepEqual(await proofs(sink), ['a unproven']);
});

test('P7: readings in the sink whose look did not reach it in time are never proven', async (context) => {
  for (const dies of [false, true]) {
    const scene = new Scene(await temporaryDirectory(context));
    let sink = await scene.open();
    await sink.write(writeOf(1, [one('a')]));
    await sink.write(writeOf(2, [one('b')], { looked: 1, proven: 0 }));
    scene.fault = 'away';
    await sink.mark(lookedAt(2, { proven: 1 }));
    await sink.mark(lookedAt(2));
    if (dies) {
      await scene.kill(sink);
      sink = await scene.open();
      assert.deepEqual(
        (await sink.unsettled()).map(({ batch }) => batch),
        [1],
      );
      await sink.settle(1, 'proven');
    }
    scene.fault = undefined;
    await scene.drained(sink);
    await sink.write(writeOf(sink.lastBatch + 3, [one('c')], { looked: sink.lastBatch, proven: sink.lastBatch }));
    assert.deepEqual(await proofs(sink), ['a proven', 'b unproven'], dies ? 'killed' : 'alive');
    await sink[Symbol.asyncDispose]();
  }
});

test('P8: a write whose answer is lost is stored once, also without an id, and whether or not the process dies', async (context) => {
  for (const dies of [false, true]) {
    const scene = new Scene(await temporaryDirectory(context));
    let sink = await scene.open();
    scene.fault = 'answerLost';
    const request = requestOf([
      ['a', { t: 1 }],
      [null, { t: 2 }],
    ]);
    assert.deepEqual(await sink.write(writeOf(1, [request])), [{ stored: 2, repeated: 0 }]);
    scene.fault = 'away';
    await sink.mark(lookedAt(1));
    if (dies) {
      await scene.kill(sink);
      sink = await scene.open();
      assert.deepEqual(await sink.unsettled(), [], 'what is given up is not for the authority to settle');
    }
    scene.fault = undefined;
    await scene.drained(sink);
    assert.deepEqual(await proofs(sink), ['a unproven', 'made-1 unproven']);
    assert.equal(scene.writes.length, 2);
    await sink[Symbol.asyncDispose]();
  }
});

test('P8: a drain whose answer is lost, again and again, stores once; so does one whose process died there', async (context) => {
  for (const dies of [false, true]) {
    const scene = new Scene(await temporaryDirectory(context));
    let sink = await scene.open();
    scene.fault = 'away';
    await sink.write(writeOf(1, [requestOf([[null, { t: 1 }]])]));
    await sink.mark(lookedAt(1));
    scene.fault = 'answerLost';
    scene.onlyFor = (name) => name === 'write';
    await eventually(() => scene.writes.length >= 2, 'it is tried again');
    scene.onlyFor = undefined;
    if (dies) {
      await scene.kill(sink);
      sink = await scene.open();
    }
    scene.fault = undefined;
    await scene.drained(sink);
    // What comes behind is proven, and with it nothing that was given up on the way.
    const { lastBatch } = sink;
    const batch = lastBatch + 5;
    await sink.write(writeOf(batch, [one('z')], { looked: lastBatch, proven: lastBatch }));
    await sink.mark(lookedAt(batch));
    assert.deepEqual(await proofs(sink), ['made-0 unproven', 'z proven'], dies ? 'killed' : 'alive');
    await sink[Symbol.asyncDispose]();
  }
});

test('P7: a process that dies between a drained batch and its name leaves it unproven', async (context) => {
  const scene = new Scene(await temporaryDirectory(context));
  const sink = await scene.open();
  scene.fault = 'away';
  await sink.write(writeOf(1, [one('a')]));
  await sink.mark(lookedAt(1));
  scene.onlyFor = (name) => name === 'mark';
  await eventually(() => scene.writes.length === 1, 'it is written');
  await scene.kill(sink);
  scene.onlyFor = undefined;
  await using again = await scene.open();
  await scene.drained(again);
  assert.deepEqual(await again.unsettled(), []);
  assert.deepEqual(await proofs(again), ['a unproven']);
  assert.equal(scene.writes.length, 1, 'and it was written once');
});

test('P8: ids that the sink has with other data keep nobody up: those readings are kept as refused ones, all others are stored in order', async (context) => {
  const scene = new Scene(await temporaryDirectory(context));
  await using sink = await scene.open();
  await sink.write(writeOf(1, [one('a', { t: 1 })]));
  await sink.mark(lookedAt(1));
  scene.fault = 'away';
  const mixed = requestOf([
    ['b', {}],
    ['a', { t: 2 }, 1_700_000_000_123],
    ['c', {}],
  ]);
  await sink.write(writeOf(2, [mixed, one('d')], { looked: 1 }));
  await sink.mark(lookedAt(2));
  scene.fault = undefined;
  await scene.drained(sink);
  assert.deepEqual(
    (await readAll(sink)).map(({ id }) => id),
    ['a', 'b', 'c', 'd'],
  );
  const { items } = await sink.refused({ limit: 10 });
  assert.deepEqual(
    items.map(({ subject, stream, id, reason, payload }) => [subject, stream, id, reason, JSON.parse(payload)]),
    [['truck-17', 'telemetry', 'a', 'reading_id_reused', { _id: 'a', _time: '2023-11-14T22:13:20.123Z', t: 2 }]],
  );
});

test('an id that is in the spool with other data refuses that request whole, and no other one', async (context) => {
  const scene = new Scene(await temporaryDirectory(context));
  await using sink = await scene.open();
  scene.fault = 'away';
  const rows: [string, unknown][] = [
    ['b', {}],
    ['a', { t: 9, list: [1, 2] }],
  ];
  await sink.write(writeOf(1, [one('a', { t: 1, list: [1, 2] })]));
  assert.deepEqual(await sink.write(writeOf(2, [requestOf(rows), one('a', { list: [1, 2], t: 1.0 }), one('b')])), [
    { reused: 1 },
    { stored: 0, repeated: 1 },
    stored,
  ]);
});

test('a sink that does not take what the spool holds is said to be stuck, and nothing is lost', async (context) => {
  const scene = new Scene(await temporaryDirectory(context));
  await using sink = await scene.open();
  scene.fault = 'away';
  await sink.write(writeOf(1, [one('a')]));
  await sink.mark(lookedAt(1));
  scene.fault = 'broken';
  await eventually(() => sink.spool.state === 'stuck', 'it is said');
  scene.fault = undefined;
  await scene.drained(sink);
  assert.deepEqual(await proofs(sink), ['a unproven']);
});

test('a write that fails for any other reason than that the sink is away is not acknowledged, and leaves nothing in the spool', async (context) => {
  const scene = new Scene(await temporaryDirectory(context));
  await using sink = await scene.open();
  scene.fault = 'broken';
  await assert.rejects(sink.write(writeOf(1, [one('a')])), /does not take it/);
  assert.equal(sink.spool.readings, 0);
});

test('edges of what waited are told once it is in the sink, though nothing comes after it', async (context) => {
  const scene = new Scene(await temporaryDirectory(context));
  await using sink = await scene.open();
  scene.fault = 'away';
  const watched = [{ rule: 'cold-chain', revision: 1, sides: 'o' }];
  await sink.write(writeOf(1, [requestOf([['a', {}]], { watched })]));
  await sink.mark(lookedAt(1));
  scene.fault = undefined;
  await scene.drained(sink);
  await eventually(async () => (await sink.untold({ newest: false })).edges.length > 0, 'there is one');
  const { edges } = await sink.untold({ newest: false });
  assert.deepEqual(
    edges.map(({ reading, unproven }) => [reading, unproven]),
    [['a', 1]],
  );
});
