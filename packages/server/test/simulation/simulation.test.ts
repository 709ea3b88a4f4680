/**
 * P7 under thousands of schedules. Every rule of the cut has a canary: the same schedules with that one rule switched off must find
 * a reading that became readable after a receipt that forbade it, or, for the fifth rule, a receipt that waits without bound.
 *   SEEDS=20000 node --conditions=portcullis-source --test packages/server/test/simulation/simulation.test.ts
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttributeValue, FeedMessage } from '@portcullis/contract';
import { LeaseBook } from '../../src/feed/lease-book.ts';
import { judge } from '../../src/gate/admission/admit.ts';
import { Recording } from '../../src/gate/recording/recording.ts';
import { Lease, Replica } from '../../src/replica/replica.ts';
import { type Assembly, realAssembly } from './assembly.ts';
import type { Row } from './disk.ts';
import { receiptMsMax, World } from './world.ts';

const seeds = Number(process.env.SEEDS ?? 3_000);

test(`P7: ${seeds} schedules of pauses, restarts, copies, late and broken links: no reading becomes readable after its receipt`, (context) => {
  const seen = { rows: 0, readable: 0, proven: 0, receipts: 0, longest: 0 };
  for (let seed = 1; seed <= seeds; seed++) {
    const world = new World(seed, realAssembly).run();
    assert.deepEqual(world.violations(), [], `seed ${seed}`);
    assert.deepEqual(world.misjudged(), [], `seed ${seed}`);
    assert.ok(
      world.longestReceiptMs() <= receiptMsMax,
      `seed ${seed}: a receipt waited ${world.longestReceiptMs()} ms`,
    );
    seen.rows += world.rows.length;
    seen.readable += world.rows.filter(({ readableAt }) => readableAt !== undefined).length;
    seen.proven += world.rows.filter(({ proven }) => proven).length;
    seen.receipts += world.receipts.length;
    seen.longest = Math.max(seen.longest, world.longestReceiptMs());
  }
  context.diagnostic(JSON.stringify(seen));
  assert.ok(seen.proven > seen.readable * 0.95, 'unproven are the few that no lease covers');
  assert.ok(seen.readable > seeds * 100 && seen.receipts > seeds * 20, 'the schedules exercise something');
});

class LeaseFromAnswer extends Lease {
  protected override startOf() {
    return this.sending();
  }
}
class BookWithoutMargin extends LeaseBook {
  protected override countedMs(leaseMs: number) {
    return leaseMs;
  }
}
class BookByGate extends LeaseBook {
  protected override keyOf({ gate }: { gate: string }) {
    return gate;
  }
}
class BookThatLetsJoin extends LeaseBook {
  protected override mayJoin() {
    return true;
  }
}
class PatientBook extends LeaseBook {
  protected override patient() {
    return true;
  }
}
class BookWithoutWait extends LeaseBook {
  protected override mayGiveReceipts() {
    return true;
  }
}
/** Its receipts wait as they should; only who asks later is told too soon. */
class BookThatForgetsItsPast extends LeaseBook {
  override isReceipted(revision: number) {
    return revision <= this.receipted;
  }
}
/** Stopped cleanly, it takes leases that still run for released ones. */
class BookThatStopsTooSoon extends LeaseBook {
  override anyRunning() {
    return false;
  }
}
/** What an instance has reported already does not wait for it any more. */
class BookThatSettlesByReceipts extends LeaseBook {
  override receiptableUpTo() {
    return this.receipted;
  }
}
class RecordingWithoutRejudging extends Recording<Row> {
  override changeApplied() {
    // What is queued keeps its first judgement.
  }
}
class RecordingWithoutBarrier extends Recording<Row> {
  override afterCommitInFlight(callback: () => void) {
    callback();
  }
}
class RecordingThatDoesNotLook extends Recording<Row> {
  protected override leaseStillHeld() {
    return 0;
  }
  protected override heldSince() {
    return true;
  }
}
/** It looks before it acknowledges, and not when that comes to be on record. */
class RecordingThatLooksOnce extends Recording<Row> {
  protected override heldSince() {
    return true;
  }
}

const canaries: Record<string, Partial<Assembly>> = {
  '1 sentTime': { makeLease: (clocks) => new LeaseFromAnswer(clocks) },
  '2 margin': { makeBook: (terms) => new BookWithoutMargin(terms), drift: 0.03 },
  '3 instance': { makeBook: (terms) => new BookByGate(terms) },
  '4 join': { makeBook: (terms) => new BookThatLetsJoin(terms) },
  '6 restartWait': { makeBook: (terms) => new BookWithoutWait(terms) },
  '6 restartWait, for who asks later': { makeBook: (terms) => new BookThatForgetsItsPast(terms) },
  '6 restartWait, after a clean stop': { makeBook: (terms) => new BookThatStopsTooSoon(terms) },
  '7 rejudge': { makeRecording: (parts) => new RecordingWithoutRejudging(parts) },
  '8 barrier': { makeRecording: (parts) => new RecordingWithoutBarrier(parts) },
  '9 postCommit': { makeRecording: (parts) => new RecordingThatDoesNotLook(parts) },
  '9 postCommit, of what a dead process left': { makeBook: (terms) => new BookThatSettlesByReceipts(terms) },
  '9 postCommit, of the record': { makeRecording: (parts) => new RecordingThatLooksOnce(parts) },
};

for (const [rule, off] of Object.entries(canaries)) {
  test(`canary: without rule ${rule} the simulator finds a violation`, (context) => {
    for (let seed = 1; seed <= 4_000; seed++) {
      if (new World(seed, { ...realAssembly, ...off }).run().violations().length === 0) continue;
      context.diagnostic(`found by seed ${seed}`);
      return;
    }
    assert.fail('no schedule found the broken rule');
  });
}

/** What is only prepared decides already. */
class ReplicaThatLooksAhead extends Replica {
  readonly #ahead = new Map<string, AttributeValue | null>();

  override receive(message: FeedMessage) {
    if (message.type === 'part')
      for (const { subject, attributes = {} } of message.subjects)
        for (const { value } of Object.values(attributes)) this.#ahead.set(subject, value);
    else if (message.type !== 'beat' && message.type !== 'prepared') this.#ahead.clear();
    return super.receive(message);
  }

  override valueOf(subject: number, name: string) {
    return this.#ahead.get(this.subjectId(subject)) ?? super.valueOf(subject, name);
  }
}
/** Its rows come into force one after the other, as they are merged. */
class ReplicaThatSwitchesRowByRow extends Replica {
  #before: AttributeValue | undefined;
  #isMerging = false;

  override receive(message: FeedMessage) {
    const row = this.findSubject('truck-17');
    const before = row === -1 ? undefined : super.valueOf(row, 'status');
    const received = super.receive(message);
    if (message.type === 'change' || message.type === 'complete') this.#isMerging = false;
    if (message.type === 'change' && message.draft && row !== -1) [this.#before, this.#isMerging] = [before, true];
    return received;
  }

  override mergeSome(rows: number) {
    const more = super.mergeSome(rows);
    if (!more) this.#isMerging = false;
    return more;
  }

  override valueOf(subject: number, name: string) {
    return this.#isMerging ? this.#before : super.valueOf(subject, name);
  }
}
test('canary: who carries and is not judged is found by the simulator', () => {
  const unseen: Partial<Assembly> = { judge: (arrival, ground) => judge({ ...arrival, carrier: undefined }, ground) };
  assert.ok(new World(1, { ...realAssembly, ...unseen }).run().misjudged().length > 0);
});

const canariesOfParts = { 'prepared only': ReplicaThatLooksAhead, 'half in force': ReplicaThatSwitchesRowByRow };
for (const [what, OtherReplica] of Object.entries(canariesOfParts)) {
  test(`canary: a bulk change that decides when it is ${what} is found by the simulator`, (context) => {
    for (let seed = 1; seed <= 4_000; seed++) {
      const world = new World(seed, { ...realAssembly, makeReplica: () => new OtherReplica() }).run();
      if (world.misjudged().length === 0) continue;
      context.diagnostic(`found by seed ${seed}`);
      return;
    }
    assert.fail('no schedule found it');
  });
}

test('canary: without rule 5 noLagExtend a receipt waits longer than its bound', (context) => {
  for (let seed = 1; seed <= 4_000; seed++) {
    const world = new World(seed, { ...realAssembly, makeBook: (terms) => new PatientBook(terms) }).run();
    if (world.longestReceiptMs() <= receiptMsMax) continue;
    context.diagnostic(`seed ${seed}: ${Math.round(world.longestReceiptMs())} ms`);
    return;
  }
  assert.fail('no receipt waited too long');
});
