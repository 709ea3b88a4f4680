/** MQTT over real TLS: what is admitted is durable before it is acknowledged, and a cut is a cut. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { IPubackPacket } from 'mqtt-packet';
import type { Delta } from '../../../../test/fed-replica.ts';
import { MqttClient } from '../../../../test/mqtt-client.ts';
import { OpenFront, sinkWith, until } from '../../../../test/open-front.ts';
import type { RefusedReading, Sink } from '../../../storage/sink.ts';

const placeOf = (gate: OpenFront) => ({ port: gate.mqttPort, ca: gate.certificates.rootPem });

for (const version of [4, 5] as const) {
  test(`P8: MQTT ${version}: a publish with QoS 1 is acknowledged when it is stored`, async (context) => {
    const gate = await OpenFront.open(context);
    const client = await MqttClient.connected(placeOf(gate), await gate.device('truck-17'), version);
    client.publish('streams/telemetry/r-1', '{"temperature":4.5}', { messageId: 7 });
    const { messageId } = await client.hears('puback');
    assert.equal(messageId, 7);
    assert.deepEqual(await gate.stored(), [{ temperature: 4.5 }]);
  });
}

test('P8: the id in the topic is the reading’s: a repeat is stored once, with or without DUP', async (context) => {
  const gate = await OpenFront.open(context);
  const client = await MqttClient.connected(placeOf(gate), await gate.device('truck-17'));
  for (const [index, dup] of [false, true, false].entries()) {
    client.publish('streams/telemetry/r-1', '{"n":1}', { messageId: index + 1, dup });
  }
  await until(() => client.heard.filter(({ cmd }) => cmd === 'puback').length === 3, 'all are acknowledged');
  assert.deepEqual(
    client.heard.slice(1).map((packet) => packet.messageId),
    [1, 2, 3],
  );
  assert.equal((await gate.stored()).length, 1);
});

test('QoS 0 is judged and stored as any other', async (context) => {
  const gate = await OpenFront.open(context);
  const client = await MqttClient.connected(placeOf(gate), await gate.device('truck-17'), 4);
  client.publish('streams/telemetry', '{"n":1}', { qos: 0 });
  await until(async () => (await gate.stored()).length === 1, 'it is stored');
});

test('a batch is NDJSON with the content type of MQTT 5', async (context) => {
  const gate = await OpenFront.open(context);
  const client = await MqttClient.connected(placeOf(gate), await gate.device('truck-17'));
  client.publish('streams/telemetry', '{"n":1}\n{"n":2}\n', { properties: { contentType: 'application/x-ndjson' } });
  await client.hears('puback');
  assert.deepEqual(await gate.stored(), [{ n: 1 }, { n: 2 }]);
});

test('P6: a revocation ends the open connection, told; and is told at the next CONNECT', async (context) => {
  const gate = await OpenFront.open(context);
  const leaf = await gate.device('truck-17');
  const client = await MqttClient.connected(placeOf(gate), leaf);
  gate.change({ subject: 'truck-17', certificates: [{ ...leaf, standing: 'revoked' }] });
  const { reasonCode, properties } = await client.hears('disconnect');
  assert.equal(reasonCode, 0x98);
  assert.match(properties?.reasonString ?? '', /^not_admitted/);
  await client.ends();
  const again = await MqttClient.open(placeOf(gate), leaf);
  again.connect();
  const refused = await again.hears('connack');
  assert.equal(refused.reasonCode, 0x87);
  await again.ends();
  const old = await MqttClient.open(placeOf(gate), leaf, 4);
  old.connect();
  assert.equal((await old.hears('connack')).returnCode, 5);
  await old.ends();
  assert.equal(gate.connections.closed, 1);
});

test('P6: an attribute that changes ends the open connection without a word; changed back, the same CONNECT gets in', async (context) => {
  const gate = await OpenFront.open(context);
  const leaf = await gate.device('truck-17');
  const client = await MqttClient.connected(placeOf(gate), leaf);
  gate.change({ subject: 'truck-17', attributes: { status: { value: 'stopped' } } });
  await client.ends();
  assert.deepEqual(
    client.heard.map(({ cmd }) => cmd),
    ['connack'],
  );
  const again = await MqttClient.open(placeOf(gate), leaf);
  again.connect();
  await until(() => gate.verdicts.refusals.get('attribute_not_expected') === 1, 'its CONNECT is judged');
  gate.change({ subject: 'truck-17', attributes: { status: { value: 'active' } } });
  assert.equal((await again.hears('connack')).reasonCode, 0);
});

test('P8: a gate that stops acknowledges what it is committing, and says nothing else', async (context) => {
  const held: (() => void)[] = [];
  const writing = (real: Sink): Sink['write'] => {
    return async (write) => {
      await new Promise<void>((resolve) => held.push(resolve));
      return real.write(write);
    };
  };
  const gate = await OpenFront.open(context, { sink: (real) => sinkWith(real, { write: writing(real) }) });
  const client = await MqttClient.connected(placeOf(gate), await gate.device('truck-17'));
  client.publish('streams/telemetry/r-1', '{"n":1}', { messageId: 9 });
  await until(() => held.length === 1, 'it is being committed');
  const closed = gate.listeners.close();
  held[0]?.();
  await client.ends();
  await closed;
  assert.deepEqual(
    client.heard.map(({ cmd }) => cmd),
    ['connack', 'puback'],
  );
});

test('a connection that is cut without a word is closed as TLS closes one: some clients come back from nothing else', async (context) => {
  const gate = await OpenFront.open(context);
  const leaf = await gate.device('truck-17');
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-mqtt-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const files = { 'key.pem': leaf.key, 'cert.pem': leaf.cert, 'root.pem': gate.certificates.rootPem };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text, { mode: 0o600 });
  const words = `s_client -connect 127.0.0.1:${gate.mqttPort} -CAfile root.pem -cert cert.pem -key key.pem -quiet`;
  const client = spawn('openssl', words.split(' '), { cwd: directory, stdio: ['pipe', 'pipe', 'pipe'] });
  let told = '';
  client.stderr.setEncoding('utf8').on('data', (piece: string) => {
    told += piece;
  });
  const heard = once(client.stdout, 'data');
  client.stdin.write(Buffer.from('101300044d5154540402003c0007747275636b2d31', 'hex'));
  await heard;
  gate.change({ subject: 'truck-17', attributes: { status: { value: 'stopped' } } });
  await once(client, 'close');
  assert.doesNotMatch(told, /unexpected eof/);
});

const kept = async (gate: OpenFront) => (await gate.sink.refused({ limit: 100 })).items;

for (const version of [4, 5] as const) {
  test(`P8: MQTT ${version}: what will never be stored is kept as refused, and then acknowledged with why`, async (context) => {
    const gate = await OpenFront.open(context);
    const client = await MqttClient.connected(placeOf(gate), await gate.device('truck-17'), version);
    client.publish('streams/telemetry/r-1', '[1]', { messageId: 3 });
    const { messageId, reasonCode, properties } = await client.hears('puback');
    assert.equal(messageId, 3);
    if (version === 5) {
      assert.equal(reasonCode, 0x99);
      assert.match(properties?.reasonString ?? '', /^reading_malformed: .*must be a JSON object/);
      assert.deepEqual({ ...properties?.userProperties }, { reason: 'reading_malformed' });
    }
    const [row] = await kept(gate);
    assert.deepEqual(
      [row?.subject, row?.topic, row?.stream, row?.id, row?.reason, row?.payload],
      ['truck-17', 'streams/telemetry/r-1', 'telemetry', 'r-1', 'reading_malformed', '[1]'],
    );
    assert.deepEqual(await gate.stored(), []);
    client.publish('streams/telemetry/r-2', '{"n":1}', { messageId: 4 });
    await until(() => client.heard.length === 3, 'the connection goes on');
  });
}

test('a stream that does not admit its device while another one does, and a topic that is none: kept and acknowledged', async (context) => {
  const streams = {
    telemetry: { kinds: ['device' as const], expect: { status: 'active' } },
    doors: { kinds: ['device' as const], expect: { guard: true } },
  };
  const gate = await OpenFront.open(context, { streams });
  const client = await MqttClient.connected(placeOf(gate), await gate.device('truck-17'));
  const rows: [topic: string, payload: string, code: number, reason: string][] = [
    ['streams/doors', '{}', 0x87, 'attribute_missing'],
    ['streams/nowhere', '{}', 0x90, 'stream_unknown'],
    ['elsewhere', '{}', 0x90, 'stream_unknown'],
    ['streams/telemetry/a/b', '{}', 0x90, 'stream_unknown'],
    ['streams/telemetry/a', '{"_id":"b"}', 0x99, 'reserved_member_misused'],
    ['streams/telemetry', '{"_what":1}', 0x99, 'reserved_member_misused'],
    ['streams/telemetry', `{"text":"${'x'.repeat(70_000)}"}`, 0x97, 'reading_too_large'],
  ];
  for (const [index, [topic, payload]] of rows.entries()) client.publish(topic, payload, { messageId: index + 1 });
  await until(() => client.heard.length === rows.length + 1, 'each is acknowledged');
  const told = client.heard.slice(1).map((packet) => {
    const { messageId, reasonCode, properties } = packet as IPubackPacket;
    return [messageId, reasonCode, properties?.userProperties?.reason];
  });
  assert.deepEqual(
    told,
    rows.map(([, , code, reason], index) => [index + 1, code, reason]),
  );
  assert.deepEqual(
    (await kept(gate)).map(({ reason }) => reason),
    rows.map(([, , , reason]) => reason),
  );
});

test('P8: a repeat of what is kept as refused is kept once', async (context) => {
  const gate = await OpenFront.open(context);
  const client = await MqttClient.connected(placeOf(gate), await gate.device('truck-17'));
  for (const messageId of [1, 2, 3]) client.publish('streams/telemetry/r-1', 'no', { messageId });
  await until(() => client.heard.length === 4, 'each is acknowledged');
  assert.equal((await kept(gate)).length, 1);
});

test('P5: without a lease nothing is acknowledged, and the connection closes without a word', async (context) => {
  const gate = await OpenFront.open(context);
  const client = await MqttClient.connected(placeOf(gate), await gate.device('truck-17'));
  gate.lease.end();
  client.publish('streams/telemetry/r-1', '{"n":1}');
  await client.ends();
  assert.deepEqual(
    client.heard.map(({ cmd }) => cmd),
    ['connack'],
  );
  assert.deepEqual([await kept(gate), await gate.stored()], [[], []]);
});

test('P8: a refused reading that can not be kept is not acknowledged', async (context) => {
  const keepRefused = () => Promise.reject(new Error('no disk'));
  const gate = await OpenFront.open(context, { sink: (real) => sinkWith(real, { keepRefused }) });
  const client = await MqttClient.connected(placeOf(gate), await gate.device('truck-17'));
  client.publish('streams/telemetry/r-1', 'no');
  await client.ends();
  assert.deepEqual(
    client.heard.map(({ cmd }) => cmd),
    ['connack'],
  );
});

/** A gate that refused one reading, whose keeping does not end before `letGo`. */
async function keepingSlowly(context: TestContext, version: 4 | 5, delta: Partial<Delta>, payload: string) {
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  let begun = false;
  const keepIn = (real: Sink) => async (rows: RefusedReading[]) => {
    begun = true;
    await held;
    await real.keepRefused(rows);
  };
  const streams = {
    telemetry: { kinds: ['device' as const], expect: { status: 'active' } },
    doors: { kinds: ['device' as const], expect: {} },
  };
  const sink = (real: Sink) => sinkWith(real, { keepRefused: keepIn(real) });
  const gate = await OpenFront.open(context, { streams, sink });
  const leaf = await gate.device('truck-17', delta);
  const client = await MqttClient.connected(placeOf(gate), leaf, version);
  client.publish('streams/telemetry/r-1', payload);
  await until(() => begun, 'it is being kept');
  return { gate, leaf, client, letGo };
}

for (const version of [4, 5] as const) {
  test(`P7: MQTT ${version}: what is kept as refused is acknowledged to nobody who was cut meanwhile`, async (context) => {
    const { gate, leaf, client, letGo } = await keepingSlowly(context, version, {}, 'no');
    gate.change({ subject: 'truck-17', certificates: [{ ...leaf, standing: 'revoked' }] });
    letGo();
    await client.ends();
    const heard = client.heard.map(({ cmd }) => cmd);
    assert.deepEqual(heard, version === 5 ? ['connack', 'disconnect'] : ['connack']);
    assert.equal((await kept(gate)).length, 1);
  });

  test(`P8: MQTT ${version}: what was refused while its stream did not admit the device is not acknowledged once it does`, async (context) => {
    const off = { attributes: { status: { value: 'off' } } };
    const { gate, leaf, client, letGo } = await keepingSlowly(context, version, off, '{"n":1}');
    gate.change({ subject: 'truck-17', attributes: { status: { value: 'active' } } });
    letGo();
    await client.ends();
    assert.deepEqual(
      client.heard.map(({ cmd }) => cmd),
      ['connack'],
    );
    const again = await MqttClient.connected(placeOf(gate), leaf, version);
    again.publish('streams/telemetry/r-1', '{"n":1}');
    await again.hears('puback');
    assert.deepEqual(await gate.stored(), [{ n: 1 }]);
  });
}
