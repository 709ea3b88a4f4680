import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stamp, Term, Watched } from './term.ts';

const clocks = () => {
  const clock = { monotonic: 1_000, wall: 50_000 };
  return { clock, system: { monotonic: () => clock.monotonic, now: () => clock.wall } };
};
const pass = (clock: { monotonic: number; wall: number }, ms: number) => {
  clock.monotonic += ms;
  clock.wall += ms;
};

test('rule 11: a term lasts from when its renewal was sent, not from when the answer came', () => {
  const { clock, system } = clocks();
  const term = new Term('a', 2_500, system, stamp(system));
  pass(clock, 2_000);
  const sent = stamp(system);
  pass(clock, 400);
  term.renewed(sent);
  pass(clock, 2_099);
  assert.equal(term.isOver(), false);
  pass(clock, 1);
  assert.equal(term.isOver(), true);
});

for (const which of ['monotonic', 'wall'] as const) {
  test(`rule 11: a term is over when the ${which} clock alone says so, and stays over`, () => {
    const { clock, system } = clocks();
    const term = new Term('a', 2_500, system, stamp(system));
    clock[which] += 2_500;
    assert.equal(term.isOver(), true);
    clock[which] -= 2_500;
    assert.equal(term.isOver(), true);
  });
}

test('rule 11: an answer that comes once the term is over renews nothing', () => {
  const { clock, system } = clocks();
  const term = new Term('a', 2_500, system, stamp(system));
  pass(clock, 2_400);
  const sent = stamp(system);
  pass(clock, 200);
  term.renewed(sent);
  assert.equal(term.isOver(), true);
});

test('rule 12: for others it is over when they saw it unchanged for the whole term and a margin, from when the answer came', () => {
  const { clock, system } = clocks();
  const watched = new Watched(system.monotonic);
  const row = { term: 'a', beat: 7, termMs: 2_500, history: '1/1' };
  assert.equal(watched.saw(row), 2_552);
  pass(clock, 2_551);
  assert.equal(watched.saw(row), 1);
  assert.equal(watched.saw({ ...row, beat: 8 }), 2_552);
  pass(clock, 2_552);
  assert.equal(watched.saw({ ...row, beat: 8 }), 0);
  assert.equal(watched.saw({ ...row, term: 'b', beat: 8 }), 2_552);
});

test('rule 19: on another timeline counting begins anew', () => {
  const { clock, system } = clocks();
  const watched = new Watched(system.monotonic);
  const row = { term: 'a', beat: 7, termMs: 2_500, history: '1/1' };
  watched.saw(row);
  pass(clock, 2_552);
  assert.equal(watched.saw({ ...row, history: '1/2' }), 2_552);
});
