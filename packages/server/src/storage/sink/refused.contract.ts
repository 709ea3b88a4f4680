/** What a sink keeps of messages that were refused for good and acknowledged; part of the sink's contract. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { temporaryDirectory } from '../store/store.contract.ts';
import type { RefusedReading, Sink } from './promises.ts';
import type { SinkEngine } from './sink.contract.ts';

const refusedOf = (id: string, more: Partial<RefusedReading> = {}): RefusedReading => ({
  ...{ at: 1_000, subject: 'truck-17', certificate: 'ab'.repeat(32), topic: `streams/telemetry/${id}` },
  ...{ stream: 'telemetry', id, reason: 'schema_not_met', told: 'schema_not_met: …', contentType: null },
  payload: Buffer.from(`{"of":"${id}"}`),
  ...more,
});

async function idsOf(sink: Sink, query: { subject?: string; stream?: string } = {}): Promise<(string | null)[]> {
  const ids: (string | null)[] = [];
  for (let after: string | null | undefined; after !== null; ) {
    const { items, next } = await sink.refused({ ...query, after, limit: 7 });
    ids.push(...items.map(({ id }) => id));
    after = next;
  }
  return ids;
}

export function refusedContract(engine: SinkEngine): void {
  test(`${engine.name}: P8: what was kept as refused is there after closing and opening again, byte for byte`, async (context) => {
    const directory = await temporaryDirectory(context);
    const sink = await engine.open(directory);
    const bytes = Buffer.from([0xff, 0, 0x7b]);
    await sink.keepRefused([refusedOf('a'), refusedOf('b', { payload: bytes, reason: 'reading_malformed', id: null })]);
    await sink[Symbol.asyncDispose]();
    await using again = await engine.open(directory);
    const { items, next } = await again.refused({ limit: 10 });
    const [first, second] = items;
    assert.equal(next, null);
    const { payload, ...rest } = refusedOf('a');
    assert.deepEqual(first, { ...rest, bytes: payload.length, encoding: 'utf8', payload: payload.toString() });
    assert.deepEqual([second?.encoding, second?.bytes], ['base64', 3]);
    assert.deepEqual(Buffer.from(second?.payload ?? '', 'base64'), bytes);
  });

  test(`${engine.name}: the same message of the same subject is kept once, and told by subject, stream and page`, async (context) => {
    await using sink = await engine.open(await temporaryDirectory(context));
    await sink.keepRefused([refusedOf('a'), refusedOf('a'), refusedOf('b', { stream: 'doors' })]);
    await sink.keepRefused([refusedOf('a'), refusedOf('a', { subject: 'truck-18' })]);
    await sink.keepRefused([refusedOf('a', { payload: Buffer.from('{}') })]);
    assert.deepEqual(await idsOf(sink), ['a', 'b', 'a', 'a']);
    assert.deepEqual(await idsOf(sink, { subject: 'truck-18' }), ['a']);
    assert.deepEqual(await idsOf(sink, { stream: 'doors' }), ['b']);
    const many = Array.from({ length: 20 }, (_, index) => refusedOf(`m${index}`, { subject: 'truck-19' }));
    await sink.keepRefused(many);
    assert.deepEqual(
      await idsOf(sink, { subject: 'truck-19' }),
      many.map(({ id }) => id),
    );
  });

  test(`${engine.name}: P13: who sends what is refused pushes out his own, and nobody else's`, async (context) => {
    await using sink = await engine.open(await temporaryDirectory(context));
    await sink.keepRefused([refusedOf('other', { subject: 'truck-18' })]);
    const many = Array.from({ length: 1_200 }, (_, index) => refusedOf(`m${index}`));
    await sink.keepRefused(many.slice(0, 700));
    await sink.keepRefused(many.slice(700));
    assert.deepEqual(
      await idsOf(sink, { subject: 'truck-17' }),
      many.slice(200).map(({ id }) => id),
    );
    for (let index = 0; index < 6; index++) {
      await sink.keepRefused([refusedOf(`large${index}`, { payload: Buffer.alloc(4 * 1_048_576, index + 1) })]);
    }
    assert.deepEqual(await idsOf(sink, { subject: 'truck-17' }), ['large3', 'large4', 'large5']);
    assert.deepEqual(await idsOf(sink, { subject: 'truck-18' }), ['other']);
  });

  test(`${engine.name}: what is old enough goes, and no number is given twice`, async (context) => {
    await using sink = await engine.open(await temporaryDirectory(context));
    await sink.keepRefused([refusedOf('old'), refusedOf('young', { at: 9_000 })]);
    await sink.prune(9_000);
    assert.deepEqual(await idsOf(sink), ['young']);
    await sink.prune(10_000);
    await sink.keepRefused([refusedOf('next')]);
    const { items } = await sink.refused({ after: '2', limit: 10 });
    assert.deepEqual(
      items.map(({ id }) => id),
      ['next'],
    );
  });
}
