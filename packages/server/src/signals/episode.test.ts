import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Episode, stepOf, type Told } from './episode.ts';

const firing = (startsAt: bigint | null = 1n): Told => ({ status: 'firing', startsAt, endsAt: null });
const resolved = (endsAt: bigint | null = 2n, startsAt: bigint | null = 1n): Told => ({
  status: 'resolved',
  startsAt,
  endsAt,
});

/** What became of it, step by step: `!` before an end that is doubtful. */
function told(...messages: Told[]): string {
  let episode: Episode | undefined;
  const words = messages.map((message, at) => {
    const step = stepOf(episode, message, at);
    if (!step) return 'nothing';
    episode = step.after;
    return `${episode.doubtful ? '!' : ''}${step.is}`;
  });
  return words.join(' ');
}

const sequences: [string, Told[], string][] = [
  ['an end of what never fired is nothing', [resolved()], 'nothing'],
  ['the same firing again is no news', [firing(), firing(), firing()], 'fired repeated repeated'],
  ['the same end again is no news', [firing(), resolved(), resolved()], 'fired claimed repeated'],
  [
    'it fires again with the same start: Prometheus was stalled',
    [firing(), resolved(), firing()],
    'fired claimed fired',
  ],
  [
    'it fires again with a new start: Prometheus was restarted',
    [firing(), resolved(), firing(3n)],
    'fired claimed fired',
  ],
  ['a new start while it fires is another episode', [firing(), firing(5n)], 'fired fired'],
  ['an older start while it fires is an old message', [firing(5n), firing(1n)], 'fired repeated'],
  [
    'the second of a pair fires late, and its own end may be the old one: it is in doubt',
    [firing(), resolved(), firing(), resolved()],
    'fired claimed fired !claimed',
  ],
  ['a later end is beyond doubt', [firing(), resolved(2n), firing(), resolved(4n)], 'fired claimed fired claimed'],
  [
    'and takes the place of one in doubt',
    [firing(), resolved(2n), firing(), resolved(2n), resolved(4n)],
    'fired claimed fired !claimed claimed',
  ],
  ['an end of an episode that was over when this one began is stale', [firing(5n), resolved(2n, 1n)], 'fired repeated'],
  ['without times the first end counts', [firing(null), resolved(null, null)], 'fired claimed'],
  [
    'and one after it fired again is in doubt',
    [firing(null), resolved(null, null), firing(null), resolved(null, null)],
    'fired claimed fired !claimed',
  ],
];
for (const [title, messages, expected] of sequences) {
  test(title, () => assert.equal(told(...messages), expected));
}

test('whatever comes in whatever order, it fires as long as the last word that is not old is that it does', () => {
  const message = fc.record({
    status: fc.constantFrom('firing' as const, 'resolved' as const),
    startsAt: fc.option(fc.bigInt({ min: 1n, max: 6n }), { nil: null }),
    endsAt: fc.option(fc.bigInt({ min: 1n, max: 9n }), { nil: null }),
  });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 12 }), (messages) => {
      let episode: Episode | undefined;
      for (const [at, one] of messages.entries()) {
        const step = stepOf(episode, one, at);
        if (one.status === 'firing') {
          assert.equal(step?.after.state, 'firing', 'who fires cuts, whatever was said before');
          assert.equal(step?.after.doubtful, false);
        }
        if (step?.is === 'repeated') assert.deepEqual(step.after, episode);
        if (step?.is === 'claimed') assert.equal(step.after.since, at, 'it settles from when it was said');
        episode = step?.after ?? episode;
      }
    }),
  );
});
