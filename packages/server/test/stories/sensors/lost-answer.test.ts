/** The answer to the request that makes a context is lost: the gate has one that the sensor does not know, and the sensor one that the gate does not. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { KeyCredentialCreated } from '@portcullis/contract';
import { NotHeard, Radio } from '../../../../../examples/low-power-sensor/radio.ts';
import { Sensor } from '../../../../../examples/low-power-sensor/sensor.ts';
import { eventually, House } from '../../house.ts';

let house: House;
before(async () => {
  house = await House.open();
});
after(() => house?.close());

test('the sensor begins anew, and goes on', async (context) => {
  const [keys] = await house.json<KeyCredentialCreated>('token', 'create', 'sensor-1', '--credential', 'oscore');
  const flash = {
    content: { ...(keys as KeyCredentialCreated), reserved: 0, idContext: null as string | null },
    change: (changed: object) => Object.assign(flash.content, changed),
  };
  const real = new Radio({ host: '127.0.0.1', port: house.basePort + 5 });
  context.after(() => real.close());
  /** Of the next requests, which one's answer is lost, from 1. */
  let lost = 0;
  const radio: Pick<Radio, 'ask'> = {
    ask: async (datagram, read) => {
      const answer = await real.ask(datagram, read);
      if (--lost === 0) throw new NotHeard('lost on its way');
      return answer;
    },
  };
  const sensor = new Sensor({ flash, radio });
  const send = () => sensor.send({ stream: 'telemetry', payload: Buffer.from('{"c":1}'), contentFormat: 50 });
  const isStored = () =>
    send().then(
      ({ code }) => code === '2.04',
      () => false,
    );
  await eventually(isStored, 'the gate has heard of the sensor');
  await house.change('certificate', 'suspend', 'sensor-1');
  await house.change('certificate', 'resume', 'sensor-1');
  lost = 3;
  await assert.rejects(send(), NotHeard);
  assert.equal((await send()).code, '2.04');
});
