/** P13: bytes that no client may send: the code that the standard names, the connection closed, nothing held. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { IConnackPacket, IDisconnectPacket } from 'mqtt-packet';
import type { Leaf } from '../../../../test/fleet-certificates.ts';
import { MqttClient } from '../../../../test/mqtt-client.ts';
import { OpenFront, sinkWith, until } from '../../../../test/open-front.ts';
import type { Sink } from '../../../storage/sink.ts';

interface Scene {
  gate: OpenFront;
  leaf: Leaf;
  place: { port: number; ca: string };
}

async function sceneOf(context: TestContext, limits: Parameters<typeof OpenFront.open>[1] = {}): Promise<Scene> {
  const gate = await OpenFront.open(context, limits);
  const leaf = await gate.device('truck-17');
  return { gate, leaf, place: { port: gate.mqttPort, ca: gate.certificates.rootPem } };
}

const hex = (bytes: Buffer) => bytes.toString('hex');
const text = (words: string | Buffer) => {
  const bytes = Buffer.from(words as string);
  return hex(Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]));
};
/** With its length, which is below 128. */
const packet = (first: string, body: string) => {
  const bytes = Buffer.from(body.replaceAll(' ', ''), 'hex');
  assert.ok(bytes.length < 128);
  return `${first} ${hex(Buffer.from([bytes.length]))} ${hex(bytes)}`;
};
const properties = (body: string) => {
  const bytes = Buffer.from(body.replaceAll(' ', ''), 'hex');
  return `${hex(Buffer.from([bytes.length]))}${hex(bytes)}`;
};
const connect5 = (flags: string, props: string, rest: string) =>
  packet('10', `${text('MQTT')} 05 ${flags} 003c ${props} ${rest}`);
const connect4 = (flags: string, rest: string) => packet('10', `${text('MQTT')} 04 ${flags} 003c ${rest}`);

/** `told`: the code of CONNACK; none: closed without a word. */
const beforeConnect: [what: string, bytes: string, told?: number][] = [
  ['a PUBLISH first', packet('30', `${text('a')} 7b7d`)],
  ['a PINGREQ first', 'c000'],
  ['bytes of HTTP', hex(Buffer.from('GET / HTTP/1.1\r\n\r\n'))],
  ['flags in the fixed header of CONNECT', `11${connect5('02', '00', text('a')).slice(2)}`],
  ['a CONNECT of 256 MB', '10 ff ff ff 7f 00 04 4d 51'],
  ['a CONNECT of 65 537 bytes', '10 81 80 04 00 04 4d 51'],
  ['a length of five bytes', '10 ff ff ff ff 01'],
  ['another protocol', packet('10', `${text('HTTP')} 05 02 003c 00 ${text('a')}`)],
  ['MQTT 3.1', packet('10', `${text('MQIsdp')} 03 02 003c ${text('a')}`), 1],
  ['protocol level 3 of MQTT', packet('10', `${text('MQTT')} 03 02 003c ${text('a')}`), 1],
  ['protocol level 6', packet('10', `${text('MQTT')} 06 02 003c 00 ${text('a')}`), 0x84],
  ['a bridge of other brokers', packet('10', `${text('MQTT')} 84 02 003c ${text('a')}`), 0x84],
  ['3.1.1: the reserved flag', connect4('03', text('a'))],
  ['3.1.1: a password without a user name', connect4('42', `${text('a')}${text('p')}`)],
  ['3.1.1: bytes left over', connect4('02', `${text('a')} 00`)],
  ['3.1.1: a client identifier that is not UTF-8', connect4('02', text(Buffer.from([0xc3, 0x28])))],
  ['3.1.1: no client identifier and a session to keep', connect4('00', text('')), 2],
  ['the reserved flag', connect5('03', '00', text('a')), 0x81],
  ['a will of QoS 3', connect5('1e', '00', `${text('a')} 00 ${text('t')} ${text('w')}`), 0x81],
  ['flags of a will without one', connect5('22', '00', text('a')), 0x81],
  ['a will of QoS 2', connect5('16', '00', `${text('a')} 00 ${text('t')} ${text('w')}`), 0x9b],
  ['a will to be retained', connect5('26', '00', `${text('a')} 00 ${text('t')} ${text('w')}`), 0x9a],
  ["a wildcard in the will's topic", connect5('06', '00', `${text('a')} 00 ${text('t/#')} ${text('w')}`), 0x90],
  ['a client identifier that is not UTF-8', connect5('02', '00', text(Buffer.from([0xff]))), 0x81],
  ['half a surrogate pair', connect5('02', '00', text(Buffer.from([0xed, 0xa0, 0x80]))), 0x81],
  ['U+0000 in a client identifier', connect5('02', '00', text('a\u0000')), 0x81],
  ['a client identifier that ends behind its packet', connect5('02', '00', '00ff 61'), 0x81],
  ['an unknown property', connect5('02', properties('7f 00'), text('a')), 0x81],
  ['a property of PUBLISH', connect5('02', properties('23 0001'), text('a')), 0x81],
  ['a property twice', connect5('02', properties('11 00000001 11 00000001'), text('a')), 0x82],
  ['Receive Maximum 0', connect5('02', properties('21 0000'), text('a')), 0x82],
  ['Maximum Packet Size 0', connect5('02', properties('27 00000000'), text('a')), 0x82],
  ['Request Problem Information 2', connect5('02', properties('17 02'), text('a')), 0x82],
  ['properties longer than the packet', connect5('02', '7f', text('a')), 0x81],
  ['a property longer than the properties', connect5('02', '03 11 0000', text('aaaaaaaa')), 0x81],
  ['an authentication method', connect5('02', properties(`15 ${text('SCRAM')}`), text('a')), 0x8c],
  ['authentication data without a method', connect5('02', properties(`16 ${text('x')}`), text('a')), 0x82],
  ['bytes left over', connect5('02', '00', `${text('a')} 00`), 0x81],
];

test('before it is admitted', async (context) => {
  const { gate, leaf, place } = await sceneOf(context);
  for (const [what, bytes, told] of beforeConnect) {
    await context.test(what, async () => {
      const version = told !== undefined && told < 0x80 ? 4 : 5;
      const client = await MqttClient.open(place, leaf, version);
      client.write(bytes);
      await client.ends();
      const [connack, ...more] = client.heard as IConnackPacket[];
      assert.deepEqual(more, []);
      assert.equal(version === 4 ? connack?.returnCode : connack?.reasonCode, told);
      if (version === 5 && connack) assert.ok(connack.properties?.reasonString, 'in words too');
    });
  }
  assert.equal(gate.intake.bytes, 0);
  await until(() => gate.connections.size === 0, 'nothing is held');
});

const publish = (first: string, topic: string, rest: string) => packet(first, `${topic} ${rest}`);
const t = text('streams/telemetry');
/** `told`: the code of DISCONNECT. */
const afterConnect: [what: string, bytes: string, told: number][] = [
  ['a second CONNECT', connect5('02', '00', text('a')), 0x82],
  ['AUTH', 'f0 00', 0x82],
  ['a packet of a server', '20 03 00 00 00', 0x82],
  ['packet type 0', '00 00', 0x82],
  ['QoS 3', publish('36', t, '0001 00 7b7d'), 0x81],
  ['DUP with QoS 0', publish('38', t, '00 7b7d'), 0x81],
  ['QoS 2', publish('34', t, '0001 00 7b7d'), 0x9b],
  ['packet identifier 0', publish('32', t, '0000 00 7b7d'), 0x82],
  ['a wildcard in the topic', publish('30', text('streams/+'), '00 7b7d'), 0x90],
  ['a topic that is not UTF-8', publish('30', text(Buffer.from([0xc3, 0x28])), '00 7b7d'), 0x81],
  ['U+0000 in the topic', publish('30', text('a\u0000b'), '00 7b7d'), 0x81],
  ['no topic', publish('30', text(''), '00 7b7d'), 0x82],
  ['a topic alias', publish('30', t, `${properties('23 0001')} 7b7d`), 0x94],
  ['topic alias 0', publish('30', t, `${properties('23 0000')} 7b7d`), 0x94],
  ['a subscription identifier in a PUBLISH', publish('30', t, `${properties('0b 01')} 7b7d`), 0x82],
  ['a payload format of 2', publish('30', t, `${properties('01 02')} 7b7d`), 0x82],
  ['the content type twice', publish('30', t, `${properties(`03${text('a')}03${text('a')}`)} 7b7d`), 0x82],
  ['properties longer than the packet', publish('30', t, '7f 7b7d'), 0x81],
  ['properties that end within one', publish('30', t, '02 0200 7b7d'), 0x81],
  ['a length of properties with a byte too many', publish('30', t, '8000 7b7d'), 0x81],
  ['a PUBLISH of 256 MB', '30 ff ff ff 7f 0001 61', 0x95],
  ['a SUBSCRIBE of 70 000 bytes', '82 f0 a2 04 0001', 0x95],
  ['a length of five bytes', '30 ff ff ff ff 01', 0x81],
  ['a length with a byte too many', 'c0 80 00', 0x81],
  ['a PINGREQ with flags', 'c1 00', 0x81],
  ['a PINGREQ with a body', 'c0 01 00', 0x81],
  ['a SUBSCRIBE without its flags', packet('80', `0001 00 ${t} 00`), 0x81],
  ['a SUBSCRIBE without a filter', packet('82', '0001 00'), 0x82],
  ['a SUBSCRIBE without options', packet('82', `0001 00 ${t}`), 0x81],
  ['an empty filter', packet('82', `0001 00 ${text('')} 00`), 0x81],
  ['reserved options', packet('82', `0001 00 ${t} 40`), 0x81],
  ['a subscription with QoS 3', packet('82', `0001 00 ${t} 03`), 0x81],
  ['retain handling 3', packet('82', `0001 00 ${t} 30`), 0x82],
  ['33 filters', `82 8701 0001 00 ${`${text('a')} 00`.repeat(33)}`, 0x97],
  ['subscription identifier 0', packet('82', `0001 ${properties('0b 00')} ${t} 00`), 0x82],
  ['an UNSUBSCRIBE without a filter', packet('a2', '0001 00'), 0x82],
  ['an acknowledgement of nothing', packet('40', '0001'), 0x82],
  ['a PUBREL without its flags', packet('60', '0001'), 0x81],
  ['a PUBREL with identifier 0', packet('62', '0000'), 0x82],
  ['a DISCONNECT with an unknown reason', packet('e0', '1a 00'), 0x81],
  ['a DISCONNECT with bytes left over', packet('e0', '00 00 00'), 0x81],
];

for (const version of [4, 5] as const) {
  test(`after it is admitted, MQTT ${version}`, async (context) => {
    const { gate, leaf, place } = await sceneOf(context);
    const other = await MqttClient.connected(place, await gate.device('truck-18'), version);
    for (const [what, bytes, told] of version === 5 ? afterConnect : in4(afterConnect)) {
      await context.test(what, async () => {
        const client = await MqttClient.connected(place, leaf, version);
        client.write(bytes);
        await client.ends();
        const [, disconnect, ...more] = client.heard as IDisconnectPacket[];
        assert.deepEqual(more, []);
        assert.equal(disconnect?.reasonCode, version === 5 ? told : undefined);
        if (version === 5) assert.ok(disconnect?.properties?.reasonString, 'in words too');
      });
    }
    assert.equal(gate.intake.bytes, 0);
    assert.deepEqual(await gate.stored(), []);
    other.publish('streams/telemetry', '{"n":1}');
    await other.hears('puback');
    await until(() => gate.connections.size === 1, 'nothing else is held');
  });
}

/** Those that have no properties in them, in the form of 3.1.1. */
function in4(rows: typeof afterConnect): typeof afterConnect {
  const same = ['a second CONNECT', 'AUTH', 'a packet of a server', 'packet type 0', 'a PINGREQ with flags'];
  const [alike, rest] = [rows.filter(([what]) => same.includes(what)), 0x82];
  return [
    ...alike,
    ['QoS 3', publish('36', t, '0001 7b7d'), rest],
    ['DUP with QoS 0', publish('38', t, '7b7d'), rest],
    ['QoS 2', publish('34', t, '0001 7b7d'), rest],
    ['packet identifier 0', publish('32', t, '0000 7b7d'), rest],
    ['a wildcard in the topic', publish('30', text('streams/#'), '7b7d'), rest],
    ['no topic', publish('30', text(''), '7b7d'), rest],
    ['a PUBLISH of 256 MB', '30 ff ff ff 7f 0001 61', rest],
    ['reserved options', packet('82', `0001 ${t} 04`), rest],
    ['a SUBSCRIBE without a filter', packet('82', '0001'), rest],
    ['an UNSUBSCRIBE without a filter', packet('a2', '0001'), rest],
    ['a DISCONNECT with a body', packet('e0', '00'), rest],
  ];
}

test('P13: who says nothing after the handshake, or CONNECT byte by byte, has five seconds', async (context) => {
  const { gate, leaf, place } = await sceneOf(context);
  const [silent, slow] = [await MqttClient.open(place, leaf), await MqttClient.open(place, leaf)];
  slow.write('10 20 00 04 4d');
  await Promise.all([silent.ends(), slow.ends()]);
  assert.deepEqual([silent.heard, slow.heard], [[], []]);
  await until(() => gate.connections.size === 0, 'nothing is held');
});

test('P13: a packet that stands still is not waited for, and takes no memory from then on', async (context) => {
  const { gate, leaf, place } = await sceneOf(context, { limits: { requestMs: 300 } });
  const client = await MqttClient.connected(place, leaf);
  client.write('30 ff ff 7f 0011');
  await until(() => client.closed || gate.intake.bytes > 0, 'some of it is held');
  await client.ends();
  assert.equal(gate.intake.bytes, 0);
});

test('P13: who never reads its answers loses its connection', async (context) => {
  const { leaf, place } = await sceneOf(context);
  const client = await MqttClient.connected(place, leaf);
  client.socket.pause();
  const asked = Buffer.from('c000'.repeat(8_192), 'hex');
  const more = () => {
    while (!client.socket.destroyed && client.socket.write(asked));
    client.socket.once('drain', more);
  };
  let gone = false;
  client.socket.once('error', () => {
    gone = true;
  });
  more();
  await until(() => gone || client.closed, 'the gate closes the connection');
});

test('a client that has more under way than it may is served all the same', async (context) => {
  const { gate, leaf, place } = await sceneOf(context);
  const client = await MqttClient.connected(place, leaf);
  for (let messageId = 1; messageId <= 2_000; messageId++) {
    client.publish(`streams/telemetry/r-${messageId}`, '{"n":1}', { messageId });
  }
  await until(() => client.heard.length === 2_001, 'all are acknowledged');
  assert.deepEqual(
    client.heard.slice(1).map(({ messageId }) => messageId),
    Array.from({ length: 2_000 }, (_, index) => index + 1),
  );
  assert.equal((await gate.stored()).length, 2_000);
});

test('P13: what one connection has under way is bounded in bytes too, and all of it is served', async (context) => {
  const held: (() => void)[] = [];
  const requests: number[] = [];
  const write = (real: Sink): Sink['write'] => {
    return async (batch) => {
      requests.push(batch.requests.length);
      await new Promise<void>((resolve) => held.push(resolve));
      return real.write(batch);
    };
  };
  const { gate, leaf, place } = await sceneOf(context, { sink: (real) => sinkWith(real, { write: write(real) }) });
  const client = await MqttClient.connected(place, leaf);
  const batch = `${JSON.stringify({ text: 'x'.repeat(60_000) })}\n`.repeat(50);
  const contentType = 'application/x-ndjson';
  const stored = (messageId: number) =>
    client.publish('streams/telemetry', batch, { messageId, properties: { contentType } });
  for (let messageId = 1; messageId <= 6; messageId++) stored(messageId);
  await until(() => held.length === 1, 'the first is being committed');
  // The others have the time in which somebody comes in.
  for (const name of ['a', 'b', 'c', 'd']) await MqttClient.connected(place, await gate.device(name));
  await until(() => {
    for (const release of held.splice(0)) release();
    return client.heard.length === 7;
  }, 'all are acknowledged');
  assert.ok(Math.max(...requests) <= 2, `at once: ${requests}`);
});

test('an end of a QoS 2 that began elsewhere is ended', async (context) => {
  const { leaf, place } = await sceneOf(context);
  const client = await MqttClient.connected(place, leaf);
  client.write('62 02 0007');
  const { messageId, reasonCode } = await client.hears('pubcomp');
  assert.deepEqual([messageId, reasonCode], [7, 0x92]);
});
