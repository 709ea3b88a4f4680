/**
 * P6 and P7 with several authorities of which one leads. Each rule of leading that the code has has a canary: the same schedules with that one
 * rule switched off must find that an order is broken, or a gate that decides after a receipt by what is older.
 *   SEEDS=20000 node --conditions=portcullis-source --test packages/server/test/simulation/authorities.test.ts
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeaseBook } from '../../src/feed/lease-book.ts';
import type { LeadershipRow, Row } from '../../src/storage/store/postgres/leadership.ts';
import { type Stamp, stamp, Term } from '../../src/storage/store/postgres/term.ts';
import type { System } from '../../src/telemetry/telemetry.ts';
import type { AuthorityAssembly } from './authority.ts';
import { type Kind, WorldOfAuthorities } from './many.ts';

const seeds = Number(process.env.SEEDS ?? 100);

const real: AuthorityAssembly = {
  makeBook: (terms) => new LeaseBook(terms),
  rowOf: (row) => row,
  systemOf: (system) => system,
  termOf: (term) => term,
  leads: (term) => !term.isOver(),
  isFenced: true,
  endsInDoubt: true,
  receiptedAt: (head) => head,
  horizonOf: (storedMs) => storedMs,
  seesTimeline: true,
  isReplacedFenced: true,
  settlesUnlessLeading: false,
  settlesOtherHistories: false,
  drift: 0.009,
};

test(`P6, P7: ${seeds} schedules of two or three authorities: one order, and nobody decides by what is older than a receipt`, async (context) => {
  const seen = { takeOvers: 0, changes: 0, receipts: 0, promotions: 0, lost: 0, regressed: 0, rows: 0 };
  for (let seed = 1; seed <= seeds; seed++) {
    const world = await new WorldOfAuthorities(seed, real).run();
    assert.deepEqual(world.checker.found, [], `seed ${seed}, ${world.kind}`);
    assert.ok(world.isWell(), `seed ${seed}, ${world.kind}: it goes on once all is calm`);
    const { count, checker, rows } = world;
    for (const [name, more] of Object.entries({
      ...count,
      changes: checker.changes,
      receipts: checker.receipts.length,
      rows: rows.length,
    }))
      seen[name as keyof typeof seen] += more;
  }
  context.diagnostic(JSON.stringify(seen));
  assert.ok(seen.takeOvers > 3 * seeds && seen.changes > 20 * seeds, 'the schedules exercise something');
});

class TermFromAnswer extends Term {
  readonly #system: System;

  constructor({ id, lengthMs }: Term, system: System) {
    super(id, lengthMs, system, stamp(system));
    this.#system = system;
  }

  override renewed(_sent: Stamp) {
    super.renewed(stamp(this.#system));
  }
}
class BookWithoutWait extends LeaseBook {
  protected override mayGiveReceipts() {
    return true;
  }
}
/** Who looks takes the row for another than it is. */
const seenAs = (row: LeadershipRow, change: (row: Row) => Row): LeadershipRow => ({
  ...row,
  look: async () => change(await row.look()),
});

/** With the kind of runs that finds it soonest, and the first seed to try where few find it. */
const canaries: Record<string, Partial<AuthorityAssembly> & { kind?: Kind; from?: number }> = {
  '9 postCommit, by who does not lead': { settlesUnlessLeading: true, kind: 'apart' },
  '9 postCommit, by another history': { settlesOtherHistories: true, kind: 'lossy', from: 700 },
  '10 process': { systemOf: (system) => ({ ...system, random: (bytes) => Buffer.alloc(bytes) }) },
  '11 termSent': { termOf: (term, system) => new TermFromAnswer(term, system), kind: 'apart' },
  '11 bothClocks': { systemOf: (system) => ({ ...system, now: () => 0 }), kind: 'apart' },
  '11 the look is last': { leads: () => true },
  '12 termSeen': { rowOf: (row) => seenAs(row, (seen) => ({ ...seen, termMs: seen.termMs / 4 })) },
  '12 termMargin': {
    rowOf: (row) => seenAs(row, (seen) => ({ ...seen, termMs: (seen.termMs - 2) / 1.02 })),
    drift: 0.3,
    kind: 'apart',
  },
  '13 fence': { isFenced: false },
  '14 doubt': { endsInDoubt: false },
  '15 joinAll': { receiptedAt: () => 0 },
  '15 oldLeases': { makeBook: (terms) => new BookWithoutWait(terms) },
  '15 longest': { horizonOf: (_storedMs, { leaseMs }) => leaseMs, kind: 'other lengths' },
  '"a replaced primary commits nothing"': { isReplacedFenced: false, kind: 'two live' },
  '19 timeline': { seesTimeline: false, kind: 'lossy' },
};

for (const [rule, { kind: only, from = 1, ...off }] of Object.entries(canaries)) {
  test(`canary: without rule ${rule} the simulator finds a violation`, async (context) => {
    for (let seed = from; seed < from + 1_500; seed++) {
      const { checker, kind } = await new WorldOfAuthorities(seed, { ...real, ...off }, only).run();
      const { found } = checker;
      if (found.length === 0) continue;
      context.diagnostic(`found by seed ${seed}, ${kind}: ${found[0]}`);
      return;
    }
    assert.fail('no schedule found the broken rule');
  });
}
