import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Batch, type Looked, type Recorded, Recording, type Refusal } from './recording.ts';

type Parts = ConstructorParameters<typeof Recording<string>>[0];

/** A sink whose every write and mark the test ends, and a lease that it gives and takes. */
function scene(more: Pick<Parts, 'gather'> & Partial<Pick<Parts, 'bounds'>> = {}) {
  const lease: { term: number | undefined } = { term: 1 };
  const asked: { what: Looked & Partial<Batch<string>>; done(error?: unknown): void }[] = [];
  const unproven: number[] = [];
  let soon = 0;
  const recording = new Recording<string>({
    write: (what, done) =>
      asked.push({
        what,
        done: (error) =>
          done(error, error === undefined ? what.requests.map(() => ({ stored: 1, repeated: 0 })) : undefined),
      }),
    mark: (what, done) => asked.push({ what, done }),
    term: () => lease.term,
    markSoon: () => soon++,
    onOverrun: () => undefined,
    onUnproven: (batch) => unproven.push(batch),
    lastBatch: 0,
    bounds: { readingsMax: 100, bytesMax: 1_000 },
    ...more,
  });
  const answers: Record<string, Recorded> = {};
  const submit = (request: string, judgeAgain: () => Refusal | undefined = () => undefined) =>
    recording.submit({
      ...{ request, readings: 1, bytes: 1, judgeAgain },
      answer: (result) => {
        answers[request] = result;
      },
    });
  /** Ends the oldest write or mark; returns what it put on record. */
  const end = (error?: unknown) => {
    const next = asked.shift();
    assert.ok(next, 'something is under way');
    next.done(error);
    const { looked, proven, unproven: named } = next.what;
    return { looked, proven, unproven: named };
  };
  return { recording, lease, asked, unproven, answers, submit, end, soon: () => soon };
}

/** Lets what follows from settled promises happen. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** What comes in one turn, until the test ends that turn. */
function gathering() {
  const turns: (() => void)[] = [];
  return { ...scene({ gather: (callback) => void turns.push(callback) }), turns };
}

test('what comes in one turn goes into one commit, and what comes meanwhile into the next', () => {
  const { asked, submit, end, turns } = gathering();
  submit('a');
  submit('b');
  assert.equal(asked.length, 0);
  assert.equal(turns.length, 1);
  turns.shift()?.();
  assert.deepEqual(asked[0]?.what.requests, ['a', 'b']);
  submit('c');
  submit('d');
  assert.equal(turns.length, 0, 'while a commit is in flight, nothing begins');
  end();
  submit('e');
  assert.equal(asked.length, 0);
  turns.shift()?.();
  assert.deepEqual(asked[0]?.what.requests, ['c', 'd', 'e']);
});

test('P8: a stop waits for no gathering: what is more than one group goes one after the other', async () => {
  const bounds = { readingsMax: 100_000, bytesMax: 1_000_000 };
  const { recording, asked, end } = scene({ gather: () => undefined, bounds });
  const answers: Recorded[] = [];
  const entry = { readings: 20_000, bytes: 1, judgeAgain: () => undefined };
  for (const request of ['a', 'b']) recording.submit({ ...entry, request, answer: (result) => answers.push(result) });
  const stopping = recording.stop();
  while (answers.length < 2) {
    assert.ok(asked.length > 0, 'it goes on');
    end();
    await turn();
  }
  for (; asked.length > 0; await turn()) end();
  await stopping;
  assert.deepEqual(
    answers.map((answer) => 'outcome' in answer),
    [true, true],
  );
});

test('P7: what waits for its turn is judged again by a change, and is in no commit after it (rule 7)', () => {
  const { recording, asked, submit, turns, answers } = gathering();
  const refused: Refusal = { reason: 'attribute_not_expected' };
  let isCut = false;
  submit('cut', () => (isCut ? refused : undefined));
  submit('free');
  isCut = true;
  recording.changeApplied();
  turns.shift()?.();
  assert.deepEqual(answers.cut, { refused });
  assert.deepEqual(asked[0]?.what.requests, ['free']);
});

test('a gate that stops writes what waits for its turn, and a turn that ends after it begins nothing', async () => {
  const { recording, asked, submit, end, turns, answers } = gathering();
  submit('a');
  const stopped = recording.stop();
  assert.deepEqual(asked[0]?.what.requests, ['a']);
  turns.shift()?.();
  for (; asked.length > 0; await turn()) end();
  await stopped;
  assert.deepEqual(answers.a, { outcome: { stored: 1, repeated: 0 } });
});

test('P7: a batch is readable by the record of its look, and proven by the record after that', () => {
  const { recording, asked, submit, end } = scene();
  submit('a');
  assert.deepEqual(end(), { looked: 0, proven: 0, unproven: [] });
  recording.markNow();
  assert.deepEqual(end(), { looked: 1, proven: 0, unproven: [] });
  assert.deepEqual(end(), { looked: 1, proven: 1, unproven: [] });
  assert.equal(asked.length, 0, 'nothing more is due');
});

for (const [what, term] of [
  ['is over', undefined],
  ['is another one', 2],
] as const) {
  test(`P7: where the lease ${what} when the record is known to be on disk, the batch is named unproven`, () => {
    const { recording, lease, unproven, answers, submit, end } = scene();
    submit('a');
    end();
    recording.markNow();
    lease.term = term;
    end();
    assert.deepEqual([unproven, 'outcome' in (answers.a ?? {})], [[1], true]);
    assert.deepEqual(end(), { looked: 1, proven: 1, unproven: [1] });
  });
}

test('a queue that no lease covers any more leaves nothing that is due undone', () => {
  const { recording, lease, asked, answers, submit, end, soon } = scene();
  submit('a');
  submit('b');
  lease.term = undefined;
  end();
  assert.ok('refused' in (answers.b ?? {}), 'b is refused');
  assert.ok(soon() > 0 || asked.length > 0, 'the look at a is recorded soon');
  recording.markNow();
  end();
  assert.equal(asked.length, 1, 'and so is its proof');
});

test('stopping ends with everything on record, whatever was due and whether or not there is a lease', async () => {
  for (const term of [1, undefined]) {
    const { recording, lease, asked, submit, end } = scene();
    submit('a');
    recording.afterCommitInFlight(() => submit('b'));
    end();
    lease.term = term;
    end();
    let stopped = false;
    const stopping = recording.stop().then(() => {
      stopped = true;
    });
    for (let turns = 0; turns < 20 && !stopped; turns++) {
      if (asked.length > 0) end();
      await turn();
    }
    assert.ok(stopped, 'it has stopped');
    await stopping;
  }
});

test('stopping gives up proving on a disk that takes nothing: the next start settles it', async () => {
  const { recording, asked, submit, end } = scene();
  submit('a');
  end();
  recording.markNow();
  end();
  end(new Error('disk full'));
  let stopped = false;
  const stopping = recording.stop().then(() => {
    stopped = true;
  });
  for (let turns = 0; turns < 20 && !stopped; turns++) {
    if (asked.length > 0) end(new Error('disk full'));
    await turn();
  }
  assert.ok(stopped, 'it has stopped');
  await stopping;
});

test('P13: while nothing can be stored requests are refused, and what there is to give up does not grow', () => {
  const { asked, answers, submit, end } = scene();
  const unavailable = { refused: { reason: 'sink_unavailable' } };
  submit('a');
  submit('b');
  end(new Error('away'));
  end(new Error('away'));
  assert.deepEqual([answers.a, answers.b, asked.length], [unavailable, unavailable, 0]);
  for (let number = 0; number < 1_000; number++) {
    submit(`c${number}`);
    assert.deepEqual(asked[0]?.what.quarantine, [1]);
    end(new Error('away'));
    assert.deepEqual(answers[`c${number}`], unavailable);
  }
  submit('d');
  end();
  assert.deepEqual(
    asked.map(({ what }) => [what.batch, what.quarantine]),
    [[2, []]],
  );
  end();
  assert.deepEqual(answers.d, { outcome: { stored: 1, repeated: 0 } });
});

test('stopping ends where nothing can be put on record, and nobody is told that it is', async () => {
  const { recording, asked, submit, end } = scene();
  let told = 0;
  submit('a');
  end();
  recording.afterCommitInFlight(() => told++);
  submit('b');
  let stopped = false;
  const stopping = recording.stop().then(() => {
    stopped = true;
  });
  for (let turns = 0; turns < 20 && !stopped; turns++) {
    if (asked.length > 0) end(new Error('away'));
    await turn();
  }
  assert.ok(stopped, 'it has stopped');
  await stopping;
  assert.equal(told, 0);
});
