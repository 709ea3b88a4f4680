import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { KeySensor, parsed, reading } from '../../../../test/key-sensor.ts';
import { protectionOf, unwrapped, writeDatagram } from '../../../oscore/oscore.ts';
import { Challenges } from './challenges.ts';
import { Openings } from './openings.ts';

test('a sensor that begins anew too soon waits, and whenever it gets a challenge its answer to it is taken', async () => {
  const clock = { now: 0 };
  const monotonic = () => clock.now;
  const sensor = new KeySensor(Buffer.of(0x2a));
  const challenges = new Challenges({ mark: Buffer.alloc(4), random: randomBytes, monotonic });
  const contextOf = async (_keyId: Buffer, idContext: Buffer) => sensor.asSeenByGate(idContext);
  const openings = new Openings({ contextOf, challenges, monotonic });
  const tell = (datagram: Buffer) => {
    const { kidContext } = protectionOf(parsed(datagram).options) as { kidContext: Buffer };
    return openings.open(sensor.keyId, unwrapped(kidContext) as Buffer, parsed(datagram), 'its address');
  };
  const tries = { begun: 0, open: 0, waits: 0 };
  for (let times = 0; times < 40; times++) {
    clock.now += 2_000;
    const first = await tell(sensor.first());
    if (!('answer' in first)) {
      assert.deepEqual(first, { refused: 'too_often' });
      tries.waits++;
      continue;
    }
    tries.begun++;
    const header = { type: 2, messageId: 1, token: Buffer.alloc(0) };
    const second = await tell(sensor.second(writeDatagram({ ...header, ...first.answer }), reading('s', '1')));
    if ('security' in second) tries.open++;
  }
  assert.ok(tries.waits > 0 && tries.begun >= 20, JSON.stringify(tries));
  assert.equal(tries.open, tries.begun);
});
