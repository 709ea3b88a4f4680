/** The same reading of twenty bytes over every way in: what goes over the network, counted where the bytes are bytes. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectPlain } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { StreamName } from '@portcullis/contract';
import { makeSeal } from '@portcullis/device/seal';
import { generate, type Packet } from 'mqtt-packet';
import { Flash, type SensorKeys } from '../examples/low-power-sensor/flash.ts';
import { cborFormat, measurementBytes } from '../examples/low-power-sensor/measurement.ts';
import { Radio } from '../examples/low-power-sensor/radio.ts';
import { messageOf, Sensor } from '../examples/low-power-sensor/sensor.ts';
import { messageTypes, writeDatagram } from '../packages/server/src/oscore/oscore.ts';

export interface Bytes {
  up: number;
  down: number;
}

const stream = StreamName.parse('telemetry');
export const reading = '{"celsius":-18.5,"power":87}';
const payload = measurementBytes({ celsius: -18.5, power: 87 });
const asReading = { stream, payload, contentFormat: cborFormat };

/** Without any protection: what no gate takes. */
export function plainCoap(): Bytes {
  const header = { type: messageTypes.confirmable, messageId: 1, token: randomBytes(2) };
  const up = writeDatagram({ ...header, ...messageOf(asReading) });
  const down = writeDatagram({ ...header, code: 0x44, options: [], payload: Buffer.alloc(0) });
  return { up: up.length, down: down.length };
}

/** The exchange that makes a context, and one reading after it. */
export async function oscore(port: number, keys: SensorKeys, file: string): Promise<{ first: Bytes; next: Bytes }> {
  const counted = { up: 0, down: 0 };
  const onDatagram = (direction: 'up' | 'down', bytes: Buffer) => {
    counted[direction] += bytes.length;
  };
  const radio = new Radio({ host: '127.0.0.1', port, onDatagram });
  const sensor = new Sensor({ flash: Flash.make(file, keys), radio });
  const sent = async (): Promise<Bytes> => {
    const before = { ...counted };
    const { code, text } = await sensor.send(asReading);
    if (code !== '2.04') throw new Error(`the gate answered ${code} ${text}`);
    return { up: counted.up - before.up, down: counted.down - before.down };
  };
  try {
    return { first: await sent(), next: await sent() };
  } finally {
    await radio.close();
  }
}

/** JSON over HTTP/1.1 and mTLS: a new connection with its first reading, and one more over it. In bytes of TCP's payload. */
export async function https(port: number, pem: string): Promise<{ first: Bytes; next: Bytes }> {
  const head = `POST /v1/streams/${stream}/readings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n`;
  const request = `${head}content-length: ${reading.length}\r\n\r\n${reading}`;
  const line = await counting(port, pem);
  const asked = async () => {
    line.socket.write(request);
    const [answer] = (await once(line.socket, 'data')) as [Buffer];
    if (!answer.toString('latin1').startsWith('HTTP/1.1 202')) throw new Error(answer.toString('latin1'));
  };
  await asked();
  const first = line.counted();
  await asked();
  const both = line.counted();
  line.socket.destroy();
  return { first, next: { up: both.up - first.up, down: both.down - first.down } };
}

/** JSON over MQTT 3.1.1 with QoS 1 and mTLS: a new connection with CONNECT and its first reading, and one more over it. */
export async function mqtt(port: number, pem: string): Promise<{ first: Bytes; next: Bytes }> {
  const line = await counting(port, pem);
  const said = async (packet: Packet) => {
    line.socket.write(generate(packet));
    await once(line.socket, 'data');
  };
  const publish = (messageId: number): Packet => {
    const flags = { qos: 1, dup: false, retain: false } as const;
    return { cmd: 'publish', topic: `streams/${stream}`, payload: reading, messageId, ...flags };
  };
  await said({ cmd: 'connect', clientId: 'truck-17', protocolVersion: 4, clean: true, keepalive: 60 });
  await said(publish(1));
  const first = line.counted();
  await said(publish(2));
  const both = line.counted();
  line.socket.destroy();
  return { first, next: { up: both.up - first.up, down: both.down - first.down } };
}

async function counting(port: number, pem: string): Promise<{ socket: TLSSocket; counted(): Bytes }> {
  const file = (name: string) => readFileSync(`${pem}/${name}`);
  const tcp = connectPlain(port, '127.0.0.1');
  const identity = { key: file('key.pem'), cert: file('cert.pem'), ca: file('root.pem') };
  const socket = connect({ socket: tcp, servername: 'localhost', ...identity, minVersion: 'TLSv1.3' });
  await once(socket, 'secureConnect');
  return { socket, counted: () => ({ up: tcp.bytesWritten, down: tcp.bytesRead }) };
}

/** A seal alone, as a gateway gets it from its device. */
export function sealed(form: 'jws' | 'cose'): number {
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signer = { key, certificate: randomBytes(400) };
  const members = { stream, run: '0', seq: 1, time: Date.parse('2026-11-28T12:00:00Z') };
  return makeSeal(form, signer, { ...members, payload: Buffer.from(reading) }).length;
}
