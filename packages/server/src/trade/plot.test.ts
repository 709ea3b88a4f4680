import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pathOf } from './plot-path.ts';
import { type PlotFacts, plot } from './trade.ts';

const hour = 3_600_000;
const facts: PlotFacts = {
  quantity: 'temperature',
  unit: '°C',
  series: Array.from({ length: 100_000 }, (_, at) => ({ at: at * 10_000, value: 5 + Math.sin(at / 500) * 4 })),
  bounds: { low: 2, high: 8 },
  steps: Array.from({ length: 40 }, (_, at) => ({ name: `step ${at}`, at: at * 7 * hour })),
  gaps: Array.from({ length: 40 }, (_, at) => ({
    from: (at * 7 + 1) * hour,
    until: (at * 7 + 2) * hour,
    cause: 'refused' as const,
    reason: 'attribute_not_met',
  })),
  breaches: [{ from: 20 * hour, until: 30 * hour }, { from: 250 * hour }],
};
const none: PlotFacts = { ...facts, series: [], steps: [], gaps: [], breaches: [], bounds: {} };
/** What an XML parser would object to first: each tag is closed, and nothing is left open. */
function requireWellFormed(svg: string): void {
  const open: string[] = [];
  for (const [, end, name = '', own] of svg.matchAll(/<(\/?)([a-z]+)(?:[^<>"]|"[^"<]*")*?(\/?)>/gi)) {
    if (end) assert.equal(open.pop(), name);
    else if (!own) open.push(name);
  }
  assert.deepEqual(open, []);
  assert.equal(svg.replace(/<\/?[a-z]+(?:[^<>"]|"[^"<]*")*>/gi, '').match(/[<>]|&(?!amp;|lt;|gt;|quot;|#39;)/), null);
}

test('a month of readings with all that can happen is a picture below 50 kB', () => {
  const svg = plot(facts);
  requireWellFormed(svg);
  assert.ok(Buffer.byteLength(svg) < 50_000, `${Buffer.byteLength(svg)} bytes`);
  assert.match(svg, /refused: attribute_not_met/);
  assert.match(svg, /breach/);
});

test('a load of which nothing is known is drawn too', () => {
  for (const one of [
    none,
    { ...none, series: [{ at: 5, value: 4 }] },
    { ...none, steps: [{ name: 'pickup', at: 7 }] },
  ]) {
    const svg = plot(one);
    requireWellFormed(svg);
    assert.doesNotMatch(svg, /NaN|Infinity/);
  }
  assert.match(plot(none), /no reading of temperature/);
});

test('what is drawn is said in words too', () => {
  const [, words = ''] =
    /<desc[^>]*>([^<]*)</.exec(plot({ ...facts, steps: [{ name: 'pickup', at: 0 }], gaps: facts.gaps.slice(0, 1) })) ??
    [];
  assert.match(words, /^temperature between 1 and 9 °C; bounds 2 to 8; step pickup at 1970-01-01 00:00Z/);
  assert.match(words, /gap \(refused: attribute_not_met\) from 1970-01-01 01:00Z to 1970-01-01 02:00Z/);
  assert.match(words, /breach from 1970-01-01 20:00Z to 1970-01-02 06:00Z; breach since 1970-01-11 10:00Z\.$/);
});

test('hostile names are text, short, and turn nothing around', () => {
  const name = `</text><script>alert(1)</script>\u202e${'x'.repeat(100_000)}`;
  const svg = plot({
    ...facts,
    quantity: name,
    unit: name,
    series: [],
    steps: [{ name, at: 0 }],
    gaps: [{ from: 0, until: hour, cause: 'silent', reason: name }],
  });
  requireWellFormed(svg);
  assert.doesNotMatch(svg, /<script|\u202e/);
  assert.ok(svg.length < 10_000);
});

test('the curve keeps each peak, and breaks where a gap begins', () => {
  const scale = { x: (at: number) => at / 10, y: (value: number) => value };
  const points = [0, 1, 2, 3, 4, 5, 6, 100, 110].map((at) => ({ at, value: at === 3 ? 9 : 1 }));
  assert.equal(pathOf(points, [], scale), 'M0 1.0L0 9.0L1 1.0h0L10 1.0L11 1.0');
  assert.equal(pathOf(points.toReversed(), [{ from: 6 }], scale).match(/M/g)?.length, 2);
});
