import type { Problem } from '@portcullis/contract';
import { generate, type Packet } from 'mqtt-packet';
import { codes } from './fault.ts';
import type { Version } from './wire-check.ts';

/** What a client wants of what it is told (MQTT 5 §3.1.2.11.4, §3.1.2.11.7). */
export interface Wanted {
  packetBytesMax: number;
  /** Reason strings and user properties beside refused readings too. */
  problems: boolean;
}

/** So many bytes are shown of what was wrong. */
const reasonBytesMax = 1_024;

interface Said {
  contentType: string;
  correlationData?: Buffer | undefined;
}

const given = ({ contentType, correlationData }: Said) => ({
  contentType,
  ...(correlationData && { correlationData }),
});

/** Packets of the gate, as bytes. */
export class Say {
  readonly version: Version;
  readonly #wanted: Wanted;

  constructor(version: Version, wanted: Wanted) {
    [this.version, this.#wanted] = [version, wanted];
  }

  /** A client that could not be told the whole is told the code (MQTT 5 §3.2.2.3.9). */
  #made(packet: Packet, bare: Packet): Buffer {
    const whole = generate(packet, { protocolVersion: this.version });
    return whole.length <= this.#wanted.packetBytesMax ? whole : generate(bare, { protocolVersion: this.version });
  }

  welcome(properties: object): Buffer {
    if (this.version === 4) return generate({ cmd: 'connack', returnCode: 0, sessionPresent: false });
    const answer = { cmd: 'connack', reasonCode: 0, sessionPresent: false } as const;
    return generate({ ...answer, properties }, { protocolVersion: 5 });
  }

  /** A code of 3.1.1 where that is spoken. */
  connackRefused(code: number, why: string): Buffer {
    const sessionPresent = false;
    if (this.version === 4) return generate({ cmd: 'connack', returnCode: code, sessionPresent });
    const bare = { cmd: 'connack', reasonCode: code, sessionPresent } as const;
    return this.#made({ ...bare, properties: { reasonString: shortened(why) } }, bare);
  }

  /** Nothing in 3.1.1: there a server has no such packet. */
  disconnect(code: number, why: string): Buffer | undefined {
    if (this.version === 4) return undefined;
    const bare = { cmd: 'disconnect', reasonCode: code } as const;
    return this.#made({ ...bare, properties: { reasonString: shortened(why) } }, bare);
  }

  /** The form without a code is a success in both versions (MQTT 5 §3.4.2.1). */
  puback(messageId: number): Buffer {
    const packet = Buffer.allocUnsafe(4);
    packet.writeUInt32BE(0x4002_0000 + messageId);
    return packet;
  }

  pubackRefused(messageId: number, code: number, problem: Problem): Buffer {
    if (this.version === 4 || code === codes.success) return this.puback(messageId);
    const bare = { cmd: 'puback', messageId, reasonCode: code } as const;
    if (!this.#wanted.problems) return generate(bare, { protocolVersion: 5 });
    const properties = { reasonString: wordsOf(problem), userProperties: { reason: problem.reason } };
    return this.#made({ ...bare, properties }, bare);
  }

  pubcomp(messageId: number): Buffer {
    const identifierNotFound = 0x92;
    if (this.version === 4) return generate({ cmd: 'pubcomp', messageId });
    return generate({ cmd: 'pubcomp', messageId, reasonCode: identifierNotFound }, { protocolVersion: 5 });
  }

  suback(messageId: number, granted: number[]): Buffer {
    return generate({ cmd: 'suback', messageId, granted }, { protocolVersion: this.version });
  }

  unsuback(messageId: number, granted: number[]): Buffer {
    return generate({ cmd: 'unsuback', messageId, granted }, { protocolVersion: this.version });
  }

  pong(): Buffer {
    return Buffer.from([0xd0, 0]);
  }

  /** A message with QoS 0. Undefined: it is longer than the client takes. */
  message(topic: string, payload: string | Buffer, said: Said): Buffer | undefined {
    const properties = this.version === 5 ? { properties: given(said) } : {};
    const packet = { cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false, ...properties } as const;
    const made = generate(packet, { protocolVersion: this.version });
    return made.length <= this.#wanted.packetBytesMax ? made : undefined;
  }
}

/** A refusal as one line: `attribute_not_expected: an attribute has …`. */
export function wordsOf({ reason, title, detail, line, expected, found }: Problem): string {
  const more = [
    ...(line === undefined ? [] : [`line ${line}`]),
    ...(detail === undefined ? [] : [detail]),
    ...(expected === undefined ? [] : [`expected ${JSON.stringify(expected)}`]),
    ...(found === undefined ? [] : [`found ${JSON.stringify(found)}`]),
  ];
  return shortened([`${reason}: ${title}`, ...more].join('; '));
}

/** [MQTT-1.5.4-1], [MQTT-1.5.4-2]. */
function shortened(text: string): string {
  const clean = text.replaceAll('\u0000', '\ufffd').toWellFormed();
  if (Buffer.byteLength(clean) <= reasonBytesMax) return clean;
  return `${Buffer.from(clean)
    .subarray(0, reasonBytesMax)
    .toString('utf8')
    .replace(/\ufffd+$/, '')}…`;
}
