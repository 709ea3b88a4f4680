/**
 * The judge beside the decoder: whether the bytes of a packet are what the standard allows a client to send. Pure. What `mqtt-packet`
 * lets go stands here: reserved flags, repeated properties, zeros, bytes left over, UTF-8, wildcards in topics.
 */
import { codes, type Fault, Faulty, malformed, protocolError } from './fault.ts';
import { Walk } from './walk.ts';

/** MQTT 3.1.1 is protocol level 4. */
export type Version = 4 | 5;

export const types = {
  connect: 1,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  unsubscribe: 10,
  pingreq: 12,
  disconnect: 14,
  auth: 15,
} as const;

/** §2.1.3 in both standards. */
const flagsOf: Record<number, number> = {
  [types.connect]: 0,
  [types.puback]: 0,
  [types.pubrec]: 0,
  [types.pubrel]: 2,
  [types.pubcomp]: 0,
  [types.subscribe]: 2,
  [types.unsubscribe]: 2,
  [types.pingreq]: 0,
  [types.disconnect]: 0,
  [types.auth]: 0,
};

export const connectBytesMax = 65_536;
const filtersMax = 32;

/** By its first byte alone: before its length is known. */
export function checkFirstByte(first: number, version: Version | undefined): Fault | undefined {
  const type = first >> 4;
  if (version === undefined) {
    return type === types.connect ? checkFlags(first) : protocolError('the first packet is no CONNECT');
  }
  if (type === types.connect) return protocolError('a second CONNECT');
  if (type === types.auth) return protocolError('AUTH without an authentication method');
  if (type === types.publish) return checkPublishFlags(first);
  return flagsOf[type] === undefined ? protocolError(`packet type ${type} comes from no client`) : checkFlags(first);
}

function checkFlags(first: number): Fault | undefined {
  return (first & 0x0f) === flagsOf[first >> 4] ? undefined : malformed('reserved flags in the fixed header');
}

function checkPublishFlags(first: number): Fault | undefined {
  const qos = (first >> 1) & 3;
  if (qos === 3) return malformed('both bits of QoS are set');
  return qos === 0 && (first & 8) !== 0 ? malformed('DUP with QoS 0') : undefined;
}

/** The whole packet; `body` is where its fixed header ends. */
export function checkPacket(packet: Buffer, body: number, version: Version): Fault | undefined {
  try {
    check(packet, new Walk(packet, body), version);
    return undefined;
  } catch (error) {
    if (error instanceof Faulty) return error.fault;
    throw error;
  }
}

function check(packet: Buffer, walk: Walk, version: Version): void {
  const first = packet[0] as number;
  switch (first >> 4) {
    case types.publish:
      return checkPublish(first, walk, version);
    case types.subscribe:
      return checkSubscribe(walk, version);
    case types.unsubscribe:
      return checkUnsubscribe(walk, version);
    case types.pubrel:
      return checkPubrel(walk, version);
    case types.pingreq:
      return walk.end();
    case types.disconnect:
      return checkDisconnect(walk, version);
    default:
      throw new Faulty(protocolError('an acknowledgement of what was never sent'));
  }
}

function checkPublish(first: number, walk: Walk, version: Version): void {
  const topic = walk.text('the topic');
  if (/[+#]/.test(topic)) throw new Faulty({ code: codes.topicInvalid, words: 'a wildcard in the topic of a PUBLISH' });
  if (topic === '' && version === 4) throw new Faulty(malformed('the topic is empty'));
  if ((first & 6) !== 0) identifier(walk);
  if (version === 5) checkPublishProperties(walk, topic);
}

function checkPublishProperties(walk: Walk, topic: string): void {
  const [responseTopic, subscriptionIdentifier, alias] = [8, 11, 35];
  const properties = walk.properties([1, 2, 3, responseTopic, 9, subscriptionIdentifier, alias]);
  // [MQTT-3.3.4-6]
  if (properties.has(subscriptionIdentifier)) throw new Faulty(protocolError('a subscription identifier in a PUBLISH'));
  // §3.3.2.3.4: the Topic Alias Maximum is 0.
  if (properties.has(alias)) throw new Faulty({ code: codes.aliasInvalid, words: 'no topic alias is allowed' });
  if (topic === '') throw new Faulty(protocolError('no topic, and no topic alias'));
}

function checkSubscribe(walk: Walk, version: Version): void {
  identifier(walk);
  if (version === 5) walk.properties([11]);
  for (let count = 1; ; count++) {
    filter(walk, count);
    checkOptions(walk.byte(), version);
    if (walk.left === 0) return;
  }
}

function checkOptions(options: number, version: Version): void {
  const reserved = version === 5 ? 0xc0 : 0xfc;
  if ((options & reserved) !== 0 || (options & 3) === 3)
    throw new Faulty(malformed('reserved options of a subscription'));
  if ((options & 0x30) === 0x30) throw new Faulty(protocolError('retain handling is 3'));
}

function checkUnsubscribe(walk: Walk, version: Version): void {
  identifier(walk);
  if (version === 5) walk.properties([]);
  for (let count = 1; ; count++) {
    filter(walk, count);
    if (walk.left === 0) return;
  }
}

/** [MQTT-4.7.3-1], [MQTT-3.8.3-2]; and so many at once. */
function filter(walk: Walk, count: number): void {
  if (walk.left === 0) throw new Faulty(protocolError('no topic filter'));
  if (count > filtersMax)
    throw new Faulty({ code: codes.quotaExceeded, words: `more than ${filtersMax} topic filters` });
  if (walk.text('a topic filter') === '') throw new Faulty(malformed('a topic filter is empty'));
}

/** MQTT 5 §3.6.2.1, and §3.14.2.1 of those that a client may send. */
const pubrelCodes = [0x00, 0x92];
const disconnectCodes = [...[0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90], ...[0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99]];

function reasonCode(walk: Walk, allowed: readonly number[]): void {
  const code = walk.byte();
  if (!allowed.includes(code)) throw new Faulty(malformed(`the reason code ${code} does not belong here`));
}

function checkPubrel(walk: Walk, version: Version): void {
  identifier(walk);
  if (version === 5 && walk.left > 0) reasonCode(walk, pubrelCodes);
  if (version === 5 && walk.left > 0) walk.properties([31]);
  walk.end();
}

function checkDisconnect(walk: Walk, version: Version): void {
  if (version === 5 && walk.left > 0) reasonCode(walk, disconnectCodes);
  if (version === 5 && walk.left > 0) walk.properties([17, 28, 31]);
  walk.end();
}

/** [MQTT-2.2.1-3] in MQTT 5, [MQTT-2.3.1-1] in 3.1.1. */
function identifier(walk: Walk): void {
  if (walk.u16() === 0) throw new Faulty(protocolError('packet identifier 0'));
}
