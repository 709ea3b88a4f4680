/** Sensors without X.509: what OSCORE costs a gate, and what a reading of twenty bytes takes over every way in. */
import { fork } from 'node:child_process';
import { createCipheriv, createSecretKey } from 'node:crypto';
import { join } from 'node:path';
import { KeyCredentialCreated } from '@portcullis/contract';
import { exchange } from '@portcullis/device';
import { cborFormat } from '../examples/low-power-sensor/measurement.ts';
import { messageOf } from '../examples/low-power-sensor/sensor.ts';
import {
  deriveContext,
  messageTypes,
  openRequest,
  parseDatagram,
  protectAnswer,
  protectRequest,
  ReplayWindow,
  writeDatagram,
} from '../packages/server/src/oscore/oscore.ts';
import { Operator } from '../packages/server/test/operator.ts';
import type { Row } from './bench.ts';
import { measure } from './gate.ts';
import { cpuSeconds, rounded, thousands } from './measure.ts';
import { type Bytes, https, mqtt, oscore, plainCoap, sealed } from './one-reading.ts';
import type { SensorJob, SensorsDone } from './sensor-load.ts';
import { openStage, type Stage } from './stage.ts';

const datagrams = 40_000;
const perCoreMin = 20_000;
const overheadMax = 14;
const sensors = 64;
const warmMs = 1_500;
const runMs = 8_000;

export async function benchCoap(): Promise<Row[]> {
  const stage = await openStage();
  try {
    return [codec(), ...(await durable(stage)), ...(await bytes(stage))];
  } finally {
    await stage.close();
  }
}

/** A datagram is read and opened, its answer protected and written: all that is beside judging and storing. */
function codec(): Row {
  const [one, two] = [Buffer.of(1), Buffer.of(0)];
  const master = { masterSecret: Buffer.alloc(16, 1), salt: Buffer.alloc(8, 2), idContext: Buffer.alloc(24, 3) };
  const sensor = deriveContext({ ...master, senderId: one, recipientId: two });
  const gate = deriveContext({ ...master, senderId: two, recipientId: one });
  const message = messageOf({ stream: 'telemetry', payload: Buffer.alloc(20, 1), contentFormat: cborFormat });
  const header = { type: messageTypes.confirmable, messageId: 7, token: Buffer.of(1, 2) };
  const made = Array.from({ length: datagrams }, (_, number) =>
    writeDatagram({ ...header, ...protectRequest(sensor, number, message).outer }),
  );
  const window = new ReplayWindow(32);
  const stored = { code: 0x44, options: [], payload: Buffer.alloc(0) };
  const ours = microsecondsOf(() => {
    for (const datagram of made) {
      const parsed = parseDatagram(datagram);
      const opened = 'refused' in parsed ? parsed : openRequest(gate, parsed, window);
      if ('refused' in opened || 'refused' in parsed) throw new Error('a datagram did not open');
      writeDatagram({ ...parsed, ...protectAnswer(gate, opened.piv, stored) });
    }
  });
  const bare = microsecondsOf(() => {
    for (const { length } of made) bareCrypto(length);
  });
  return {
    what: 'OSCORE: request opened, answer protected',
    ours: `${rounded(ours, 1)} µs: ${thousands(1e6 / ours)}/s per core`,
    peer: `${rounded(bare, 1)} µs (the two calls of node:crypto alone): ${rounded(ours / bare, 2)} ×`,
    target: `≥ ${thousands(perCoreMin)}/s per core`,
    met: 1e6 / ours >= perCoreMin,
  };
}

function microsecondsOf(work: () => void): number {
  const begun = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / datagrams;
}

const bareKey = createSecretKey(Buffer.alloc(16));

/** AES-CCM of a request and of an empty answer, without anything around it. */
function bareCrypto(requestBytes: number): void {
  for (const plaintextLength of [requestBytes - 19, 1]) {
    const cipher = createCipheriv('aes-128-ccm', bareKey, Buffer.alloc(13), { authTagLength: 8 });
    cipher.setAAD(Buffer.alloc(22), { plaintextLength });
    cipher.update(Buffer.alloc(plaintextLength));
    cipher.final();
    cipher.getAuthTag();
  }
}

/** Beside the gate's own readings over HTTPS, each by itself and as durable. */
async function durable(stage: Stage): Promise<Row[]> {
  const keys = await Promise.all(Array.from({ length: sensors }, (_, index) => keyOf(stage, `sensor-${index}`)));
  const port = stage.house.basePort + 5;
  await sensorLoad({ port, keys: keys.slice(0, sensors / 2), milliseconds: warmMs });
  const before = cpuSeconds(stage.gatePid);
  const done = await sensorLoad({ port, keys: keys.slice(sensors / 2), milliseconds: runMs });
  if (done.failures > 0) throw new Error(`${done.failures} readings were refused`);
  const cpu = ((cpuSeconds(stage.gatePid) - before) / done.stored) * 1e6;
  const path = '/v1/streams/telemetry/readings';
  const job = { path, pem: stage.pem, connections: sensors / 2, fresh: false, readings: 1 };
  const peer = await measure(stage.gatePid, { ...job, port: stage.house.basePort + 3 });
  return [
    {
      what: 'durable readings over CoAP, one a datagram, CPU of the gate for each',
      ours: `${rounded(cpu, 1)} µs (${thousands(done.stored / (done.milliseconds / 1000))}/s)`,
      peer: `${rounded(peer.cpu, 1)} µs (the gate's own HTTPS): ${rounded(cpu / peer.cpu, 2)} ×`,
      target: '',
      met: null,
    },
  ];
}

async function keyOf({ house }: Stage, subject: string): Promise<KeyCredentialCreated> {
  const operator = new Operator(house.fleet);
  const url = `https://localhost:${house.basePort}/v1/key-credentials`;
  return await exchange(
    operator.link,
    url,
    { subject, attributes: { status: 'active' } },
    KeyCredentialCreated,
  ).finally(() => operator.close());
}

async function sensorLoad(job: SensorJob): Promise<SensorsDone> {
  const child = fork(join(import.meta.dirname, 'sensor-load.ts'), { execArgv: ['--conditions=portcullis-source'] });
  const done = new Promise<SensorsDone>((resolve, reject) => {
    child.once('message', (message) => resolve(message as SensorsDone));
    child.once('exit', () => reject(new Error('the sensors ended early')));
  });
  child.send(job);
  const result = await done;
  child.kill();
  return result;
}

async function bytes(stage: Stage): Promise<Row[]> {
  const { house, pem } = stage;
  const plain = plainCoap();
  const sensor = await oscore(house.basePort + 5, await keyOf(stage, 'cold-7'), `${house.home}/cold-7.flash`);
  const [overHttps, overMqtt] = [await https(house.basePort + 3, pem), await mqtt(house.basePort + 4, pem)];
  const more = sensor.next.up - plain.up;
  return [
    row('CoAP without protection, for comparison', plain),
    { ...row('OSCORE', sensor.next), target: `≤ ${overheadMax} over plain CoAP (${more})`, met: more <= overheadMax },
    row('OSCORE, with the exchange that makes the context', sensor.first),
    row('MQTT 3.1.1, QoS 1, JSON', overMqtt.next),
    row('MQTT, with handshake and CONNECT', overMqtt.first),
    row('HTTPS, JSON', overHttps.next),
    row('HTTPS, with handshake', overHttps.first),
    { ...row('sealed as COSE_Sign1, to a gateway', { up: sealed('cose'), down: 0 }), ours: `${sealed('cose')} up` },
    { ...row('sealed as JWS, to a gateway', { up: sealed('jws'), down: 0 }), ours: `${sealed('jws')} up` },
  ];
}

function row(what: string, { up, down }: Bytes): Row {
  return { what: `20 bytes: ${what}`, ours: `${up} up, ${down} down`, peer: '', target: '', met: null };
}
