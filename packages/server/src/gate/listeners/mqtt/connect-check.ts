import { codes, type Fault, Faulty, malformed, protocolError } from './fault.ts';
import { Walk } from './walk.ts';
import type { Version } from './wire-check.ts';

/** Undefined as `version`: nothing is known of how its sender could be told. */
export type CheckedConnect = { version: Version } | { version: Version | undefined; fault: Fault };

const properties = { user: [17, 21, 22, 23, 25, 33, 34, 39], will: [1, 2, 3, 8, 9, 24] };
const [authenticationMethod, authenticationData] = [21, 22];
const highestLevel = 5;

/** Whether a CONNECT is one, with the code that the standard names where it is not. */
export function checkConnect(packet: Buffer, body: number): CheckedConnect {
  const walk = new Walk(packet, body);
  let version: Version | undefined;
  try {
    version = versionOf(walk);
    checkRest(walk, version);
    return { version };
  } catch (error) {
    if (error instanceof Faulty) return { version: version ?? toldIn(error.fault), fault: error.fault };
    throw error;
  }
}

function versionOf(walk: Walk): Version {
  const name = walk.text('the protocol name');
  const level = walk.byte();
  if (name === 'MQTT' && (level === 4 || level === 5)) return level;
  if (name !== 'MQTT' && name !== 'MQIsdp') throw new Faulty(malformed('the protocol is not MQTT'));
  const words = `protocol level ${level} of ${name}; MQTT 3.1.1 and 5 are spoken here`;
  throw new Faulty({ code: level > highestLevel ? codes.versionUnsupported : olderThanAll, words });
}

/** [MQTT-3.1.2-2] of 3.1.1: who speaks what is older is told so in its own form. */
const olderThanAll = 0x01;
function toldIn({ code }: Fault): Version | undefined {
  if (code === codes.versionUnsupported) return 5;
  return code === olderThanAll ? 4 : undefined;
}

const bits = { reserved: 0x01, will: 0x04, willQos: 0x18, willRetain: 0x20, password: 0x40, user: 0x80 } as const;

function checkRest(walk: Walk, version: Version): void {
  const flags = walk.byte();
  checkFlags(flags, version);
  walk.u16();
  if (version === 5) checkProperties(walk);
  walk.text('the client identifier');
  if ((flags & bits.will) !== 0) checkWill(walk, version);
  if ((flags & bits.user) !== 0) walk.text('the user name');
  if ((flags & bits.password) !== 0) walk.binary();
  walk.end();
  if (version === 5 && (flags & bits.willQos) === 0x10) {
    throw new Faulty({ code: codes.qosUnsupported, words: 'the will has QoS 2; the highest is 1' });
  }
  if (version === 5 && (flags & bits.willRetain) !== 0) {
    throw new Faulty({ code: codes.retainUnsupported, words: 'the will is to be retained; nothing is retained here' });
  }
}

function checkFlags(flags: number, version: Version): void {
  if ((flags & bits.reserved) !== 0) throw new Faulty(malformed('the reserved flag of CONNECT is set'));
  const will = (flags & bits.will) !== 0;
  const qos = flags & bits.willQos;
  if (qos === bits.willQos) throw new Faulty(malformed('the will has QoS 3'));
  if (!will && (flags & (bits.willQos | bits.willRetain)) !== 0)
    throw new Faulty(malformed('flags of a will without one'));
  // [MQTT-3.1.2-22] of 3.1.1; MQTT 5 allows it.
  const lonely = (flags & (bits.user | bits.password)) === bits.password;
  if (version === 4 && lonely) throw new Faulty(malformed('a password without a user name'));
}

function checkProperties(walk: Walk): void {
  const found = walk.properties(properties.user);
  if (found.has(authenticationMethod)) {
    const words = 'no authentication method is known here: a client is who its certificate says';
    throw new Faulty({ code: codes.authenticationMethod, words });
  }
  if (found.has(authenticationData)) throw new Faulty(protocolError('authentication data without a method'));
}

function checkWill(walk: Walk, version: Version): void {
  if (version === 5) walk.properties(properties.will);
  const topic = walk.text("the will's topic");
  if (topic === '' || /[+#]/.test(topic))
    throw new Faulty({ code: codes.topicInvalid, words: "the will's topic is no topic" });
  walk.binary();
}
