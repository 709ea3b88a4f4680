/** The sensor of examples/ against a whole house: what it sends in CBOR and SenML comes back digit for digit, once, over whatever happens. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { KeyCredentialCreated } from '@portcullis/contract';
import { exchange } from '@portcullis/device';
import { encode } from 'cbor2';
import { Flash } from '../../../../../examples/low-power-sensor/flash.ts';
import { Radio } from '../../../../../examples/low-power-sensor/radio.ts';
import { type Answer, Sensor } from '../../../../../examples/low-power-sensor/sensor.ts';
import { eventually, House } from '../../house.ts';
import { Operator } from '../../operator.ts';

const stream = 'telemetry';
let house: House;
let operator: Operator;

before(async () => {
  house = await House.open();
  operator = new Operator(house.fleet);
});
after(async () => {
  operator?.close();
  await house?.close();
});

interface Flashed {
  sensor: Sensor;
  file: string;
  /** Until the gate decides. */
  send(payload: Buffer | string, contentFormat: number): Promise<Answer>;
  close(): Promise<void>;
}

async function flashed(subject: string): Promise<Flashed> {
  const url = `https://localhost:${house.basePort}/v1/key-credentials`;
  const file = join(house.home, `${subject}.flash`);
  Flash.make(file, await exchange(operator.link, url, { subject }, KeyCredentialCreated));
  // Its receipt says that the gate has heard of the sensor.
  assert.equal((await operator.set(subject, { place: 'cold store' })).confirmed, true);
  return opened(file);
}

function opened(file: string): Flashed {
  const radio = new Radio({ host: '127.0.0.1', port: house.basePort + 5 });
  const sensor = new Sensor({ flash: Flash.open(file), radio });
  const send = async (payload: Buffer | string, contentFormat: number): Promise<Answer> => {
    let answer: Answer | undefined;
    await eventually(async () => {
      answer = await sensor.send({ stream, payload: Buffer.from(payload), contentFormat }).catch(() => undefined);
      return answer !== undefined && answer.code !== '5.03';
    }, 'the gate decides');
    return answer as Answer;
  };
  return { sensor, file, send, close: () => radio.close() };
}

const rows = (subject: string) => operator.readings(house.gateUrl, subject);

test('P17: integers of 64 bits, floats of every width and a pack of SenML come back as they were meant', async (context) => {
  const { send, close } = await flashed('cold-1');
  context.after(close);
  const cbor = Buffer.from(encode({ big: 2n ** 64n - 1n, small: -(2n ** 64n), half: -18.5, one: 1.1 }));
  assert.equal((await send(cbor, 60)).code, '2.04');
  const pack = [
    { bn: 'box:', bt: 1_764_331_200, n: 'celsius', u: 'Cel', bv: 0.1, v: 0.2 },
    { n: 'celsius', u: 'Cel', t: 60, v: 4 },
  ];
  assert.equal((await send(JSON.stringify(pack), 110)).code, '2.04');
  // As text: a parser would round it.
  const { out: said } = await house.portcullis('readings', stream, '--subject', 'cold-1', '--json');
  assert.match(said, /\{"big":18446744073709551615,"small":-18446744073709551616,"half":-18.5,"one":1.1\}/);
  assert.match(said, /\{"box:celsius":0.3,"units":\{"box:celsius":"Cel"\}\}/);
  const stored = await rows('cold-1');
  assert.deepEqual(
    stored.map(({ deviceTime }) => deviceTime),
    [null, '2025-11-28T12:00:00.000Z', '2025-11-28T12:01:00.000Z'],
  );
});

test('what has no form in JSON is refused for good, by code and reason, and the sensor goes on', async (context) => {
  const { send, close } = await flashed('cold-2');
  context.after(close);
  const refusals: [Buffer, number, string, string][] = [
    [Buffer.from(encode({ v: Number.NaN })), 60, '4.00', 'reading_malformed'],
    [Buffer.from('a1617641ff', 'hex'), 60, '4.00', 'reading_malformed'],
    [Buffer.from('[{"n":"v"}]'), 110, '4.00', 'reading_malformed'],
    [Buffer.from('{"_sensor":1}'), 50, '4.22', 'reserved_member_misused'],
  ];
  for (const [payload, format, code, text] of refusals) {
    const answer = await send(payload, format);
    assert.deepEqual([answer.code, answer.text], [code, text], payload.toString('hex'));
  }
  assert.equal((await send(Buffer.from('v'), 0)).code, '4.15');
  assert.equal((await send('{"v":1}', 50)).code, '2.04');
  assert.equal((await rows('cold-2')).length, 1);
});

test('a reading that is sent anew under its own id is stored once, before and after the gate and the sensor were started anew', async (context) => {
  const first = await flashed('cold-3');
  const reading = Buffer.from(encode({ _id: 'r-1', v: 7 }));
  assert.equal((await first.send(reading, 60)).code, '2.04');
  assert.equal((await first.send(reading, 60)).code, '2.04');
  await first.close();
  await house.gate?.kill();
  await house.startGate();
  const second = opened(first.file);
  context.after(second.close);
  assert.equal((await second.send(reading, 60)).code, '2.04');
  assert.deepEqual(
    (await rows('cold-3')).map(({ id, data }) => [id, data]),
    [['r-1', { v: 7 }]],
  );
});
