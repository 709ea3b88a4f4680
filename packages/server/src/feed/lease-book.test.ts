import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeaseBook } from './lease-book.ts';

const one = { gate: 'gate-1', instance: 'a' };
const two = { gate: 'gate-2', instance: 'b' };

function book(terms: { horizonMs?: number; receipted?: number } = {}) {
  const time = { now: 0 };
  const made = new LeaseBook({
    leaseMs: 1_000,
    patienceMs: 400,
    horizonMs: 0,
    receipted: 0,
    monotonic: () => time.now,
    ...terms,
  });
  const given = () =>
    made
      .giveReceipts()
      .map(({ revision, outcomes }) => [revision, outcomes.map(({ gate, outcome }) => `${gate} ${outcome}`)]);
  return { time, book: made, given };
}

test('with no gate a change is in force at once', () => {
  const { book: made, given } = book();
  made.changed(1);
  assert.deepEqual(given(), [[1, []]]);
});

test('P7: a receipt waits for every instance that could still decide', () => {
  const { book: made, given, time } = book();
  made.renew(one, 0);
  made.renew(two, 0);
  made.changed(1);
  made.reported(one, 1, 0);
  assert.deepEqual(given(), []);
  time.now = 3;
  made.reported(two, 1, 2);
  assert.deepEqual(given(), [[1, ['gate-1 applied', 'gate-2 applied']]]);
});

test('rule 2: a lease is counted two hundredths longer here than there', () => {
  const { book: made, given, time } = book();
  made.renew(one, 0);
  made.changed(1);
  time.now = 1_010;
  assert.deepEqual(given(), []);
  time.now = 1_023;
  assert.deepEqual(given(), [[1, ['gate-1 lease_expired']]]);
});

test('rule 3: what another instance of the same gate applied says nothing of this one', () => {
  const { book: made, given } = book();
  made.renew(one, 0);
  made.changed(1);
  made.renew({ gate: 'gate-1', instance: 'copy' }, 1);
  assert.deepEqual(given(), []);
});

test('rule 4: without a running lease one is given only to who has applied all that was receipted', () => {
  const { book: made } = book({ receipted: 5 });
  assert.equal(made.renew(one, 4).granted, false);
  assert.equal(made.renew(one, 5).granted, true);
});

test('rule 4: who is behind by less than the patience gets a lease while changes come and come', () => {
  const { book: made, time } = book();
  const [stepMs, wayMs] = [10, 190];
  made.renew(two, 0);
  const asked: { arrives: number; applied: number }[] = [{ arrives: 0, applied: 0 }];
  let joinedAt: number | undefined;
  for (; time.now <= 3_000 && joinedAt === undefined; time.now += stepMs) {
    const head = 1 + time.now / stepMs;
    made.changed(head);
    if (time.now % 250 === 0) made.renew(two, head);
    made.reported(two, head, 0);
    made.giveReceipts();
    if (asked[0]?.arrives !== time.now) continue;
    const answer = made.renew(one, asked.shift()?.applied ?? 0);
    if (answer.granted) joinedAt = time.now;
    else if (answer.because === 'behind') {
      // The answer is under way for as long as what it is asked for next, which names what the feed had brought by then.
      const asks = Math.ceil((time.now + wayMs + answer.retryAfterMs) / stepMs) * stepMs;
      asked.push({ arrives: asks + wayMs, applied: 1 + (asks - wayMs) / stepMs });
    }
  }
  assert.ok(joinedAt !== undefined && joinedAt < 1_000, `at ${joinedAt}`);
  assert.ok(made.waiting().oldestMs <= 400, 'no receipt waits longer than the patience');
});

test('rule 5: who is waited for longer than the patience is given no more, so that every receipt has a bound', () => {
  const { book: made, given, time } = book();
  made.renew(one, 0);
  made.changed(1);
  time.now = 390;
  assert.equal(made.renew(one, 0).granted, true);
  time.now = 401;
  assert.equal(made.renew(one, 0).granted, false);
  time.now = 390 + 1_023;
  assert.deepEqual(given(), [[1, ['gate-1 lease_expired']]]);
});

test('rule 6: a restarted authority gives no receipt while leases of before may run', () => {
  const { book: made, given, time } = book({ horizonMs: 1_000 });
  made.changed(1);
  assert.deepEqual(given(), []);
  time.now = 1_023;
  assert.deepEqual(given(), [[1, []]]);
});

test('receipts come in the order of revisions', () => {
  const { book: made, given } = book();
  made.renew(one, 0);
  for (const revision of [1, 2, 3]) made.changed(revision);
  made.reported(one, 2, 0);
  assert.deepEqual(given(), [
    [1, ['gate-1 applied']],
    [2, ['gate-1 applied']],
  ]);
  made.reported(one, 3, 0);
  assert.deepEqual(given(), [[3, ['gate-1 applied']]]);
});

test('a lease that was given back holds up nothing', () => {
  const { book: made, given } = book();
  made.renew(one, 0);
  made.changed(1);
  made.release(one);
  assert.equal(given()[0]?.[0], 1);
});

test('while it waits, the book tells who is waited for, and when to look again', () => {
  const { book: made, time } = book();
  made.renew(one, 0);
  made.changed(1);
  time.now = 10;
  assert.deepEqual(
    made.pending(1)?.outcomes.map(({ outcome, ms }) => [outcome, ms]),
    [['pending', 10]],
  );
  assert.equal(made.nextDeadline(), 400);
});

test('connections that gates closed for a change are counted', () => {
  const { book: made } = book();
  made.renew(one, 0);
  made.reported(one, 0, 4);
  made.changed(1);
  made.reported(one, 1, 7);
  assert.equal(made.giveReceipts()[0]?.connectionsClosed, 3);
});

test('rule 6: stopped before leases of an earlier run are over, a book does not say that none runs', () => {
  const { book: made, time } = book({ horizonMs: 1_000 });
  assert.equal(made.anyRunning(), true);
  time.now = 1_023;
  assert.equal(made.anyRunning(), false);
  made.renew(one, 0);
  assert.equal(made.anyRunning(), true);
  made.release(one);
  assert.equal(made.anyRunning(), false);
});

const instances = (count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => ({ gate: 'gate-1', instance: `${from + index}` }));

test('P13: a gate has so many instances and no more while each of them may decide; other gates have theirs', () => {
  const { book: made, given, time } = book();
  for (const name of instances(32)) assert.equal(made.renew(name, 0).granted, true);
  assert.deepEqual(made.renew({ gate: 'gate-1', instance: 'more' }, 0), { granted: false, because: 'crowded' });
  assert.equal(made.renew(two, 0).granted, true);
  assert.equal(made.renew({ gate: 'gate-1', instance: '0' }, 0).granted, true, 'who is known is not refused');
  made.changed(1);
  assert.deepEqual(given(), []);
  time.now = 1_023;
  assert.equal(made.giveReceipts()[0]?.outcomes.length, 33);
});

test('P13: an instance that may still hold a lease, or is part of a receipt to come, is never forgotten for a new one', () => {
  const { book: made, given, time } = book();
  for (const name of instances(31)) made.renew(name, 0);
  time.now = 500;
  made.renew({ gate: 'gate-1', instance: 'last' }, 0);
  made.changed(1);
  time.now = 1_030;
  assert.equal(
    made.renew({ gate: 'gate-1', instance: 'new' }, 1).granted,
    false,
    'their leases ended after the change',
  );
  assert.deepEqual(given(), [], 'the last one may still decide');
  time.now = 1_600;
  assert.equal(made.giveReceipts()[0]?.outcomes.length, 32);
  assert.equal(made.renew({ gate: 'gate-1', instance: 'new' }, 1).granted, true);
  assert.equal(made.instances().length, 32);
});

test('what a forgotten instance closed is not taken from what is told of a later change', () => {
  const { book: made, time } = book();
  for (const name of instances(32)) {
    made.renew(name, 0);
    made.reported(name, 0, 5);
  }
  time.now = 2_000;
  made.changed(1);
  made.renew({ gate: 'gate-1', instance: 'new' }, 1);
  made.reported({ gate: 'gate-1', instance: 'new' }, 1, 3);
  assert.equal(made.giveReceipts()[0]?.connectionsClosed, 3);
});
