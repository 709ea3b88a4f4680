import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Fingerprint, ReadingView, type SubjectId, type VerdictView } from '@portcullis/contract';
import { temporaryDirectory } from '../store/store.contract.ts';
import type { ReadingPage, ReadingQuery, Sink, SinkRequest, SinkWrite } from './promises.ts';

/** How an engine is opened in a directory. */
export interface SinkEngine {
  name: string;
  open(directory: string): Promise<Sink>;
  /** What it does not promise, each with the reason. */
  lacks?: { prune?: string; orders?: string };
}

type Row = [id: string | null, data: unknown, deviceTime?: number];

/** A request of these rows; a row without an id is one that the device gave none, and gets `made` with its place. */
export function requestOf(rows: Row[], more: Partial<SinkRequest> = {}): SinkRequest {
  return {
    ...{ subject: 'truck-17', certificate: 'ab'.repeat(32), stream: 'telemetry', receivedAt: 1_000, policy: 3 },
    revision: 7,
    ids: rows.map(([id], index) => id ?? `made-${index}`),
    given: rows.map(([id]) => id !== null),
    deviceTimes: rows.map(([, , time]) => time ?? null),
    clocks: rows.map(() => 'synchronized' as const),
    data: rows.map(([, data]) => JSON.stringify(data)),
    ...{ carriedBy: null, sealed: false, sequences: rows.map(() => null), runs: rows.map(() => null) },
    watched: [],
    ...more,
  };
}

export function writeOf(batch: number, requests: SinkRequest[], more: Partial<SinkWrite> = {}): SinkWrite {
  return {
    batch,
    instance: 'first',
    looked: batch - 1,
    quarantine: [],
    proven: more.looked ?? batch - 1,
    unproven: [],
    requests,
    ...more,
  };
}

const lookedAt = (looked: number, quarantine: number[] = []) => ({ looked, quarantine, proven: looked, unproven: [] });

export const textsIn = ({ lines }: ReadingPage): string[] => Buffer.from(lines).toString().split('\n').slice(0, -1);

export const itemsIn = (page: ReadingPage): ReadingView[] =>
  textsIn(page).map((text) => ReadingView.parse(JSON.parse(text)));

/** Every page to the end. */
export async function readAll(sink: Sink, query: Partial<ReadingQuery> = {}): Promise<ReadingView[]> {
  const items: ReadingView[] = [];
  for (let after = query.after; ; ) {
    const page: ReadingPage = await sink.read({ order: 'stored', limit: 1_000, ...query, after });
    items.push(...itemsIn(page));
    if (page.next === null) return items;
    assert.notEqual(page.next, after, 'a cursor must go on');
    after = page.next;
  }
}

const idsOf = async (sink: Sink, query: Partial<ReadingQuery> = {}) => (await readAll(sink, query)).map(({ id }) => id);

function refusal(subject: string, at: string): VerdictView {
  const said = { verdict: 'refused', reason: 'attribute_not_expected', expected: 'active', found: 'off' } as const;
  const where = { gate: 'gate-1' as SubjectId, certificate: 'cd'.repeat(32) as Fingerprint, stream: 'telemetry' };
  return { at, subject, ...where, ...said, revision: 4, changedBy: 'operator-1', changedAt: at, count: 2 };
}

/** What every engine promises; each runs all of it. */
export function sinkContract(engine: SinkEngine): void {
  const promised = (sentence: string, run: (sink: Sink) => Promise<void>, skip: string | false = false) =>
    test(`${engine.name}: ${sentence}`, { skip }, async (context) => {
      await using sink = await engine.open(await temporaryDirectory(context));
      await run(sink);
    });
  const reopened = (
    sentence: string,
    run: (open: () => Promise<Sink>) => Promise<void>,
    skip: string | false = false,
  ) =>
    test(`${engine.name}: ${sentence}`, { skip }, async (context: TestContext) => {
      const directory = await temporaryDirectory(context);
      await run(() => engine.open(directory));
    });

  reopened('P8: a write that resolved is there after closing and opening again', async (open) => {
    const sink = await open();
    assert.equal(sink.lastBatch, 0);
    await sink.write(writeOf(1, [requestOf([['a', { t: 1.5, nested: { list: [1, 'x', null] } }, 1_700_000_000_123]])]));
    await sink.mark(lookedAt(1));
    await sink[Symbol.asyncDispose]();
    await using again = await open();
    assert.equal(again.lastBatch, 1);
    assert.deepEqual(await readAll(again), [
      {
        ...{ id: 'a', subject: 'truck-17', certificate: 'ab'.repeat(32), stream: 'telemetry', clock: 'synchronized' },
        ...{ deviceTime: '2023-11-14T22:13:20.123Z', receivedAt: '1970-01-01T00:00:01.000Z', instance: 'first' },
        ...{ sequence: null, run: null, sealed: false, carriedBy: null },
        ...{ policy: 3, revision: 7, proof: 'proven', data: { t: 1.5, nested: { list: [1, 'x', null] } } },
      },
    ]);
  });

  promised('P8: a repeat is stored once, in a later batch, in the same batch and in one request', async (sink) => {
    const request = requestOf([['a', { t: 1 }]]);
    const twice = requestOf([
      ['b', { t: 2 }],
      ['b', { t: 2 }],
    ]);
    assert.deepEqual(await sink.write(writeOf(1, [request, request, twice])), [
      { stored: 1, repeated: 0 },
      { stored: 0, repeated: 1 },
      { stored: 1, repeated: 1 },
    ]);
    assert.deepEqual(await sink.write(writeOf(2, [request])), [{ stored: 0, repeated: 1 }]);
    await sink.mark(lookedAt(2));
    assert.deepEqual(await idsOf(sink), ['a', 'b']);
  });

  promised('P8: a repeat is what says the same, however its members are ordered', async (sink) => {
    await sink.write(writeOf(1, [requestOf([['a', { t: 1, list: [1, 2], deep: { x: 1, y: 2 } }, 5]])]));
    const rows: [string, Row, 'repeat' | 'reused'][] = [
      ['another order of members', ['a', { deep: { y: 2, x: 1 }, list: [1, 2], t: 1 }, 5], 'repeat'],
      ['another order in a list', ['a', { t: 1, list: [2, 1], deep: { x: 1, y: 2 } }, 5], 'reused'],
      ['another value', ['a', { t: 2, list: [1, 2], deep: { x: 1, y: 2 } }, 5], 'reused'],
      ['another type', ['a', { t: '1', list: [1, 2], deep: { x: 1, y: 2 } }, 5], 'reused'],
      ['one member less', ['a', { t: 1, list: [1, 2] }, 5], 'reused'],
      ['another device time', ['a', { t: 1, list: [1, 2], deep: { x: 1, y: 2 } }, 6], 'reused'],
      ['no device time', ['a', { t: 1, list: [1, 2], deep: { x: 1, y: 2 } }], 'reused'],
    ];
    for (const [index, [what, row, expected]] of rows.entries()) {
      const [outcome] = await sink.write(writeOf(2 + index, [requestOf([row])]));
      assert.deepEqual(outcome, expected === 'repeat' ? { stored: 0, repeated: 1 } : { reused: 0 }, what);
    }
  });

  promised('P8: a key used for other data refuses that request whole, and no other one', async (sink) => {
    await sink.write(writeOf(1, [requestOf([['a', { t: 1 }]])]));
    const mixed = requestOf([
      ['b', { t: 2 }],
      ['c', { t: 3 }],
      ['a', { t: 9 }],
      ['d', { t: 4 }],
    ]);
    const against = requestOf([
      ['e', { t: 1 }],
      ['e', { t: 2 }],
    ]);
    const outcomes = await sink.write(
      writeOf(2, [requestOf([['before', {}]]), mixed, requestOf([['after', {}]]), against]),
    );
    const one = { stored: 1, repeated: 0 };
    assert.deepEqual(outcomes, [one, { reused: 2 }, one, { reused: 1 }]);
    // What was taken back left nothing behind: its ids are free.
    const rows: Row[] = ['b', 'c', 'd', 'e'].map((id) => [id, { other: true }]);
    assert.deepEqual(await sink.write(writeOf(3, [requestOf(rows)])), [{ stored: 4, repeated: 0 }]);
    await sink.mark(lookedAt(3));
    assert.deepEqual(await idsOf(sink), ['a', 'before', 'after', 'b', 'c', 'd', 'e']);
  });

  promised('P8: a write that fails leaves nothing of any of its requests, and the next one goes on', async (sink) => {
    const torn = requestOf([
      ['b', {}],
      ['c', {}],
    ]);
    torn.data.pop();
    await assert.rejects(sink.write(writeOf(1, [requestOf([['a', {}]]), torn, requestOf([['d', {}]])])));
    await sink.mark(lookedAt(1));
    assert.deepEqual(await idsOf(sink), []);
    const rows: Row[] = ['a', 'b', 'c', 'd'].map((id) => [id, { other: true }]);
    assert.deepEqual(await sink.write(writeOf(2, [requestOf(rows)])), [{ stored: 4, repeated: 0 }]);
    await sink.mark(lookedAt(2));
    assert.deepEqual(await idsOf(sink), ['a', 'b', 'c', 'd']);
  });

  promised(
    'the same id is another reading for another subject, for another stream, and where none was given',
    async (sink) => {
      const row: Row[] = [['a', { t: 1 }]];
      const other = { data: ['{"t":2}'] };
      const requests = [
        requestOf(row),
        requestOf(row, { subject: 'truck-18', ...other }),
        requestOf(row, { stream: 'other', ...other }),
        requestOf(row, { given: [false], ...other }),
        requestOf(row, { given: [false], ...other }),
      ];
      const outcomes = await sink.write(writeOf(1, requests));
      assert.deepEqual(outcomes, Array(5).fill({ stored: 1, repeated: 0 }));
      await sink.mark(lookedAt(1));
      assert.equal((await readAll(sink)).length, 5);
    },
  );

  promised('P7: a batch is readable once its look is on record, with the next write or by itself', async (sink) => {
    await sink.write(writeOf(1, [requestOf([['a', {}]])]));
    assert.deepEqual(await idsOf(sink), []);
    await sink.write(writeOf(2, [requestOf([['b', {}]])]));
    assert.deepEqual(await idsOf(sink), ['a']);
    await sink.mark(lookedAt(2));
    assert.deepEqual(await idsOf(sink), ['a', 'b']);
    await sink.mark(lookedAt(1));
    assert.deepEqual(await idsOf(sink), ['a', 'b'], 'a look is never taken back');
  });

  promised(
    'P7: what is readable is unproven until it is proven, or for good; a quarantined batch is neither',
    async (sink) => {
      for (const [batch, id] of [
        [1, 'a'],
        [2, 'b'],
        [3, 'c'],
      ] as const) {
        await sink.write(writeOf(batch, [requestOf([[id, {}]])], { looked: 0, proven: 0 }));
      }
      const proofs = async () => (await readAll(sink)).map(({ id, proof }) => `${id} ${proof}`);
      await sink.mark({ looked: 3, quarantine: [3], proven: 0, unproven: [] });
      assert.deepEqual(await proofs(), ['a unproven', 'b unproven']);
      assert.equal(await sink.unprovenCount(), 0, 'it is a matter of a moment');
      assert.deepEqual(
        (await sink.unsettled()).map(({ batch }) => batch),
        [1, 2],
        'or of a settlement',
      );
      await sink.mark({ looked: 3, quarantine: [], proven: 3, unproven: [2, 3] });
      assert.deepEqual(await proofs(), ['a proven', 'b unproven']);
      assert.deepEqual([await sink.unprovenCount(), (await sink.unsettled()).length], [1, 0]);
    },
  );

  promised('P7 P8: a quarantined batch is never readable, and its retry is stored anew', async (sink) => {
    const request = requestOf([['a', { t: 1 }]]);
    await sink.write(writeOf(1, [request, requestOf([[null, {}]])]));
    const [retried] = await sink.write(writeOf(2, [request], { looked: 1, quarantine: [1] }));
    assert.deepEqual(retried, { stored: 1, repeated: 0 });
    await sink.write(writeOf(3, [requestOf([['b', {}]])]));
    await sink.mark(lookedAt(3, [3]));
    assert.deepEqual(await idsOf(sink), ['a']);
    assert.deepEqual(await sink.unsettled(), []);
  });

  reopened('P7: batches without a look are found by the next process and settled one by one', async (open) => {
    const sink = await open();
    await sink.write(writeOf(1, [requestOf([['a', {}]])]));
    const second = [
      requestOf([['b', {}]], { revision: 9 }),
      requestOf([['c', {}]], { subject: 'truck-18', revision: 8 }),
    ];
    const head = { revision: 9, hash: 'a'.repeat(64) };
    await sink.write({ ...writeOf(2, second), head });
    await sink.write(writeOf(3, [requestOf([['d', {}]])], { looked: 1 }));
    await sink[Symbol.asyncDispose]();

    await using again = await open();
    const found = await again.unsettled();
    assert.deepEqual(
      found.map(({ subjects, ...one }) => ({ ...one, subjects: subjects.toSorted() })),
      [
        { batch: 2, instance: 'first', judgedAt: 8, head, subjects: ['truck-17', 'truck-18'] },
        { batch: 3, instance: 'first', judgedAt: 7, subjects: ['truck-17'] },
      ],
    );
    assert.deepEqual(await idsOf(again), ['a']);
    await again.settle(2, 'unproven');
    await again.settle(3, 'proven');
    const settled = (await readAll(again)).map(({ id, proof }) => `${id} ${proof}`);
    assert.deepEqual(settled, ['a proven', 'b unproven', 'c unproven', 'd proven']);
    assert.deepEqual([await again.unsettled(), await again.unprovenCount()], [[], 1]);
  });

  promised('a repeat of what is unproven is a repeat: it is readable', async (sink) => {
    const request = requestOf([['a', { t: 1 }]]);
    await sink.write(writeOf(1, [request]));
    await sink.settle(1, 'unproven');
    assert.deepEqual(await sink.write(writeOf(2, [request])), [{ stored: 0, repeated: 1 }]);
  });

  promised('pages hold each reading once, in order, by stream and by subject too', async (sink) => {
    const streams = ['telemetry', 'other'];
    for (let batch = 1; batch <= 20; batch++) {
      const rows: Row[] = [1, 2, 3].map((place) => [`${batch}-${place}`, {}]);
      const of = { subject: `truck-${batch % 3}`, stream: streams[batch % 2] as string };
      await sink.write(writeOf(batch, [requestOf(rows, of)]));
    }
    await sink.mark(lookedAt(20));
    const all = await readAll(sink);
    assert.equal(all.length, 60);
    for (const limit of [1, 7, 60, 61]) assert.deepEqual(await readAll(sink, { limit }), all, `limit ${limit}`);
    const query = { stream: 'other', subject: 'truck-1' };
    const wanted = all.filter((one) => one.stream === query.stream && one.subject === query.subject);
    assert.ok(wanted.length > 0);
    assert.deepEqual(await readAll(sink, { ...query, limit: 2 }), wanted);
    assert.deepEqual(await readAll(sink, { stream: 'absent' }), []);
  });

  promised('a cursor never passes what becomes readable later', async (sink) => {
    const many = (from: number): Row[] => Array.from({ length: 10_000 }, (_, index) => [`r${from + index}`, {}]);
    for (let batch = 1; batch <= 4; batch++) await sink.write(writeOf(batch, [requestOf(many(batch * 10_000))]));
    // Among what a page may look at, though more is stored behind it.
    const wanted = requestOf([['wanted', {}]], { stream: 'rare' });
    await sink.write(writeOf(5, [wanted, requestOf(many(50_000))]));
    await sink.write(writeOf(6, [requestOf(many(60_000))], { looked: 4 }));
    const cursors: string[] = [];
    for (let after: string | null = '0'; after !== null; ) {
      cursors.push(after);
      const page: ReadingPage = await sink.read({ order: 'stored', stream: 'rare', after, limit: 10 });
      assert.deepEqual(itemsIn(page), []);
      after = page.next;
    }
    await sink.mark(lookedAt(6));
    for (const after of cursors) assert.deepEqual(await idsOf(sink, { stream: 'rare', after }), ['wanted'], after);
  });

  reopened(
    'what is old enough goes, with its refusals, and numbers are never given twice',
    async (open) => {
      const sink = await open();
      await sink.keepRefusals([
        refusal('old', '1970-01-01T00:00:01.000Z'),
        refusal('young', '1970-01-01T00:00:09.000Z'),
      ]);
      await sink.write(
        writeOf(1, [
          requestOf([
            ['a', {}],
            ['b', {}],
          ]),
          requestOf([['c', {}]], { receivedAt: 9_000 }),
        ]),
      );
      await sink.mark(lookedAt(1));
      assert.deepEqual(await sink.age(9_000), { older: 2, present: 3 });
      assert.equal(await sink.prune(9_000), 2);
      assert.deepEqual(await sink.age(9_000), { older: 0, present: 1 });
      assert.deepEqual(await idsOf(sink), ['c']);
      const refusals = async (after?: string) =>
        (await sink.refusals({ limit: 10, after })).items.map(({ subject }) => subject);
      assert.deepEqual(await refusals(), ['young']);
      assert.equal(await sink.prune(10_000), 1);
      assert.deepEqual([await idsOf(sink), await refusals()], [[], []]);
      await sink.keepRefusals([refusal('younger', '1970-01-01T00:00:10.000Z')]);
      assert.deepEqual(await refusals('2'), ['younger']);
      await sink[Symbol.asyncDispose]();

      await using again = await open();
      assert.equal(again.lastBatch, 1);
      // Pruned, so it is new again; a follower who has read up to the third reading gets it.
      assert.deepEqual(await again.write(writeOf(2, [requestOf([['a', {}]])])), [{ stored: 1, repeated: 0 }]);
      await again.mark(lookedAt(2));
      assert.deepEqual(await idsOf(again, { after: '3' }), ['a']);
    },
    engine.lacks?.prune,
  );

  promised('refusals are kept as they were said, by subject and by page', async (sink) => {
    const kept = Array.from({ length: 25 }, (_, index) =>
      refusal(`truck-${index % 3}`, `2026-01-01T00:00:${String(index).padStart(2, '0')}.000Z`),
    );
    await sink.keepRefusals(kept.slice(0, 10));
    await sink.keepRefusals(kept.slice(10));
    assert.deepEqual((await sink.refusals({ limit: 100 })).items, kept);
    const first = await sink.refusals({ limit: 5, subject: 'truck-1' });
    const rest = await sink.refusals({ limit: 100, subject: 'truck-1', after: first.next ?? '' });
    assert.deepEqual(
      [...first.items, ...rest.items],
      kept.filter(({ subject }) => subject === 'truck-1'),
    );
    assert.equal(rest.next, null);
  });

  reopened('closing does what was asked before, and refuses what is asked after', async (open) => {
    const sink = await open();
    const last = sink.write(writeOf(1, [requestOf([['a', {}]])]));
    const closed = sink[Symbol.asyncDispose]();
    const refused = assert.rejects(sink.mark(lookedAt(1)));
    assert.deepEqual(await last, [{ stored: 1, repeated: 0 }]);
    await refused;
    await closed;
    await using again = await open();
    assert.equal((await again.unsettled()).length, 1);
  });
}
