/** A gate that starts while changes go on: it has to catch up with what is receipted meanwhile. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { House } from '../../house.ts';
import { Operator } from '../../operator.ts';

let house: House;
let operator: Operator;

before(async () => {
  house = await House.open();
  operator = new Operator(house.fleet);
  await house.portcullis('token', 'create', 'truck-17');
});
after(async () => {
  operator?.close();
  await house?.close();
});

test('P5, rule 4: a gate gets its first lease although each of many changes has its receipt before the gate asks again', async () => {
  await house.gate?.stop();
  let [changes, started] = [0, false];
  const starting = house.startGate().finally(() => {
    started = true;
  });
  while (!started) {
    assert.equal((await operator.set('truck-17', { status: ++changes % 2 === 0 ? 'active' : 'off' })).confirmed, true);
  }
  await starting;
  assert.ok(changes >= 5, `${changes} changes while it started: too few to say anything`);
});
