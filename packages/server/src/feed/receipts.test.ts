import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Receipt, SubjectId } from '@portcullis/contract';
import { LeaseBook } from './lease-book.ts';
import { Receipts } from './receipts.ts';

type Asked = NonNullable<Receipt['advised']>;
const gate = { gate: 'gate-1', instance: 'a'.repeat(32) };

function restarted(horizonMs: number, receipted: number, monotonic = () => performance.now(), asked: Asked = []) {
  const book = new LeaseBook({ leaseMs: 1_000, patienceMs: 400, horizonMs, receipted, monotonic });
  const receipts = new Receipts(book, { monotonic, leads: () => true, advised: () => asked });
  receipts.settle();
  return { book, receipts };
}

test('P7: a restarted authority says of no earlier change that it is in force before leases of its earlier run are over', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 0;
  const pass = (milliseconds: number) => {
    now += milliseconds;
    context.mock.timers.tick(milliseconds);
  };
  const { receipts } = restarted(60, 5, () => now);
  const early = receipts.receipt(5, ['gate-1']);
  assert.deepEqual([early.confirmed, early.gates.map(({ outcome }) => outcome)], [false, ['pending']]);
  let waited = false;
  const waiting = receipts.wait(5, 10_000).then(() => {
    waited = true;
  });
  pass(59);
  await Promise.resolve();
  assert.deepEqual([waited, receipts.receipt(5, ['gate-1']).confirmed], [false, false], 'the leases are not over yet');
  pass(10);
  await waiting;
  const late = receipts.receipt(5, ['gate-1']);
  assert.deepEqual([late.confirmed, late.gates.map(({ outcome }) => outcome)], [true, ['no_lease']]);
  receipts.close();
});

test('a change whose receipt was given long ago is told as the gates stand now', () => {
  const { book, receipts } = restarted(0, 5);
  book.renew(gate, 5);
  const { confirmed, elapsedMs, connectionsClosed, gates } = receipts.receipt(3, ['gate-1', 'gate-2']);
  assert.deepEqual([confirmed, elapsedMs, connectionsClosed], [true, null, null], 'what nobody remembers is not told');
  assert.deepEqual(
    gates.map(({ gate: name, outcome, ms }) => [name, outcome, ms]),
    [
      ['gate-1', 'applied', null],
      ['gate-2', 'no_lease', null],
    ],
  );
  receipts.close();
});

test('a remembered receipt names the gates that there were when the change was made, and no gate that joined later', () => {
  const { book, receipts } = restarted(0, 0);
  book.renew(gate, 0);
  receipts.changed(1, ['gate-1', 'gate-2']);
  const outcomesOf = (revision: number) =>
    receipts.receipt(revision, ['gate-1', 'gate-2', 'gate-3']).gates.map((one) => `${one.gate} ${one.outcome}`);
  assert.deepEqual(outcomesOf(1), ['gate-1 pending', 'gate-2 no_lease']);
  receipts.changed(2, ['gate-1', 'gate-3']);
  book.reported(gate, 2, 0);
  receipts.settle();
  assert.deepEqual(outcomesOf(1), ['gate-1 applied', 'gate-2 no_lease']);
  assert.deepEqual(outcomesOf(2), ['gate-1 applied', 'gate-3 no_lease']);
  assert.notEqual(receipts.receipt(1, []).elapsedMs, null);
  receipts.close();
});

test('how long a change took to its receipt is counted once, and one without a receipt waits', () => {
  const { book, receipts } = restarted(0, 0);
  book.renew(gate, 0);
  receipts.changed(1, ['gate-1']);
  receipts.settle();
  assert.deepEqual([receipts.times.count, book.waiting().count], [0, 1]);
  book.reported(gate, 1, 0);
  receipts.settle();
  receipts.settle();
  assert.deepEqual([receipts.times.count, book.waiting()], [1, { count: 0, oldestMs: 0 }]);
  receipts.close();
});

test('of more changes than are remembered the oldest are told as if nobody had asked in time', () => {
  const { receipts } = restarted(0, 0);
  for (let revision = 1; revision <= 10_001; revision++) receipts.changed(revision, []);
  const told = [1, 2].map((revision) => receipts.receipt(revision, []));
  assert.deepEqual(
    told.map(({ confirmed, elapsedMs }) => [confirmed, elapsedMs === null]),
    [
      [true, true],
      [true, false],
    ],
  );
  receipts.close();
});

test('who waits is woken by the receipt, by the limit, or by the end', async () => {
  const { book, receipts } = restarted(0, 0);
  book.renew(gate, 0);
  receipts.changed(1, ['gate-1']);
  await receipts.wait(1, 20);
  assert.deepEqual(
    [receipts.receipt(1, ['gate-1']).confirmed, receipts.receipt(1, ['gate-1']).gates[0]?.outcome],
    [false, 'pending'],
  );
  const woken = receipts.wait(1, 60_000);
  book.reported(gate, 1, 0);
  receipts.settle();
  await woken;
  assert.equal(receipts.receipt(1, ['gate-1']).confirmed, true);
  receipts.changed(2, ['gate-1']);
  const ended = receipts.wait(2, 60_000);
  receipts.close();
  await ended;
});

test('a lease and a wait that end at once: what ended is looked at before the answer', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 0;
  const { book, receipts } = restarted(0, 0, () => now);
  now = 10;
  book.renew(gate, 0);
  receipts.changed(1, ['gate-1']);
  const waited = receipts.wait(1, 300);
  // Nothing ran for two seconds: the limit is the first of what is due, and the lease is over by now.
  now = 2_000;
  context.mock.timers.tick(300);
  await waited;
  const { confirmed, gates } = receipts.receipt(1, ['gate-1']);
  assert.deepEqual([confirmed, gates.map(({ outcome }) => outcome)], [true, ['lease_expired']]);
  receipts.close();
});

test('H3: who asks a gate for its decisions is named beside it, and no receipt waits for him or counts on him', () => {
  const [proxy, other] = ['proxy-1' as SubjectId, 'gate-7' as SubjectId];
  const asked = [
    { gate: gate.gate as SubjectId, asker: proxy },
    { gate: gate.gate as SubjectId, asker: null },
    { gate: other, asker: proxy },
  ];
  const { book, receipts } = restarted(0, 0, undefined, asked);
  book.renew(gate, 0);
  receipts.changed(1, ['gate-1']);
  assert.equal(receipts.receipt(1, ['gate-1']).confirmed, false);
  book.reported(gate, 1, 0);
  receipts.settle();
  const { confirmed, gates, advised } = receipts.receipt(1, ['gate-1']);
  assert.deepEqual([confirmed, gates.map((one) => one.gate)], [true, ['gate-1']]);
  assert.deepEqual(advised, asked.slice(0, 2), 'of the gates that are listed');
  receipts.close();
});
