/** What clients of MQTT that are not ours do at a real house: Debian's mosquitto_pub, mosquitto_sub and Mosquitto as a bridge, and mqtt.js (FINDINGS F6–F11). */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { connect, type ErrorWithReasonCode, type IClientOptions, type MqttClient } from 'mqtt';
import { eventually, House, type Pem } from '../../packages/server/test/house.ts';
import { Operator } from '../../packages/server/test/operator.ts';
import { freeBasePort } from '../../tools/commands.ts';
import { patienceMs } from '../patience.ts';
import { skippedWithout } from './house.ts';

const isThere = (program: string) => spawnSync(program, ['-h']).error === undefined;
const skip = skippedWithout(
  isThere('mosquitto_pub') && isThere('/usr/sbin/mosquitto'),
  'mosquitto and mosquitto-clients',
);
/** How long a device that is let in again may stay away: the longest delay of the gate, and the clients' own second. */
const backMs = 35_000;

let house: House;
let operator: Operator;
before(async () => {
  if (skip) return;
  house = await House.open((made) =>
    made.configure(
      'gate.yaml',
      (text) => `${text}  cold:\n    expect: { status: active }\n    when: 'reading.value < 60.0'\n`,
    ),
  );
  operator = new Operator(house.fleet);
});
after(async () => {
  operator?.close();
  await house?.close();
});

type Version = '5' | '311';
type Files = Pem & { directory: string; subject: string };

async function device(subject: string): Promise<Files> {
  return { subject, ...(await house.pem(await house.device(subject, { status: 'active' }))) };
}

const wordsFor = ({ directory }: Files, version: Version) => [
  ...['-V', `mqttv${version}`, '-h', 'localhost', '-p', String(house.basePort + 4)],
  ...[
    '--cafile',
    join(directory, 'root.pem'),
    '--cert',
    join(directory, 'cert.pem'),
    '--key',
    join(directory, 'key.pem'),
  ],
];

interface Ended {
  status: number;
  said: string;
}

function publish(files: Files, version: Version, ...words: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { timeout: patienceMs, killSignal: 'SIGKILL' } as const;
    execFile('mosquitto_pub', [...wordsFor(files, version), ...words], options, (error, out, said) =>
      resolve({ status: error ? Number(error.code) : 0, said: `${out}${said}` }),
    );
  });
}

const valuesOf = async ({ subject }: Files, stream = 'telemetry') => {
  const readings = await operator.readings(house.gateUrl, subject);
  return readings.filter((one) => one.stream === stream).map(({ data }) => (data as { value: number }).value);
};

/** Its lines as they come. */
class Subscriber {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;

  constructor(files: Files, version: Version) {
    const topic = `devices/${files.subject}/notices`;
    const words = ['-oL', 'mosquitto_sub', ...wordsFor(files, version), '-t', topic, '-q', '0', '-d', '-v'];
    this.#child = spawn('stdbuf', words, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream) createInterface(stream).on('line', (line) => this.lines.push(line));
    }
  }

  count(pattern: RegExp): number {
    return this.lines.filter((line) => pattern.test(line)).length;
  }

  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  async subscribed(times = 1, limitMs = patienceMs): Promise<void> {
    await within(
      limitMs,
      () => this.count(/received SUBACK/) >= times,
      `mosquitto_sub subscribed: ${this.lines.join('\n')}`,
    );
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}

async function within(limitMs: number, holds: () => boolean, what: string): Promise<void> {
  const start = performance.now();
  await eventually(async () => holds() || performance.now() - start > limitMs, what);
  assert.ok(holds(), `within ${limitMs} ms: ${what}`);
}

function mqttJs({ key, cert, ca, subject }: Files, more: IClientOptions = {}): MqttClient {
  return connect(house.mqttUrl, { key, cert, ca, clientId: subject, protocolVersion: 5, ...more });
}

const messageOf = (value: number) => JSON.stringify({ value });

test('mosquitto_pub stores readings with QoS 0 and 1, over 3.1.1 and 5; a repeat by its id is stored once', {
  skip,
}, async () => {
  const truck = await device('truck-pub');
  const wanted: number[] = [];
  for (const version of ['5', '311'] as const) {
    for (const qos of ['0', '1']) {
      const value = wanted.push(wanted.length);
      const message = ['-q', qos, '-t', `streams/telemetry/${version}-${qos}`, '-m', messageOf(value)];
      for (const _time of [1, 2]) assert.deepEqual(await publish(truck, version, ...message), { status: 0, said: '' });
    }
  }
  await eventually(async () => (await valuesOf(truck)).length === 4, 'all are stored');
  assert.deepEqual((await valuesOf(truck)).toSorted(), [1, 2, 3, 4]);
});

test('mosquitto_pub ends with 0 where a reading is refused, over 3.1.1 without a word; the gate keeps it as refused', {
  skip,
}, async () => {
  const truck = await device('truck-hot');
  const hot = (id: string) => ['-q', '1', '-t', `streams/cold/${id}`, '-m', messageOf(99)];
  const told = await publish(truck, '5', ...hot('a'));
  assert.equal(told.status, 0);
  assert.match(told.said, /Publish 1 failed/);
  assert.deepEqual(await publish(truck, '311', ...hot('b')), { status: 0, said: '' });
  assert.deepEqual(await valuesOf(truck, 'cold'), []);
  const kept = await house.json<{ subject: string; reason: string }>('readings', '--refused', '--subject', 'truck-hot');
  assert.deepEqual(
    kept.map(({ reason }) => reason),
    ['condition_not_met', 'condition_not_met'],
  );
});

test('F6: a device that is cut for good is told so at CONNECT, and mosquitto_pub ends with that code', {
  skip,
}, async () => {
  const truck = await device('truck-gone');
  await house.change('certificate', 'revoke', 'truck-gone', '--reason', 'stolen');
  const message = ['-q', '1', '-t', 'streams/telemetry', '-m', messageOf(1)];
  assert.equal((await publish(truck, '5', ...message)).status, 135);
  assert.equal((await publish(truck, '311', ...message)).status, 5);
  assert.deepEqual(await valuesOf(truck), []);
});

test('a suspended device is told nothing and comes back: mosquitto_sub and mqtt.js within 35 s of resume, and what waited is stored', {
  skip,
}, async () => {
  const truck = await device('truck-back');
  const subscribers = [new Subscriber(truck, '5'), new Subscriber(truck, '311')];
  const client = mqttJs(truck, { clientId: 'js', reconnectPeriod: 1_000 });
  const seen = { connects: 0, closes: 0, errors: [] as Error[] };
  client.on('connect', () => seen.connects++);
  client.on('close', () => seen.closes++);
  client.on('error', (error) => seen.errors.push(error));
  try {
    for (const subscriber of subscribers) await subscriber.subscribed();
    await client.publishAsync('streams/telemetry/before', messageOf(1), { qos: 1 });
    const receipt = await house.change('certificate', 'suspend', 'truck-back', '--reason', 'looked for');
    assert.equal(receipt.confirmed, true);
    await eventually(async () => seen.closes > 0 && !client.connected, 'mqtt.js is cut');
    const waiting = client.publishAsync('streams/telemetry/meanwhile', messageOf(2), { qos: 1 });
    for (const subscriber of subscribers) {
      await eventually(
        async () => subscriber.count(/sending CONNECT/) >= 3,
        'mosquitto_sub came again and was not let in',
      );
      assert.equal(subscriber.count(/received CONNACK/), 1);
    }
    assert.deepEqual([seen.connects, await valuesOf(truck)], [1, [1]]);
    await house.change('certificate', 'resume', 'truck-back', '--reason', 'found');
    const [resumed, before] = [performance.now(), seen.connects];
    await within(backMs, () => seen.connects > before, 'mqtt.js is back');
    for (const subscriber of subscribers) await subscriber.subscribed(2, backMs - (performance.now() - resumed));
    await waiting;
    assert.deepEqual((await valuesOf(truck)).toSorted(), [1, 2]);
    assert.deepEqual(seen.errors, []);
    assert.deepEqual(
      subscribers.map(({ exitCode }) => exitCode),
      [null, null],
    );
  } finally {
    client.end(true);
    for (const subscriber of subscribers) await subscriber.stop();
  }
});

test('F10: mqtt.js is told why a reading was refused, and what is published next goes through', { skip }, async () => {
  const truck = await device('truck-js');
  const client = mqttJs(truck);
  try {
    await assert.rejects(client.publishAsync('streams/cold/a', messageOf(99), { qos: 1 }), (error) => {
      assert.equal((error as ErrorWithReasonCode).code, 0x83);
      return true;
    });
    await client.publishAsync('streams/cold/b', messageOf(1), { qos: 1 });
    const lines = [2, 3].map(messageOf).join('\n');
    const properties = { contentType: 'application/x-ndjson' };
    await client.publishAsync('streams/cold', lines, { qos: 1, properties });
    assert.deepEqual(await valuesOf(truck, 'cold'), [1, 2, 3]);
  } finally {
    client.end(true);
  }
});

test('notices: a connection hears which of its readings was refused, and of no other device anything', {
  skip,
}, async () => {
  const truck = await device('truck-ear');
  const client = mqttJs(truck);
  const heard: { notice: string; id: string; told: string }[] = [];
  client.on('message', (_topic, payload) => heard.push(JSON.parse(String(payload)) as never));
  try {
    const [foreign] = await client.subscribeAsync('devices/truck-other/notices', { qos: 0 }).catch(() => []);
    assert.notEqual(foreign?.qos, 0, 'the notices of another are not granted');
    await client.subscribeAsync('devices/truck-ear/notices', { qos: 0 });
    await publish(await device('truck-other'), '311', '-q', '1', '-t', 'streams/cold/x', '-m', messageOf(99));
    await assert.rejects(client.publishAsync('streams/cold/mine', messageOf(99), { qos: 1 }));
    await eventually(() => heard.length > 0, 'a notice comes');
    assert.deepEqual(
      heard.map(({ notice, id, told }) => [notice, id, told.split(':')[0]]),
      [['refused', 'mine', 'condition_not_met']],
    );
  } finally {
    client.end(true);
  }
});

/** As the page has it, with the paths and ports of here. */
function bridgeConfiguration(files: Files, port: number): string {
  const page = readFileSync(join(import.meta.dirname, '../../docs/start-mqtt.md'), 'utf8');
  const [, block = ''] = /```\n(listener [\s\S]+?)```/.exec(page) ?? [];
  // Started by root it becomes a user that can not read what the test wrote.
  const asRoot = process.getuid?.() === 0 ? 'user root\n' : '';
  return (asRoot + block)
    .replaceAll('listener 1883 127.0.0.1', `listener ${port} 127.0.0.1`)
    .replaceAll('gate.example:8883', `localhost:${house.basePort + 4}`)
    .replaceAll('/etc/mosquitto/portcullis', files.directory)
    .replaceAll('/var/lib/mosquitto/', `${files.directory}/`);
}

test('a Mosquitto behind the gate bridges what its own clients publish; cut it keeps that, and brings it when it is let in again', {
  skip,
}, async () => {
  const box = await device('box-1');
  const port = await freeBasePort();
  const file = join(box.directory, 'mosquitto.conf');
  writeFileSync(file, bridgeConfiguration(box, port));
  const broker = spawn('/usr/sbin/mosquitto', ['-c', file], { stdio: 'ignore' });
  const local = (value: number) => {
    const where = ['-h', '127.0.0.1', '-p', String(port), '-q', '1', '-t', 'telemetry', '-m', messageOf(value)];
    return spawnSync('mosquitto_pub', where).status;
  };
  try {
    await eventually(async () => local(1) === 0, 'Mosquitto takes readings of its own clients');
    await eventually(async () => (await valuesOf(box)).includes(1), 'the first one is bridged');
    await house.change('attribute', 'set', 'box-1', 'status=inactive', '--reason', 'moved');
    assert.equal(local(2), 0);
    await house.change('attribute', 'set', 'box-1', 'status=active', '--reason', 'back');
    await eventually(async () => (await valuesOf(box)).includes(2), 'what waited is bridged');
    assert.deepEqual(
      (await valuesOf(box)).filter((value) => value > 1),
      [2],
    );
  } finally {
    broker.kill('SIGKILL');
    await once(broker, 'exit');
  }
});
