/** How a sink gives its readings back; part of the sink's contract. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ReadingView } from '@portcullis/contract';
import { temporaryDirectory } from '../store/store.contract.ts';
import type { ReadingOrder, ReadingPage, ReadingQuery, Sink, SinkRequest } from './promises.ts';
import { itemsIn, requestOf, type SinkEngine, textsIn, writeOf } from './sink.contract.ts';

/** Each row's text as it is; its id is its place. */
const textsOf = (data: string[], more: Partial<SinkRequest> = {}): SinkRequest =>
  requestOf(
    data.map((_, index) => [`r${index}`, {}]),
    { data, ...more },
  );

const lookedAt = (batch: number) => ({ looked: batch, quarantine: [], proven: batch, unproven: [] });

async function pagesOf(sink: Sink, query: Partial<ReadingQuery>, between: (page: number) => unknown = () => undefined) {
  const pages: ReadingPage[] = [];
  for (let after = query.after; ; await between(pages.length)) {
    const page: ReadingPage = await sink.read({ order: 'received', limit: 1_000, ...query, after });
    pages.push(page);
    if (page.next === null) return pages;
    after = page.next;
  }
}

const idsIn = async (sink: Sink, query: Partial<ReadingQuery> = {}) =>
  (await pagesOf(sink, query)).flatMap((page) => itemsIn(page).map(({ id }) => id));

/** Times of receipt that go back once, as a clock that is set does, with three readings each. */
const times = [1_000, 2_000, 5_000, 3_000, 4_000, 6_000];
async function fill(sink: Sink): Promise<void> {
  for (const [index, receivedAt] of times.entries()) {
    const ids = ['a', 'b', 'c'].map((name) => `${receivedAt}${name}`);
    const of = { subject: `truck-${index % 2}`, stream: index < 3 ? 'telemetry' : 'other', receivedAt };
    await sink.write(
      writeOf(index + 1, [
        requestOf(
          ids.map((id) => [id, {}]),
          of,
        ),
      ]),
    );
  }
  await sink.mark(lookedAt(times.length));
}
const named = (...ofTimes: number[]) => ofTimes.flatMap((time) => ['a', 'b', 'c'].map((name) => `${time}${name}`));
const sorted = times.toSorted();

const exact = [
  '{"n":9007199254740993,"m":12345678901234567890}',
  '{"n":1E+400,"z":-0,"d":0.1234567890123456789012345}',
  '{"b":1,"10":2,"9":3,"a":{"2":1,"1":2}}',
  '{"text":"\\u00fc \\/ \\u0000 ü 😀 \\ud83d\\ude00"}',
  '{}',
];

const asked: [what: string, query: Partial<ReadingQuery>, ids: string[]][] = [
  ['all', {}, named(...sorted)],
  ['newest first', { order: 'newest' }, named(...sorted).toReversed()],
  ['since', { since: 3_000 }, named(3_000, 4_000, 5_000, 6_000)],
  ['until', { until: 3_000 }, named(1_000, 2_000)],
  ['since and until', { since: 2_000, until: 5_000 }, named(2_000, 3_000, 4_000)],
  ['newest, since and until', { order: 'newest', since: 2_000, until: 5_000 }, named(2_000, 3_000, 4_000).toReversed()],
  ['as stored, since and until', { order: 'stored', since: 2_000, until: 6_000 }, named(2_000, 5_000, 3_000, 4_000)],
  ['of a subject', { subject: 'truck-1' }, named(2_000, 3_000, 6_000)],
  ['of a stream', { stream: 'other' }, named(3_000, 4_000, 6_000)],
  [
    'of a stream and a subject, newest',
    { stream: 'other', subject: 'truck-0', order: 'newest' },
    ['c', 'b', 'a'].map((name) => `4000${name}`),
  ],
  ['of nobody', { subject: 'nobody' }, []],
  ['none in that time', { since: 7_000 }, []],
];

export function readingContract(engine: SinkEngine): void {
  const orders: readonly ReadingOrder[] = engine.lacks?.orders
    ? ['stored', 'received']
    : ['stored', 'received', 'newest'];
  const promised = (sentence: string, run: (sink: Sink) => Promise<void>, skip: string | false = false) =>
    test(`${engine.name}: ${sentence}`, { skip }, async (context: TestContext) => {
      await using sink = await engine.open(await temporaryDirectory(context));
      await run(sink);
    });

  promised(
    'the text of the data is given back as it was stored, digit for digit and member for member',
    async (sink) => {
      await sink.write(writeOf(1, [textsOf(exact)]));
      await sink.mark(lookedAt(1));
      for (const order of ['stored', 'received'] as const) {
        const page = await sink.read({ order, limit: 100 });
        assert.deepEqual(
          textsIn(page).map((text) => text.slice(text.indexOf(',"data":') + ',"data":'.length, -1)),
          exact,
        );
      }
    },
  );

  const halves: [string, string][] = [
    ['"\\ud800"', '"\\\\ud800"'],
    ['"x\\uDFFFy \\ud83d\\ude00"', '"x\\\\uDFFFy \\ud83d\\ude00"'],
    ['"\\ud83d\\ud83d\\ude00"', '"\\\\ud83d\\ud83d\\ude00"'],
    ['"\\\\ud800 \\u00fc"', '"\\\\ud800 \\u00fc"'],
  ];
  promised('half of a surrogate pair in an old row is given as the text of its escape', async (sink) => {
    await sink.write(writeOf(1, [textsOf(halves.map(([half]) => `{"a":${half}}`))]));
    await sink.mark(lookedAt(1));
    const texts = textsIn(await sink.read({ order: 'received', limit: 100 }));
    assert.deepEqual(
      texts.map((text) => /"data":\{"a":(.*)\}\}$/.exec(text)?.[1]),
      halves.map(([, given]) => given),
    );
    for (const text of texts) assert.ok(text.isWellFormed() && JSON.stringify(JSON.parse(text).data).isWellFormed());
  });

  promised('white space of any kind in a stored text does not break its line', async (sink) => {
    await sink.write(writeOf(1, [textsOf(['{\r\n  "t": 1,\n\t"u": "\\n"\n}'])]));
    await sink.mark(lookedAt(1));
    const [item, ...more] = itemsIn(await sink.read({ order: 'stored', limit: 10 }));
    assert.deepEqual([item?.data, more], [{ t: 1, u: '\n' }, []]);
  });

  promised('a device time that no timestamp can say is null, and the others are read', async (sink) => {
    const late = Date.parse('9999-12-31T23:59:59.999Z');
    const deviceTimes = [late + 1, late, -62_167_219_200_001, 8_640_000_000_000_001, 0, -1];
    await sink.write(
      writeOf(1, [
        textsOf(
          deviceTimes.map(() => '{}'),
          { deviceTimes },
        ),
      ]),
    );
    await sink.mark(lookedAt(1));
    const given = itemsIn(await sink.read({ order: 'stored', limit: 10 })).map(({ deviceTime }) => deviceTime);
    assert.deepEqual(given, [
      null,
      '9999-12-31T23:59:59.999Z',
      null,
      null,
      '1970-01-01T00:00:00.000Z',
      '1969-12-31T23:59:59.999Z',
    ]);
  });

  for (const [what, query, ids] of asked) {
    promised(
      `read ${what}: by the time of receipt, each once, however long a page is`,
      async (sink) => {
        await fill(sink);
        for (const limit of [1, 2, 3, 7, 1_000])
          assert.deepEqual(await idsIn(sink, { ...query, limit }), ids, `${limit}`);
      },
      query.order !== 'stored' && engine.lacks?.orders,
    );
  }

  promised('the gate is named in each line where it is asked for, before the data', async (sink) => {
    await fill(sink);
    const [text = ''] = textsIn(await sink.read({ order: 'received', limit: 1, gate: 'gate-1' }));
    assert.match(text, /,"gate":"gate-1","sequence":null,"run":null,"data":\{\}\}$/);
    ReadingView.parse(JSON.parse(text));
  });

  promised('a page is bounded by its bytes', async (sink) => {
    const large = Array.from({ length: 60 }, () => `{"text":"${'ü'.repeat(30_000)}"}`);
    await sink.write(writeOf(1, [textsOf(large)]));
    await sink.mark(lookedAt(1));
    for (const order of orders) {
      const pages = await pagesOf(sink, { order });
      assert.equal(pages.flatMap(textsIn).length, 60);
      for (const { lines } of pages) assert.ok(lines.length <= 1_048_576 + 65_536, `${lines.length} bytes`);
    }
  });

  promised(
    'what becomes readable later is not in these pages, and is found behind their tail',
    async (sink) => {
      await fill(sink);
      const early = { receivedAt: 500 };
      let batch = times.length;
      const write = (rows: Parameters<typeof requestOf>[0], more = {}) =>
        sink.write(writeOf(++batch, [requestOf(rows, more)], { looked: batch, proven: batch }));
      const pages = await pagesOf(sink, { limit: 4 }, () => write([[null, {}]], early));
      assert.deepEqual(
        pages.flatMap((page) => itemsIn(page).map(({ id }) => id)),
        named(...sorted),
      );
      const tails = new Set(pages.map(({ tail }) => tail));
      assert.equal(tails.size, 1, 'one bound for all pages');
      const later = await pagesOf(sink, { order: 'stored', after: [...tails][0] });
      assert.equal(later.flatMap(textsIn).length, pages.length - 1);
      const tail = later.at(-1)?.tail;
      assert.deepEqual(await idsIn(sink, { order: 'stored', after: tail }), []);
      await write([['late', {}]]);
      assert.deepEqual(await idsIn(sink, { order: 'stored', after: tail }), ['late']);
    },
    engine.lacks?.orders,
  );

  promised('who asks for what is final gets no row whose proof may change, and gets it later', async (sink) => {
    for (const batch of [1, 2, 3]) await sink.write(writeOf(batch, [requestOf([[`b${batch}`, {}]])], { looked: 0 }));
    await sink.mark({ looked: 3, quarantine: [], proven: 1, unproven: [1] });
    const first = await sink.read({ order: 'received', final: true, limit: 10 });
    assert.deepEqual(
      itemsIn(first).map(({ id, proof }) => [id, proof]),
      [['b1', 'unproven']],
    );
    assert.deepEqual(await idsIn(sink), ['b1', 'b2', 'b3']);
    const after = { order: 'stored', final: true, after: first.tail } as const;
    assert.deepEqual(await idsIn(sink, after), []);
    await sink.mark(lookedAt(3));
    assert.deepEqual(await idsIn(sink, after), ['b2', 'b3']);
  });

  for (const order of orders) {
    promised(`what is pruned between two pages (${order}) is not there, and nothing is there twice`, async (sink) => {
      await fill(sink);
      const seen: string[] = [];
      for (const page of await pagesOf(sink, { order, limit: 2 }, (page) => sink.prune(2_500 + 500 * page))) {
        seen.push(...itemsIn(page).map(({ id }) => id));
      }
      assert.equal(new Set(seen).size, seen.length);
      assert.ok(named(6_000).every((id) => seen.includes(id)));
    });
  }

  promised(
    'all is pruned between two pages: the pages end, and what comes later is behind their tail',
    async (sink) => {
      await fill(sink);
      const first = await sink.read({ order: 'received', limit: 2 });
      await sink.prune(10_000);
      const rest = await sink.read({ order: 'received', limit: 2, after: first.next ?? '' });
      assert.deepEqual([itemsIn(rest), rest.next], [[], null]);
      await sink.write(writeOf(7, [requestOf([['late', {}]])], { looked: 7, proven: 7 }));
      assert.deepEqual(await idsIn(sink, { order: 'stored', after: rest.tail }), ['late']);
    },
    engine.lacks?.prune,
  );

  promised(
    'P13: what is passed over by many pages ends each of them soon',
    async (sink) => {
      const many = (batch: number) =>
        Array.from({ length: 4_000 }, () => requestOf([[null, {}]], { receivedAt: batch }));
      for (let batch = 1; batch <= 3; batch++) await sink.write(writeOf(batch, many(batch)));
      await sink.write(
        writeOf(4, [requestOf([['rare', {}]], { stream: 'rare', receivedAt: 4 })], { looked: 4, proven: 4 }),
      );
      for (const order of ['stored', 'received', 'newest'] as const) {
        const pages = await pagesOf(sink, { order, stream: 'rare' });
        assert.deepEqual([pages.length, pages.flatMap(textsIn).length], [3, 1], order);
      }
    },
    engine.lacks?.orders,
  );

  promised(
    'P13: writes come between the turns of pruning',
    async (sink) => {
      const rows = Array.from({ length: 2_000 }, (_, index) => [`r${index}`, {}] satisfies [string, unknown]);
      for (let batch = 1; batch <= 20; batch++) {
        await sink.write(writeOf(batch, [requestOf(rows, { subject: `truck-${batch}` })]));
      }
      const ended: string[] = [];
      const pruned = sink.prune(2_000).then((removed) => {
        ended.push('pruning');
        return removed;
      });
      const written = sink.write(writeOf(21, [requestOf([['new', {}]], { receivedAt: 9_000 })]));
      await written.then(() => ended.push('write'));
      assert.equal(await pruned, 40_000);
      assert.deepEqual(ended, ['write', 'pruning']);
      await sink.mark(lookedAt(21));
      assert.deepEqual(await idsIn(sink), ['new']);
    },
    engine.lacks?.prune,
  );

  promised('a cursor of another order is refused by name', async (sink) => {
    await assert.rejects(sink.read({ order: 'received', after: '7', limit: 1 }), {
      code: 'request_malformed',
      message: /"7" is not where a page in the order "received" ended/,
    });
  });
}
