/** Sources of each kind against a real authority: what proves them, and that the answer comes when the cut is in force. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { AlertView, Receipt, SignalAnswer, TokenCreated } from '@portcullis/contract';
import { enrol } from '@portcullis/device';
import { Webhook } from 'standardwebhooks';
import { eventually, House, type Pem, post } from '../../house.ts';

const secret = `whsec_${randomBytes(32).toString('base64')}`;
const token = randomBytes(32).toString('hex');

const holding = `may: { attributes: { status: [quarantined] } }
    reactions: [{ on: "true", subject: alert.labels.device, hold: { status: quarantined } }]`;
const signals = `signals:
  plant:
    certificate: alertmanager-1
    format: alertmanager
    ${holding}
  door:
    hmac: door.key
    format: json
    ${holding}
  probe:
    bearer: probe.sha256
    format: grafana
    ${holding}
`;

let house: House;
let root = '';

before(async () => {
  house = await House.open((made) => {
    made.configure('fleet.yaml', (text) => text + signals);
    const hash = createHash('sha256').update(token).digest('hex');
    writeFileSync(join(made.fleet, 'door.key'), `${secret}\n`, { mode: 0o600 });
    writeFileSync(join(made.fleet, 'probe.sha256'), `${hash}\n`, { mode: 0o600 });
  });
});
after(() => house?.close());

const alert = (device: string) =>
  JSON.stringify({
    version: '4',
    alerts: [{ status: 'firing', labels: { device }, annotations: {}, fingerprint: `f-${device}` }],
  });

async function device(subject: string): Promise<void> {
  await house.json('token', 'create', subject);
}

async function monitor(subject: string): Promise<Pem> {
  const [made] = await house.json<TokenCreated>('token', 'create', subject, '--kind', 'monitor');
  const directory = join(house.home, made?.subject as string);
  const { key, certificate, issuer, roots } = await enrol({ token: made?.token as string, directory });
  root = roots;
  return { key, cert: certificate + issuer, ca: roots };
}

const at = (port: number, source: string) => `https://localhost:${house.basePort + port}/v1/signals/${source}?wait=all`;
const statusOf = async (subject: string) =>
  (await house.json<{ value: string }>('attribute', 'get', subject, 'status'))[0]?.value;

type Answered = SignalAnswer & { receipt?: Receipt; reason?: string };
const told = ({ body }: { body: string }) => JSON.parse(body) as Answered;

let plant: Pem;

test('a source with a certificate holds a device, and its answer is the receipt; the same again changes nothing', async () => {
  plant = await monitor('alertmanager-1');
  await device('sensor-1');
  const first = await post(at(0, 'plant'), plant, alert('sensor-1'));
  assert.equal(first.status, 200, first.body);
  const { revision, receipt, results } = told(first);
  assert.equal(results[0]?.outcome, 'held');
  assert.deepEqual([receipt?.revision, receipt?.confirmed], [revision, true]);
  assert.equal(await statusOf('sensor-1'), 'quarantined');
  const again = told(await post(at(0, 'plant'), plant, alert('sensor-1')));
  assert.deepEqual([again.revision, again.results[0]?.outcome], [revision, 'refreshed']);
});

test('P6: a monitor that is cut is refused on the connection that it has, and another one has no part in its source', async () => {
  const other = await monitor('alertmanager-2');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = (pem: Pem, by?: Agent) => post(at(0, 'plant'), pem, alert('sensor-1'), {}, by);
  assert.equal((await ask(plant, agent)).status, 200);
  await house.change('certificate', 'suspend', 'alertmanager-1');
  for (const [pem, by, reason] of [
    [plant, agent, 'not_authenticated'],
    [other, undefined, 'signal_unproven'],
  ] as const) {
    const { status, body } = await ask(pem, by);
    assert.deepEqual([status, told({ body }).reason], [403, reason]);
  }
  agent.destroy();
});

test('a source that signs holds a device at the port of sources; played again, its message changes nothing', async () => {
  await device('sensor-3');
  const body = '{"labels":{"device":"sensor-3"}}';
  const now = new Date();
  const headers = {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign('msg_1', now, body),
  };
  const first = told(await post(at(7, 'door'), { ca: root }, body, headers));
  assert.deepEqual(
    [first.results[0]?.key, first.results[0]?.outcome, first.receipt?.confirmed],
    ['msg_1', 'held', true],
  );
  assert.equal(await statusOf('sensor-3'), 'quarantined');
  const again = told(await post(at(7, 'door'), { ca: root }, body, headers));
  assert.deepEqual([again.revision, again.results[0]?.outcome], [first.revision, 'refreshed']);
});

test('a source with a token holds a device; what is refused in its name changes nothing, and rings once', async () => {
  await device('sensor-4');
  const bearer = (word: string) => ({ authorization: `Bearer ${word}` });
  for (const word of ['guess', 'another guess'.replaceAll(' ', ''), token.slice(1)]) {
    const { status, body } = await post(at(7, 'probe'), { ca: root }, alert('sensor-4'), bearer(word));
    assert.deepEqual([status, told({ body }).reason], [403, 'signal_unproven']);
  }
  assert.equal(await statusOf('sensor-4'), 'active');
  await eventually(async () => (await rung()).length > 0, 'it rings');
  assert.equal((await rung()).length, 1);
  const taken = told(await post(at(7, 'probe'), { ca: root }, alert('sensor-4'), bearer(token)));
  assert.equal(taken.results[0]?.outcome, 'held');
  assert.equal(await statusOf('sensor-4'), 'quarantined');
});

const rung = async () =>
  (await house.json<AlertView>('alert', 'list')).filter(({ says }) => says.includes('the source "probe" was refused'));
