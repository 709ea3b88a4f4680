import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Challenges, challengeBytes } from './challenges.ts';

const key = Buffer.of(1, 2);
const mark = Buffer.of(1, 2, 3, 4);

function open() {
  const clock = { now: 5_000 };
  const challenges = new Challenges({ mark, random: randomBytes, monotonic: () => clock.now });
  return { clock, challenges, answered: (own = randomBytes(8)) => Buffer.concat([challenges.make(key), own]) };
}

test('a challenge is known again, for its key, for as long as a minute at least, and is taken once', () => {
  const { clock, challenges, answered } = open();
  const one = answered();
  clock.now += 60_000;
  assert.ok(challenges.isOpen(key, one));
  assert.ok(!challenges.isOpen(Buffer.of(1, 3), one), 'another key');
  assert.ok(challenges.take(key, one));
  assert.ok(!challenges.isOpen(key, one));
  assert.ok(!challenges.take(key, one));
  const late = answered();
  clock.now += 120_000;
  assert.ok(!challenges.isOpen(key, late), 'its time is over');
});

test('a challenge has the mark of its gate', () => {
  assert.deepEqual(open().challenges.make(key).subarray(0, 4), mark);
});

test('what was made elsewhere, or is longer or shorter than an answer to a challenge, is none', () => {
  const { challenges, answered } = open();
  assert.ok(!challenges.isOpen(key, open().answered()));
  for (const bytes of [0, 7, 17]) assert.ok(!challenges.isOpen(key, answered(randomBytes(bytes))), `${bytes} bytes`);
  assert.ok(challenges.isOpen(key, answered(randomBytes(16))));
  assert.ok(!challenges.isOpen(key, randomBytes(challengeBytes + 8)));
  assert.notDeepEqual(challenges.make(key), challenges.make(key));
  const spoilt = answered();
  spoilt.writeUInt8(0xff);
  assert.ok(!challenges.isOpen(key, spoilt), 'the mark of another gate');
});
