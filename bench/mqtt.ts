import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { generate, type Packet } from 'mqtt-packet';
import { Operator } from '../packages/server/test/operator.ts';
import { freeBasePort } from '../tools/commands.ts';
import type { Result, Row } from './bench.ts';
import { distributionOf, inShort } from './distribution.ts';
import { type Measured, measure } from './gate.ts';
import { rounded, thousands } from './measure.ts';
import { openStage, type Stage, startBareServer } from './stage.ts';

const topic = 'streams/telemetry';
const path = '/v1/streams/telemetry/readings';

interface Broker {
  pid: number;
  port: number;
  stop(): void;
}

/** Debian's Mosquitto with mTLS and persistence; undefined where there is none. */
async function startMosquitto({ pem, server, house }: Stage): Promise<Broker | undefined> {
  const binary = '/usr/sbin/mosquitto';
  if (!existsSync(binary)) return undefined;
  const port = await freeBasePort();
  const folder = join(house.home, 'mosquitto');
  mkdirSync(folder);
  const file = join(folder, 'mosquitto.conf');
  writeFileSync(
    file,
    `user root
persistence true
persistence_location ${folder}/
autosave_interval 1
log_dest none
listener ${port} 127.0.0.1
cafile ${join(pem, 'trust.pem')}
certfile ${server.cert}
keyfile ${server.key}
require_certificate true
use_identity_as_username true
tls_version tlsv1.3
`,
  );
  const child = spawn(binary, ['-c', file], { stdio: 'inherit' });
  process.once('exit', () => child.kill());
  while (!(await isOpen(port))) await new Promise((resolve) => setTimeout(resolve, 20));
  return { pid: child.pid as number, port, stop: () => child.kill() };
}

const device = 'truck-17';
const cuts = 200;
const closedMs = 25;

/** From a change being sent to the close of an open connection of the device, which CONNECT was admitted on. */
async function closings({ pem, house }: Stage): Promise<number[]> {
  const operator = new Operator(house.fleet);
  const file = (name: string) => readFileSync(join(pem, name));
  const identity = { key: file('key.pem'), cert: file('cert.pem'), ca: file('root.pem') };
  const hello = { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, clientId: 'cut', clean: true, keepalive: 60 };
  const times: number[] = [];
  for (let index = 0; index < cuts; index++) {
    await operator.set(device, { status: 'active' });
    const socket = connect({ host: 'localhost', port: house.basePort + 4, ...identity, minVersion: 'TLSv1.3' });
    socket.write(generate(hello as Packet));
    const [connack] = (await once(socket, 'data')) as [Buffer];
    if (connack[0] !== 0x20 || connack[3] !== 0) throw new Error(`CONNECT was answered ${connack.toString('hex')}`);
    const closed = once(socket, 'end').then(() => performance.now());
    const sent = performance.now();
    await operator.set(device, { status: 'off' });
    times.push((await closed) - sent);
    socket.destroy();
  }
  await operator.set(device, { status: 'active' });
  operator.close();
  return times;
}

const isOpen = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connectPlain(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

/** Publishing with QoS 1 over MQTT 5: kept connections, and a handshake for each. */
export async function benchMqtt(): Promise<Result> {
  const stage = await openStage();
  try {
    const cut = distributionOf('change sent → open MQTT connection closed', await closings(stage));
    const met = cut.p99 <= closedMs;
    const row = { what: cut.what, ours: inShort(cut), peer: '', target: `p99 ≤ ${closedMs} ms`, met };
    return { rows: [...(await measured(stage)), row], distributions: [cut] };
  } finally {
    await stage.close();
  }
}

async function measured(stage: Stage): Promise<Row[]> {
  const kept = { pem: stage.pem, connections: 64, fresh: false, readings: 1 };
  const { basePort } = stage.house;
  const over = { path: topic, program: 'mqtt-load.ts' };
  const ours = await measure(stage.gatePid, { ...kept, ...over, port: basePort + 4 });
  const https = await measure(stage.gatePid, { ...kept, path, port: basePort + 3 });
  const bare = await startBareServer(stage, 'bare-mqtt-server.ts');
  const peer = await measure(bare.child.pid as number, { ...kept, ...over, port: bare.port });
  bare.child.disconnect();
  const fresh = { ...kept, connections: 16, fresh: true };
  const first = await measure(stage.gatePid, { ...fresh, ...over, port: basePort + 4 });
  const broker = await startMosquitto(stage);
  if (!broker) return [...readingRows(ours, peer, https), handshakeRow(first, undefined)];
  const beside = await measure(broker.pid, { ...kept, ...over, port: broker.port });
  const handshake = await measure(broker.pid, { ...fresh, ...over, port: broker.port });
  broker.stop();
  return [...readingRows(ours, peer, https), besideRow(ours, beside), handshakeRow(first, handshake)];
}

const microseconds = ({ cpu }: Measured) => `${rounded(cpu, 1)} µs`;
const against = (ours: Measured, peer: Measured) => `${microseconds(peer)}: ${rounded(ours.cpu / peer.cpu, 2)} ×`;
const rateOf = ({ perSecond }: Measured) => `${thousands(perSecond)}/s`;

function readingRows(ours: Measured, peer: Measured, https: Measured): Row[] {
  const what = 'durable publish, QoS 1, CPU';
  return [
    {
      what: 'durable publish, QoS 1',
      ours: rateOf(ours),
      peer: `${rateOf(peer)} (bare node:tls)`,
      target: '',
      met: null,
    },
    {
      ...{ what, ours: microseconds(ours), peer: `${against(ours, peer)} (bare node:tls + mqtt-packet)` },
      ...{ target: '≤ 1.3 × bare', met: ours.cpu <= 1.3 * peer.cpu },
    },
    {
      ...{ what, ours: microseconds(ours), peer: `${against(ours, https)} (this gate over HTTPS)` },
      ...{ target: '≤ 0.8 × HTTPS', met: ours.cpu <= 0.8 * https.cpu },
    },
  ];
}

function besideRow(ours: Measured, beside: Measured): Row {
  const peer = `${against(ours, beside)}, ${rateOf(beside)} (Mosquitto, which saves once a second)`;
  return { what: 'publish, QoS 1, CPU', ours: `${microseconds(ours)}, ${rateOf(ours)}`, peer, target: '', met: null };
}

function handshakeRow(first: Measured, beside: Measured | undefined): Row {
  const what = 'full handshake, CONNECT, first PUBACK, CPU';
  const target = '≤ 1.1 × Mosquitto';
  if (!beside) return { what, ours: microseconds(first), peer: 'Mosquitto is not installed', target, met: null };
  const met = first.cpu <= 1.1 * beside.cpu;
  return { what, ours: microseconds(first), peer: `${against(first, beside)} (Mosquitto)`, target, met };
}
