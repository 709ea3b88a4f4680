/** One subject with a connection of each kind at once: one flip ends them all, and its receipt counts them. */
import assert from 'node:assert/strict';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { KeyCredentialCreated } from '@portcullis/contract';
import { type Credential, credentialFileIn, exchange, readCredential } from '@portcullis/device';
import { eventually, House } from '../../house.ts';
import { Operator } from '../../operator.ts';
import { CoapWay } from '../../torture/coap-way.ts';
import { MqttWay } from '../../torture/mqtt-way.ts';
import { Numbering, SealedWay } from '../../torture/sealed-way.ts';
import { AskingWay, HttpWay, identityOf, type Place, type Way } from '../../torture/way.ts';

let house: House;
let ways: Record<'https' | 'mqtt' | 'coap' | 'sealed' | 'asked', Way>;
let carrying: Agent;

before(async () => {
  house = await House.open((made) => {
    const socket = `listen:\n  decideSocket: ${join(made.home, 'decide.sock')}\n`;
    made.configure('gate.yaml', (yaml) => yaml.replace('listen:\n', socket));
  });
  const truck = identityOf(enrolled(await house.device('truck-17')));
  const operator = new Operator(house.fleet);
  const directory = join(house.home, 'gateway-1');
  await operator.enrolled('gateway-1', directory, undefined, 'gateway');
  const { credential, link } = operator;
  const wanted = { subject: 'truck-17' };
  const keys = await exchange(link, `${credential.authority}/v1/key-credentials`, wanted, KeyCredentialCreated);
  operator.close();
  const gateway = identityOf(enrolled(directory));
  const { basePort, home } = house;
  const place: Place = {
    ...{ name: 'gate-1', url: `https://127.0.0.1:${basePort + 3}`, mqttPort: basePort + 4, coapPort: basePort + 5 },
    decideSocket: join(home, 'decide.sock'),
  };
  carrying = new Agent({ keepAlive: true, maxSockets: 1, secureContext: gateway.context, maxCachedSessions: 0 });
  const carrier = { subject: 'gateway-1', fingerprint: gateway.fingerprint, agent: carrying };
  ways = {
    https: new HttpWay(place, truck),
    mqtt: new MqttWay(place, truck, 5),
    coap: new CoapWay(place, keys),
    sealed: new SealedWay(place, truck, carrier, new Numbering()),
    asked: new AskingWay(place, truck),
  };
});
after(async () => {
  for (const way of Object.values(ways ?? {})) (way.close ?? way.breakOff).call(way);
  carrying?.destroy();
  await house?.close();
});

const enrolled = (directory: string): Credential => readCredential(credentialFileIn(directory));
let sent = 0;

/** Over each of them, until it is as it should be: a busy machine may let a lease lapse, and a gate that has just heard says so at once. */
async function allAre(wanted: Record<keyof typeof ways, number>): Promise<void> {
  for (const [name, way] of Object.entries(ways)) {
    let last = '';
    const is = async () => {
      const { status, reason } = await way.send([`r-${++sent}`]);
      last = `${status} ${reason}`;
      return status === wanted[name as keyof typeof ways];
    };
    await eventually(is, `${name} is ${wanted[name as keyof typeof ways]}`).catch((error: Error) => {
      throw new Error(`${error.message}; it is ${last}`);
    });
  }
}
const admitted = { https: 202, mqtt: 202, coap: 202, sealed: 202, asked: 202 };
/** MQTT is told nothing of what can be taken back. */
const refused = { https: 403, mqtt: 0, coap: 403, sealed: 403, asked: 403 };

test('P6: HTTPS, MQTT and CoAP are one cut, and so is what is sealed by the subject or asked of it; the receipt counts three connections', async () => {
  await allAre(admitted);
  const off = await house.change('attribute', 'set', 'truck-17', 'status=off', '--reason', 'stolen');
  assert.deepEqual([off.confirmed, off.connectionsClosed], [true, 3]);
  await allAre(refused);
  const on = await house.change('attribute', 'set', 'truck-17', 'status=active');
  assert.deepEqual(on.advised, [{ gate: 'gate-1', asker: null }], 'who asks is named by now');
  await allAre(admitted);
});

test('P6, P16: who carries is cut with what it carries, and nothing else is', async () => {
  await allAre(admitted);
  const cut = await house.change('certificate', 'suspend', 'gateway-1', '--reason', 'stolen');
  assert.deepEqual([cut.confirmed, cut.connectionsClosed], [true, 1]);
  const { carried } = await ways.sealed.send([`r-${++sent}`]);
  assert.equal(carried?.status, 403);
  await allAre({ ...admitted, sealed: 0 });
  await house.change('certificate', 'resume', 'gateway-1');
  await allAre(admitted);
});
