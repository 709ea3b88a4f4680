import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnfinishedBytes } from './unfinished-bytes.ts';

const bound = 60_000;
const flight = 15_000;

function open({ ofAll = 100 * bound } = {}) {
  const clock = { now: 0 };
  const terms = { unfinishedBytesPerAddressMax: bound, unfinishedBytesMax: ofAll };
  return { clock, bytes: new UnfinishedBytes(terms, { monotonic: () => clock.now }) };
}

const times = (count: number, what: () => void) => {
  for (let index = 0; index < count; index++) what();
};

test('who had his bytes of a minute waits, others do not; what is owed for what was too much is bounded', () => {
  const { clock, bytes } = open();
  times(4, () => bytes.unfinished('stranger', flight));
  assert.deepEqual([bytes.mayBegin('stranger'), bytes.mayBegin('other'), bytes.total], [false, true, bound]);
  clock.now = 1;
  assert.equal(bytes.mayBegin('stranger'), true);
  // As many at once as there are places for handshakes.
  times(512, () => bytes.unfinished('stranger', flight));
  clock.now += 60_000;
  assert.equal(bytes.mayBegin('stranger'), false);
  clock.now += 1;
  assert.equal(bytes.mayBegin('stranger'), true);
});

test('a handshake that was finished gives back as much: devices that share an address with who hangs up are not kept out', () => {
  const { bytes } = open();
  times(1_000, () => {
    assert.equal(bytes.mayBegin('shared'), true);
    bytes.unfinished('shared', flight);
    assert.equal(bytes.mayBegin('shared'), true);
    bytes.finished('shared', flight);
  });
  // It saves up no more than anybody has.
  times(1_000, () => bytes.finished('shared', flight));
  times(4, () => bytes.unfinished('shared', flight));
  assert.equal(bytes.mayBegin('shared'), false);
});

test('where it was too much over all, those come in of whose address somebody got through; invented addresses push out none of late', () => {
  const { clock, bytes } = open({ ofAll: 2 * bound });
  bytes.finished('fleet', flight);
  bytes.finished('another', flight);
  for (const group of ['a', 'b']) times(4, () => bytes.unfinished(group, flight));
  assert.deepEqual(
    ['fleet', 'another', 'new', 'a'].map((group) => bytes.mayBegin(group)),
    [true, true, false, false],
  );
  times(4, () => bytes.unfinished('fleet', flight));
  assert.equal(bytes.mayBegin('fleet'), false, 'it has no more than anybody');
  for (let index = 0; index < 9_999; index++) bytes.finished(`device ${index}`, flight);
  assert.deepEqual([bytes.mayBegin('another'), bytes.mayBegin('device 9998')], [true, true]);
  bytes.finished('one more', flight);
  assert.equal(bytes.mayBegin('another'), false, 'the one that was heard of longest ago is forgotten');
  clock.now = 60_000;
  assert.equal(bytes.mayBegin('new'), true);
});

test('who was told nothing has cost nothing', () => {
  const { bytes } = open({ ofAll: bound });
  times(1_000, () => bytes.unfinished('check', 0));
  assert.deepEqual([bytes.mayBegin('check'), bytes.total], [true, 0]);
});
