import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from './turns.ts';

function turnsOf(atOnce: number) {
  const begun: string[] = [];
  const turns = new Turns(atOnce, 20);
  const ask = (group: string, name: string, wanted = true) => {
    const turn = {
      begin: () => {
        if (wanted) begun.push(name);
        return wanted;
      },
    };
    turns.ask(group, turn);
    return turn;
  };
  return { begun, turns, ask };
}

test('so many at once; who comes from elsewhere waits for one turn, not for all that came before', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { begun, turns, ask } = turnsOf(2);
  const [first] = ['a1', 'a2', 'a3', 'a4', 'a5'].map((name) => ask('a', name));
  ask('b', 'b1');
  assert.deepEqual(begun, ['a1', 'a2']);
  if (first) turns.end(first);

  context.mock.timers.tick(20);
  assert.deepEqual(begun, ['a1', 'a2', 'a3', 'b1', 'a4']);
  context.mock.timers.tick(20);
  assert.deepEqual(begun, ['a1', 'a2', 'a3', 'b1', 'a4', 'a5']);
});

test('a turn that is not wanted any more costs nobody else one, however many there are', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { begun, ask } = turnsOf(1);
  ask('a', 'a1');
  for (let count = 0; count < 50_000; count++) ask('a', 'gone', false);
  ask('a', 'a2');
  context.mock.timers.tick(20);
  assert.deepEqual(begun, ['a1', 'a2']);
});
