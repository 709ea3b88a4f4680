/** A monitor says that a device is not well: it is cut at every gate, on open connections too, and let go by proof or by a person. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import type { HoldView, SignalAnswer } from '@portcullis/contract';
import { enrol } from '@portcullis/device';
import { Running, succeeded } from '../../../../../tools/commands.ts';
import { decided, eventually, House, type Pem, post, readingsUrl } from '../../house.ts';
import { Operator } from '../../operator.ts';
import { alert, over, second, webhook } from '../../signals.ts';

const signals = `
attributes: { status: { order: [active, degraded, quarantined] } }
signals:
  plant:
    certificate: alertmanager-1
    format: alertmanager
    may: { attributes: { status: [quarantined, degraded] }, standings: [suspend] }
    reactions:
      - on: 'alert.labels.severity == "critical"'
        subject: alert.labels.device
        hold: { status: quarantined }
        reason: '"alert " + alert.labels.alertname'
      - on: 'alert.labels.severity == "warning"'
        subject: alert.labels.device
        hold: { status: degraded }
        until: resolved
        settle: 1s
        proof: { stream: repair, inside: reading.temperature < 60.0 }
`;
const streams = `streams:
  telemetry: { expect: { status: active } }
  repair: { expect: { status: { in: [active, degraded] } } }
`;

let house: House;
let operator: Operator;
let monitor: Pem;
let truck: Pem;
let other: Pem;
let secondGate: Running;
let secondPort = 0;

before(async () => {
  house = await House.open((made) => {
    made.configure('fleet.yaml', (text) => text + signals);
    made.configure('gate.yaml', (text) => text.slice(0, text.indexOf('streams:')) + streams);
  });
  operator = new Operator(house.fleet);
  [truck, other] = [await enrolled('truck-17'), await enrolled('truck-18')];
  const [made] = await house.json<{ token: string }>('token', 'create', 'alertmanager-1', '--kind', 'monitor');
  const credential = await enrol({ token: made?.token as string, directory: join(house.home, 'alertmanager-1') });
  monitor = { key: credential.key, cert: credential.certificate + credential.issuer, ca: credential.roots };
  secondPort = house.basePort + 2;
  const [gate] = await house.json<{ token: string }>('token', 'create', 'gate-2', '--kind', 'gate');
  const directory = join(house.home, 'gate-2');
  await succeeded('portcullis', 'gate', 'join', directory, gate?.token as string, '--port', String(secondPort));
  secondGate = new Running('portcullis', 'start', 'gate', directory);
  await secondGate.line(/^gate listening/, 60_000);
});
after(async () => {
  operator?.close();
  await secondGate?.stop();
  await house?.close();
});

const enrolled = (subject: string) => operator.enrolled(subject, join(house.home, subject));

async function signal(...alerts: Parameters<typeof webhook>): Promise<SignalAnswer> {
  const url = `https://localhost:${house.basePort}/v1/signals/plant?wait=all`;
  const { status, body } = await post(url, monitor, webhook(...alerts));
  assert.equal(status, 200, body);
  return JSON.parse(body) as SignalAnswer;
}

async function openAt(port: number, identity: Pem): Promise<TLSSocket> {
  const socket = connect({ host: 'localhost', port, ...identity, minVersion: 'TLSv1.3' });
  await once(socket, 'secureConnect');
  // A cut may reach it as a reset.
  return socket.on('error', () => undefined);
}

const holds = () => house.json<HoldView>('signal', 'list', 'truck-17');
const statusOf = async (pem: Pem, stream = 'telemetry') =>
  (await decided(readingsUrl(house, stream), pem, '{"temperature":4}')).status;

test('P6, P7: when the signal is answered both gates refuse the device, its open connections are closed, and others are left alone', async () => {
  const ports = [house.basePort + 3, secondPort];
  const cut = await Promise.all(ports.map((port) => openAt(port, truck)));
  const left = await Promise.all(ports.map((port) => openAt(port, other)));
  const gates = async () => (await operator.gates()).map(({ connections }) => connections);
  await eventually(async () => (await gates()).every((count) => count >= 2), 'the connections are counted');
  const closed = Promise.all(cut.map((socket) => once(socket, 'close')));
  const { results, receipt } = await signal(alert('truck-17'));
  assert.equal(results[0]?.outcome, 'held');
  assert.equal(receipt?.confirmed, true);
  assert.deepEqual(receipt.gates.map(({ gate, outcome }) => `${gate} ${outcome}`).toSorted(), [
    'gate-1 applied',
    'gate-2 applied',
  ]);
  assert.equal(await statusOf(truck), 403);
  await closed;
  assert.deepEqual(
    left.map((socket) => socket.destroyed),
    [false, false],
  );
  for (const socket of left) socket.destroy();
});

test('"explain" and "subject show" name the hold; "resolved" does not let it go, nor does a restart of the authority', async () => {
  assert.equal((await signal(over('truck-17'))).results[0]?.outcome, 'resolved');
  await house.authority?.stop();
  await house.startAuthority();
  // Until then a gate may decide by the lease of the authority's earlier run, and this one knows of none to ask.
  await eventually(
    async () => (await operator.gates()).every(({ lease }) => lease === 'held'),
    'both gates hold a lease of the new run',
  );
  const [hold] = await holds();
  assert.deepEqual(
    [hold?.state, hold?.alert.state, hold?.reason],
    ['in_force', 'claimed_resolved', 'alert Overheated'],
  );
  assert.equal(await statusOf(truck), 403);
  const [explained] = await house.json<{ heldBy: HoldView[] }>('explain', 'truck-17', '--stream', 'telemetry');
  assert.equal(explained?.heldBy[0]?.hold, hold?.hold);
  const [shown] = await house.json<{ heldBy: HoldView[] }>('subject', 'show', 'truck-17');
  assert.equal(shown?.heldBy[0]?.source, 'plant');
});

test('what an operator sets goes underneath, and the answer names the hold; a release brings it into force', async () => {
  const [set] = await house.json<{ heldBy: HoldView[] }>('attribute', 'set', 'truck-17', 'status=active', '--wait');
  assert.equal(set?.heldBy[0]?.value, 'quarantined');
  assert.equal(await statusOf(truck), 403);
  const refused = await house.portcullis('signal', 'release', 'truck-17');
  assert.deepEqual([refused.status, /say why with --reason/.test(refused.error)], [2, true]);
  const receipt = await house.change('signal', 'release', 'truck-17', '--reason', 'looked at it');
  assert.equal(receipt.confirmed, true);
  assert.equal(await statusOf(truck), 202);
  assert.deepEqual(await holds(), []);
});

test('"attribute set --release" ends the holds in the same revision', async () => {
  await signal(alert('truck-17', { startsAt: 30n * second }));
  assert.equal(await statusOf(truck), 403);
  await house.change('attribute', 'set', 'truck-17', 'status=active', '--release');
  assert.equal(await statusOf(truck), 202);
});

test('"signal test" says what would follow, and changes nothing', async () => {
  const file = join(house.home, 'delivery.json');
  writeFileSync(file, webhook(alert('truck-17', { key: 'another' }), alert('truck-99')));
  const tried = await house.json<{ outcome: string; would: { value: string }[] }>('signal', 'test', 'plant', file);
  assert.deepEqual(
    tried.map(({ outcome, would }) => [outcome, would[0]?.value]),
    [
      ['held', 'quarantined'],
      ['refused', undefined],
    ],
  );
  assert.equal(await statusOf(truck), 202);
});

test('a device that was held until it is proven well lets itself go: by a reading, once its alert is over', async () => {
  const labels = { severity: 'warning', device: 'truck-18', alertname: 'Overheated' };
  await signal(alert('truck-18', { labels }));
  assert.equal(await statusOf(other), 403);
  assert.equal(await statusOf(other, 'repair'), 202, 'it may still send where it can show that it is well');
  await signal(over('truck-18', { labels }));
  const lacks = async () => (await house.json<HoldView>('signal', 'list', 'truck-18'))[0]?.lacks ?? '';
  await eventually(async () => /no reading since/.test(await lacks()), 'the claim has settled, and nothing proves it');
  const send = (temperature: number) => post(readingsUrl(house, 'repair'), other, JSON.stringify({ temperature }));
  await send(80);
  await eventually(async () => /shows that it is not well/.test(await lacks()), 'the gate has told of the reading');
  assert.equal(await statusOf(other), 403);
  await eventually(async () => {
    await send(4);
    return (await statusOf(other)) === 202;
  }, 'the reading that is inside lets it go');
});
