/** What a sink keeps of senders that rules watch; part of the sink's contract. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { runPauseMsMax } from '@portcullis/contract';
import fc from 'fast-check';
import { temporaryDirectory } from '../store/store.contract.ts';
import type { Sink, SinkRequest, UntoldEdge } from './promises.ts';
import { requestOf, type SinkEngine, writeOf } from './sink.contract.ts';

/** Readings at these times, each with the letter of its side. */
function watched(readings: [id: string, at: number, side: string][], more: Partial<SinkRequest> = {}): SinkRequest {
  const sides = readings.map(([, , side]) => side).join('');
  return requestOf(
    readings.map(([id, at]) => [id, { at }, at]),
    { receivedAt: 1_000_000, watched: [{ rule: 'cold-chain', revision: 5, sides }], ...more },
  );
}

const lookedAt = (batch: number) => ({ looked: batch, quarantine: [], proven: batch, unproven: [] });
const all = { newest: true };
const edgesOf = async (sink: Sink) => (await sink.untold(all)).edges;
const shortOf = ({ reading, side, after, late }: UntoldEdge) => [
  reading,
  side,
  after,
  late === 1 ? 'late' : 'in order',
];

/** Each write is a batch of its own, and proven. */
class Writing {
  readonly sink: Sink;
  batch: number;

  constructor(sink: Sink) {
    this.sink = sink;
    this.batch = sink.lastBatch;
  }

  async write(...requests: SinkRequest[]): Promise<number> {
    await this.sink.write(writeOf(++this.batch, requests));
    await this.sink.mark(lookedAt(this.batch));
    return this.batch;
  }
}

export function edgesContract(engine: SinkEngine): void {
  const promised = (sentence: string, run: (sink: Sink) => Promise<void>) =>
    test(`${engine.name}: ${sentence}`, async (context: TestContext) => {
      await using sink = await engine.open(await temporaryDirectory(context));
      await run(sink);
    });
  const reopened = (sentence: string, run: (open: () => Promise<Sink>) => Promise<void>) =>
    test(`${engine.name}: ${sentence}`, async (context: TestContext) => {
      const directory = await temporaryDirectory(context);
      await run(() => engine.open(directory));
    });

  promised('an edge is the first reading, the first on the other side, and the first after a pause', async (sink) => {
    const writing = new Writing(sink);
    const late = 5_000 + runPauseMsMax;
    await writing.write(
      watched([
        ['a', 1_000, 'i'],
        ['b', 2_000, 'i'],
        ['c', 3_000, 'o'],
        ['d', 4_000, 'b'],
        ['e', 5_000, 'i'],
        ['f', late, 'i'],
        ['g', late + runPauseMsMax + 1, 'b'],
      ]),
    );
    assert.deepEqual((await edgesOf(sink)).map(shortOf), [
      ['a', 'inside', null, 'in order'],
      ['c', 'outside', 2_000, 'in order'],
      ['e', 'inside', 4_000, 'in order'],
      ['g', 'inside', late, 'in order'],
    ]);
    const [first] = await edgesOf(sink);
    const { number, ...told } = first as UntoldEdge;
    assert.ok(number > 0);
    assert.deepEqual(told, {
      ...{ instance: 'first', rule: 'cold-chain', revision: 5, subject: 'truck-17', side: 'inside', reading: 'a' },
      ...{ at: 1_000, receivedAt: 1_000_000, clock: 'synchronized', after: null, late: 0, unproven: 0 },
    });
  });

  promised('one that could not be evaluated, and one that was stored before, says nothing', async (sink) => {
    const writing = new Writing(sink);
    await writing.write(watched([['a', 1_000, 'i']]));
    await writing.write(
      watched([
        ['a', 1_000, 'o'],
        ['b', 2_000, '-'],
        ['c', 3_000, 'i'],
      ]),
    );
    // Refused whole: `a` was another reading's.
    await writing.write(
      requestOf(
        [
          ['x', {}],
          ['a', { other: 1 }],
        ],
        { watched: [{ rule: 'cold-chain', revision: 5, sides: 'oo' }] },
      ),
    );
    assert.deepEqual((await edgesOf(sink)).map(shortOf), [['a', 'inside', null, 'in order']]);
    const { newest } = await sink.untold(all);
    assert.deepEqual(newest, [{ rule: 'cold-chain', subject: 'truck-17', side: 'inside', newest: 3_000 }]);
  });

  promised('a late reading is an edge of its own, and does not move the newest', async (sink) => {
    const writing = new Writing(sink);
    await writing.write(
      watched([
        ['a', 1_000, 'i'],
        ['b', 20_000, 'o'],
        ['c', 40_000, 'i'],
      ]),
    );
    await writing.write(
      watched([
        ['d', 25_000, 'b'],
        ['e', 500, 'b'],
        ['f', 30_000, 'o'],
        ['g', 41_000, 'i'],
      ]),
    );
    assert.deepEqual((await edgesOf(sink)).slice(3).map(shortOf), [
      ['d', 'outside', 40_000, 'late'],
      ['e', 'inside', 40_000, 'late'],
      ['f', 'outside', 40_000, 'late'],
    ]);
    assert.equal((await sink.untold(all)).newest[0]?.newest, 41_000);
  });

  promised('the device is believed its time where its clock is right and not ahead, else the gate is', async (sink) => {
    const writing = new Writing(sink);
    const of = (id: string, at: number, clock: SinkRequest['clocks'][number], receivedAt: number) =>
      watched([[id, at, 'o']], { clocks: [clock], receivedAt, subject: id });
    await writing.write(
      of('right', 5_000, 'synchronized', 70_000),
      of('unsure', 5_000, 'unsynchronized', 70_000),
      of('silent', 5_000, 'unknown', 70_000),
      of('ahead', 10_000_000, 'synchronized', 70_000),
    );
    const times = (await edgesOf(sink)).map(({ reading, at }) => [reading, at]);
    assert.deepEqual(times, [
      ['right', 5_000],
      ['unsure', 70_000],
      ['silent', 70_000],
      ['ahead', 70_000],
    ]);
  });

  promised('another revision of a rule begins anew, each rule and each sender by itself', async (sink) => {
    const writing = new Writing(sink);
    const by = (revision: number, side: string) => [{ rule: 'cold-chain', revision, sides: side }];
    await writing.write(watched([['a', 1_000, 'o']]));
    await writing.write(
      watched([['b', 2_000, 'o']], { watched: [...by(6, 'o'), { rule: 'frost', revision: 5, sides: 'i' }] }),
    );
    await writing.write(watched([['c', 3_000, 'o']], { subject: 'truck-18', watched: by(6, 'o') }));
    const found = (await edgesOf(sink)).map(({ rule, revision, subject, reading, after }) => [
      rule,
      revision,
      subject,
      reading,
      after,
    ]);
    assert.deepEqual(found, [
      ['cold-chain', 5, 'truck-17', 'a', null],
      ['cold-chain', 6, 'truck-17', 'b', 1_000],
      ['frost', 5, 'truck-17', 'b', null],
      ['cold-chain', 6, 'truck-18', 'c', null],
    ]);
  });

  promised('nothing is told before its batch is proven, and of a quarantined one nothing ever', async (sink) => {
    await sink.write(writeOf(1, [watched([['a', 1_000, 'i']])]));
    await sink.mark({ looked: 1, quarantine: [], proven: 0, unproven: [] });
    assert.deepEqual(await sink.untold(all), { edges: [], newest: [] });
    await sink.mark(lookedAt(1));
    assert.equal((await edgesOf(sink)).length, 1);
    await sink.write(writeOf(2, [watched([['b', 2_000, 'o']])]));
    await sink.write(writeOf(3, [watched([['c', 3_000, 'o']])], { looked: 2, quarantine: [2], proven: 2 }));
    await sink.mark(lookedAt(3));
    assert.deepEqual((await edgesOf(sink)).map(shortOf), [
      ['a', 'inside', null, 'in order'],
      ['c', 'outside', null, 'in order'],
    ]);
  });

  promised('of a write that fails nothing is left, neither an edge nor where its senders stood', async (sink) => {
    const writing = new Writing(sink);
    await writing.write(watched([['a', 1_000, 'i']]));
    const unreadable = requestOf([['x', {}]], { data: [{} as never] });
    await assert.rejects(sink.write(writeOf(2, [watched([['b', 2_000, 'o']]), unreadable])));
    writing.batch = 2;
    await writing.write(watched([['c', 3_000, 'o']]));
    assert.deepEqual((await edgesOf(sink)).map(shortOf), [
      ['a', 'inside', null, 'in order'],
      ['c', 'outside', 1_000, 'in order'],
    ]);
  });

  promised('P7: what is unproven is told so, and the next reading says it anew', async (sink) => {
    const writing = new Writing(sink);
    await writing.write(watched([['a', 1_000, 'i']]));
    await sink.write(writeOf(2, [watched([['b', 2_000, 'o']])]));
    await sink.write(writeOf(3, [watched([['c', 3_000, 'b']])], { looked: 2, proven: 2, unproven: [2] }));
    await sink.write(writeOf(4, [watched([['d', 4_000, 'b']])], { looked: 3, proven: 3 }));
    await sink.mark(lookedAt(4));
    const found = (await edgesOf(sink)).map((edge) => [...shortOf(edge), edge.unproven]);
    assert.deepEqual(found, [
      ['a', 'inside', null, 'in order', 0],
      ['b', 'outside', 1_000, 'in order', 1],
      ['c', 'outside', 2_000, 'in order', 0],
    ]);
  });

  reopened(
    'settled as unproven, edges of a process that died are told so, and what came before goes on',
    async (open) => {
      const sink = await open();
      await new Writing(sink).write(watched([['a', 1_000, 'o']]));
      await sink.write(writeOf(2, [watched([['b', 2_000, 'i']])]));
      await sink[Symbol.asyncDispose]();
      await using again = await open();
      assert.equal((await edgesOf(again)).length, 1, 'what nobody looked at is not told');
      await again.settle(2, 'unproven');
      assert.deepEqual(
        (await edgesOf(again)).map(({ reading, unproven }) => [reading, unproven]),
        [
          ['a', 0],
          ['b', 1],
        ],
      );
    },
  );

  reopened('a restart continues: no edge without a change, and what was not taken is told again', async (open) => {
    const sink = await open();
    const writing = new Writing(sink);
    await writing.write(watched([['a', 1_000, 'o']]));
    const [first] = await edgesOf(sink);
    await sink.told({ edges: [(first as UntoldEdge).number], newest: [] });
    await writing.write(watched([['b', 2_000, 'i']]));
    const [second] = await edgesOf(sink);
    await sink[Symbol.asyncDispose]();
    await using again = await open();
    const continued = new Writing(again);
    await continued.write(watched([['c', 3_000, 'i']]));
    const { edges, newest } = await again.untold(all);
    assert.deepEqual(edges, [second], 'with the number that it had');
    assert.deepEqual(newest, [{ rule: 'cold-chain', subject: 'truck-17', side: 'inside', newest: 3_000 }]);
    // It stays for late ones to be compared with.
    await continued.write(watched([['d', 1_500, 'b']]));
    assert.deepEqual(shortOf((await edgesOf(again))[1] as UntoldEdge), ['d', 'outside', 3_000, 'late']);
  });

  reopened('the newest times of an earlier process are told too, once', async (open) => {
    const sink = await open();
    const many = Array.from({ length: 1_500 }, (_, index) =>
      watched([['a', 1_000, 'i']], { subject: `truck-${index}` }),
    );
    await new Writing(sink).write(...many);
    await sink[Symbol.asyncDispose]();
    await using again = await open();
    for (let edges = 0; edges < 1_500; ) {
      const untold = await again.untold(all);
      edges += untold.edges.length;
      assert.ok(untold.edges.length < 500 || untold.newest.length === 0, 'edges come first');
      await again.told({ edges: untold.edges.map(({ number }) => number), newest: [] });
    }
    const told = new Set<string>();
    for (let page = await again.untold(all); page.newest.length > 0; page = await again.untold(all)) {
      for (const { subject } of page.newest) told.add(subject);
      await again.told({ edges: [], newest: page.newest });
    }
    assert.equal(told.size, 1_500);
  });

  promised('a newest time that moved while it was told is told again', async (sink) => {
    const writing = new Writing(sink);
    await writing.write(watched([['a', 1_000, 'i']]));
    const { newest } = await sink.untold(all);
    await writing.write(watched([['b', 2_000, 'i']]));
    await sink.told({ edges: [], newest });
    assert.equal((await sink.untold(all)).newest[0]?.newest, 2_000);
    assert.deepEqual((await sink.untold({ newest: false })).newest, []);
  });

  promised('edges go with the readings of their time', async (sink) => {
    const writing = new Writing(sink);
    await writing.write(watched([['a', 1_000, 'i']], { receivedAt: 10 }));
    await writing.write(watched([['b', 2_000, 'o']], { receivedAt: 20, subject: 'truck-18' }));
    await sink.prune(15);
    assert.deepEqual(
      (await edgesOf(sink)).map(({ reading }) => reading),
      ['b'],
    );
    await writing.write(watched([['c', 3_000, 'b']], { receivedAt: 30 }));
    assert.deepEqual(shortOf((await edgesOf(sink))[1] as UntoldEdge), ['c', 'inside', null, 'in order']);
  });

  promised('however readings are cut into requests and batches, the edges are the same', async (sink) => {
    const writing = new Writing(sink);
    let sender = 0;
    const reading = fc.tuple(fc.integer({ min: 0, max: 200_000 }), fc.constantFrom('o', 'i', 'b', '-'));
    await fc.assert(
      fc.asyncProperty(
        fc.array(reading, { minLength: 1, maxLength: 30 }),
        fc.array(fc.nat(30)),
        async (readings, cuts) => {
          const rows = readings.map(([at, side], index) => [`r${index}`, at, side] as [string, number, string]);
          const [whole, inPieces] = [`truck-${++sender}`, `truck-${++sender}`];
          await writing.write(watched(rows, { subject: whole }));
          const ends = [...new Set([...cuts, rows.length])].toSorted((one, other) => one - other);
          for (let from = 0; from < rows.length; ) {
            const to = Math.min(rows.length, ends.find((end) => end > from) ?? rows.length);
            await writing.write(watched(rows.slice(from, to), { subject: inPieces }));
            from = to;
          }
          const { edges } = await sink.untold(all);
          await sink.told({ edges: edges.map(({ number }) => number), newest: [] });
          const of = (subject: string) => edges.filter((edge) => edge.subject === subject).map(shortOf);
          assert.deepEqual(of(inPieces), of(whole));
        },
      ),
      { numRuns: 40 },
    );
  });
}
