import assert from 'node:assert/strict';
import { test } from 'node:test';
import { looksOf } from './run.ts';
import { judge, type Sample } from './verdict.ts';

const mebibyte = 1_048_576;

/** A gate whose memory is so many mebibytes at each look, beside an authority that stands still. */
function samples(count: number, of: (at: number) => { rss?: number; heap?: number; external?: number }): Sample[] {
  const told = ({ rss = 150, heap = 40, external = 10 }) => ({
    ...{ rss: rss * mebibyte, heap: heap * mebibyte, external: external * mebibyte },
  });
  return Array.from({ length: count }, (_, at) => ({ gate: told(of(at)), authority: told({}) }));
}

const rows: [what: string, of: Parameters<typeof samples>[1], returned: boolean][] = [
  ['that stands still', () => ({}), true],
  ['that swings', (at) => ({ rss: at % 2 === 0 ? 150 : 190, heap: at % 3 === 0 ? 60 : 40 }), true],
  ['with a peak in its middle', (at) => ({ heap: at === 50 ? 400 : 40, rss: at === 50 ? 900 : 150 }), true],
  ['with one high look at its end', (at) => ({ heap: at === 99 ? 400 : 40 }), true],
  ['that falls', (at) => ({ rss: 200 - at / 2 }), true],
  ['that grows by what is allowed', (at) => ({ heap: at < 50 ? 40 : 44 }), true],
  ['whose heap grows steadily', (at) => ({ heap: 40 + at / 10 }), false],
  ['whose buffers grow', (at) => ({ external: 10 + at / 10 }), false],
  ['that grows beside its heap', (at) => ({ rss: 150 + at / 2 }), false],
];

for (const [what, of, returned] of rows) {
  test(`memory ${what}: ${returned ? 'returned' : 'did not return'}`, () => {
    const verdict = judge(samples(100, of));
    assert.equal(verdict.returned, returned, JSON.stringify(verdict));
  });
}

test('it is said which process, by how much, and what was allowed', () => {
  const { processes } = judge(samples(10, (at) => ({ heap: 40 + 2 * at })));
  assert.deepEqual(processes.gate?.heap, {
    early: 42 * mebibyte,
    late: 56 * mebibyte,
    allowed: Math.round(42 * mebibyte * 1.05 + 2 * mebibyte),
    returned: false,
  });
  assert.equal(processes.authority?.heap.returned, true);
});

test('of too few looks nothing is said', () => {
  assert.throws(() => judge(samples(5, () => ({}))), /5 samples are too few; there must be at least 6/);
});

test('a soak that would be too short to say anything is known before it begins', () => {
  const times = { milliseconds: 60_000, warmUpMs: 10_000, everyMs: 10_000 };
  assert.equal(looksOf(times), 6);
  assert.equal(looksOf({ ...times, milliseconds: 59_999 }), undefined);
  assert.equal(looksOf({ ...times, warmUpMs: 300_000 }), undefined);
});
