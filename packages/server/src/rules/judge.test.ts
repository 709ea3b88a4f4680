import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Reading, toldOf } from '../../test/told-by-gates.ts';
import type { Bound, Facts, KeptBreach, SenderFacts } from './facts.ts';
import { judge } from './judge.ts';
import { runsOf } from './runs.ts';

const minute = 60_000;
const start = Date.UTC(2030, 0, 1);
/** Minutes after the start. */
const at = (minutes: number) => start + minutes * minute;

interface Given {
  /** `in 0-5, out 6-9`: a reading each minute; `late` before one: it came after those that stand before it, `B:` at another gate. */
  readings?: string;
  bound?: [number, number | null][];
  window?: Bound | undefined;
  breaches?: KeptBreach[];
  decidedUntil?: number;
  causes?: [number, string][];
  others?: SenderFacts[];
  toldAt?: number;
}

function readingsOf(text: string): Reading[] {
  const found: Reading[] = [];
  for (const [, gate = 'A:', proof, side, first, last] of text.matchAll(
    /(\w:)? ?(unproven )?(in|out) (-?\d+)(?:-(\d+))?/g,
  )) {
    for (let minutes = Number(first); minutes <= Number(last ?? first); minutes++) {
      found.push({ gate, at: at(minutes), side: side === 'in' ? 'inside' : 'outside', unproven: proof !== undefined });
    }
  }
  return found;
}

function runs(text: string) {
  const { edges, newest } = toldOf(readingsOf(text));
  return runsOf(edges, newest);
}

function facts(given: Given): Facts {
  const { readings = '', bound = [[0, null]], breaches = [], causes = [], others = [] } = given;
  const limits = { forMs: 10 * minute, budgetMs: 30 * minute, silentMs: 30 * minute };
  const sender = {
    ...{ sender: 'tracker-1', runs: runs(readings), toldAt: at(given.toldAt ?? -1_000) },
    bound: bound.map(([from, until]) => ({ from: at(from), until: until === null ? null : at(until) })),
    causes: causes.map(([minutes, reason]) => ({ at: at(minutes), reason })),
  };
  return {
    ...{ limits, limitsAt: () => limits, senders: [sender, ...others], breaches },
    window: 'window' in given ? given.window : { from: at(0), until: null },
    decidedUntil: given.decidedUntil === undefined ? undefined : at(given.decidedUntil),
  };
}

const words = (time: number | null) => (time === null ? '…' : String(Math.floor((time - start) / minute)));

/** In minutes: excursions as 5-9, gaps as 30-70 silent, breaches as for@15. */
function told(given: Given, now: number): string {
  const { excursions, gaps, breaches } = judge(facts(given), at(now));
  return [
    ...excursions.map(({ from, to }) => `${words(from)}-${words(to)}`),
    ...gaps.map(({ from, to, cause, reason }) => `gap ${words(from)}-${words(to)} ${reason ?? cause}`),
    ...breaches.map((breach) => `${breach.kind}@${words(breach.at)}`),
  ].join(', ');
}

const fourTimes = 'out 0-7, in 8-9, out 10-17, in 18-19, out 20-27, in 28-29, out 30-37, in 38-60';

const verdicts: [string, Given, number, string][] = [
  ['nothing was heard yet', {}, 20, ''],
  ['nothing was heard since the binding', {}, 31, 'gap 0-… silent'],
  ['all inside', { readings: 'in 0-60' }, 60, ''],
  ['a short excursion', { readings: 'in 0-4, out 5-8, in 9-60' }, 60, '5-9'],
  ['an excursion that goes on', { readings: 'in 0-4, out 5-14' }, 14, '5-…'],
  ['one of exactly the limit', { readings: 'in 0-4, out 5-14, in 15-20' }, 20, '5-15'],
  ['one that is longer', { readings: 'in 0-4, out 5-15, in 16-20' }, 20, '5-16, for@15'],
  ['one that goes on, and no reading comes', { readings: 'in 0-4, out 5' }, 16, '5-…, for@15'],
  ['the same while a gate is still telling', { readings: 'in 0-4, out 5', toldAt: 16 }, 16, '5-…'],
  ['four short ones, over the budget', { readings: fourTimes }, 60, '0-8, 10-18, 20-28, 30-38, budget@36'],
  ['readings that stopped', { readings: 'in 0-20' }, 51, 'gap 20-… silent'],
  [
    'readings that stopped, at a gate that said no',
    { readings: 'in 0-20', causes: [[30, 'certificate_suspended']] },
    51,
    'gap 20-… certificate_suspended',
  ],
  [
    'readings that stopped while no gate decided',
    { readings: 'in 0-20', causes: [[30, 'no_gate']] },
    51,
    'gap 20-… no_gate',
  ],
  ['a pause that late readings cover', { readings: 'in 0-20, in 80-90, in 40-60' }, 90, ''],
  ['a pause that they cover in part', { readings: 'in 0-20, in 80-90, in 55-79' }, 90, 'gap 20-55 silent'],
  ['a pause that another gate heard', { readings: 'in 0-20, B: in 21-70, in 71-90' }, 90, ''],
  [
    'another gate that hears the end of it',
    { readings: 'in 0-4, out 5-8, B: in 9-20, B: out 21-25, in 26-60' },
    60,
    '5-9, 21-26',
  ],
  ['a late reading that makes it longer', { readings: 'in 0-2, out 5-8, in 9-60, out 3' }, 60, '3-9'],
  ['a late reading amid many', { readings: 'in 0-60, out 30' }, 60, '30-31'],
  ['a late reading that makes it shorter', { readings: 'in 0-4, out 5-16, in 17-60, in 8' }, 60, '5-8, 8-17'],
  ['one in a pause that makes it shorter', { readings: 'out 5, in 17-60, in 8' }, 60, '5-8'],
  [
    'an unproven reading inside, which acquits nobody',
    { readings: 'in 0-4, out 5-7, unproven in 8, out 9-16, in 17-60' },
    60,
    '5-17, for@15',
  ],
  [
    'an unproven reading outside, which accuses',
    { readings: 'in 0-4, unproven out 5, out 6-16, in 17-60' },
    60,
    '5-17, for@15',
  ],
  [
    'what was outside before the binding counts from the first reading after it',
    { readings: 'out -90, out 4-8, in 9-60' },
    60,
    '4-9',
  ],
  [
    'a binding that ended while outside',
    { readings: 'in 0-4, out 5-20', bound: [[0, 20]], window: { from: at(0), until: at(20) } },
    60,
    '5-20, for@15',
  ],
  [
    'a binding that changed on the way',
    {
      readings: 'in 0-60',
      bound: [
        [0, 20],
        [21, null],
      ],
    },
    60,
    'gap 20-21 unbound',
  ],
  ['a window that has not begun', { window: undefined, readings: 'out 5-60' }, 60, ''],
  ['a window that begins before anybody is bound', { bound: [[5, null]], readings: 'in 5-60' }, 60, 'gap 0-5 unbound'],
  [
    'excursions before and after the window',
    { readings: 'in 0-1, out 2-11, in 12-44, out 45-79, in 80-90', window: { from: at(10), until: at(50) } },
    90,
    '10-12, 45-50',
  ],
  ['a gap that a person decided', { readings: 'in 0-20, in 90-100', decidedUntil: 80 }, 100, ''],
  ['silence that goes on after a person decided', { readings: 'in 0-20', decidedUntil: 60 }, 91, 'gap 60-… silent'],
  [
    'an acknowledged excursion that goes on counts anew',
    {
      readings: 'in 0-4, out 5-50',
      breaches: [{ kind: 'for', sender: 'tracker-1', from: at(5), to: null, acknowledgedAt: at(40) }],
    },
    51,
    '5-…, for@50, budget@35',
  ],
  [
    'an acknowledged budget is counted anew',
    {
      readings: fourTimes,
      breaches: [{ kind: 'budget', sender: '', from: at(0), to: at(36), acknowledgedAt: at(40) }],
    },
    60,
    '0-8, 10-18, 20-28, 30-38',
  ],
  [
    'two senders: each must be heard, and time outside counts once',
    {
      readings: 'out 0-8, in 9-60',
      others: [
        {
          ...{ sender: 'tracker-2', bound: [{ from: at(0), until: null }], toldAt: at(-1_000), causes: [] },
          runs: runs('out 0-8, in 9-10'),
        },
      ],
    },
    60,
    '0-9, 0-9, gap 10-… silent',
  ],
];

for (const [name, given, now, expected] of verdicts) {
  test(`at minute ${now}: ${name}: ${expected || 'nothing'}`, () => assert.equal(told(given, now), expected));
}

const nexts: [string, Given, number, number | null][] = [
  ['silence from the binding', {}, 0, 30],
  ['silence from the newest reading', { readings: 'in 0-20' }, 20, 50],
  ['the end of an excursion’s limit', { readings: 'in 0-4, out 5-6' }, 6, 15],
  ['the end of the budget, once a breach is known', { readings: 'in 0-4, out 5-6' }, 16, 35],
  ['none before the window begins', { window: undefined }, 0, null],
  ['none once it is over', { readings: 'in 0-50', window: { from: at(0), until: at(50) } }, 60, null],
];
for (const [name, given, now, expected] of nexts) {
  test(`time alone changes something next: ${name}`, () => {
    const next = judge(facts(given), at(now)).nextAt;
    assert.equal(next === null ? null : Math.floor((next - start) / minute), expected);
  });
}

test('J2: an excursion is measured by the limits that applied when it began', () => {
  const { limits } = facts({});
  const limitsAt = (revision: number) => ({ ...limits, forMs: (revision === 1 ? 20 : 5) * minute });
  const readings = readingsOf('out 0-14, in 15-19, out 20-25, in 26-60');
  const { edges, newest } = toldOf(readings.map((one) => ({ ...one, ruleRevision: one.at < at(20) ? 1 : 2 })));
  const [sender] = facts({}).senders;
  const all = { ...facts({}), limitsAt, senders: [{ ...(sender as SenderFacts), runs: runsOf(edges, newest) }] };
  assert.deepEqual(
    judge(all, at(60)).breaches.map(({ kind, at: moment, limitMs }) => [kind, words(moment), limitMs / minute]),
    [['for', '25', 5]],
  );
});
