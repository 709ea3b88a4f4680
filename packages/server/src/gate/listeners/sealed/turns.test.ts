import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from './turns.ts';

test('a piece of each after the other, and the event loop goes round between a few of them', async () => {
  const turns = new Turns();
  const done: string[] = [];
  let [most, since] = [0, 0];
  const work = (name: string, pieces: number) => () => {
    done.push(name);
    most = Math.max(most, ++since);
    return --pieces > 0;
  };
  let goesRound = true;
  const round = () => {
    since = 0;
    if (goesRound) setImmediate(round);
  };
  round();
  turns.add(work('a', 100));
  turns.add(work('b', 3));
  while (done.length < 103) await new Promise((resolve) => setImmediate(resolve));
  goesRound = false;
  assert.ok(most <= 32, String(most));
  assert.deepEqual(done.slice(16, 22), ['a', 'b', 'a', 'b', 'a', 'b'], done.slice(0, 30).join(''));
});
