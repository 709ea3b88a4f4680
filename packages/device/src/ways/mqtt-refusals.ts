import { type Problem, type ReasonClass, type ReasonCode, reasons } from '@portcullis/contract';
import type { Told } from '../outbox/way.ts';

/** What a packet of a gate says of a refusal: CONNACK, PUBACK and DISCONNECT have the same members. */
export interface RefusingPacket {
  reasonCode?: number | undefined;
  properties?: { reasonString?: string; userProperties?: Record<string, string | string[]> } | undefined;
}

/** MQTT 5 §2.4: codes from there on are refusals. */
export const isRefusal = ({ reasonCode = 0 }: RefusingPacket) => reasonCode >= 0x80;

/** These say what is wrong with a message, whatever the code of the gate's own: Packet too large, Payload format invalid. */
const codesOfReadings = new Set([0x95, 0x99]);

/** A gate names its own code in the user property `reason`, and begins the reason string with it. Undefined: it names none. */
export function toldIn(packet: RefusingPacket): Told | undefined {
  const words = packet.properties?.reasonString ?? '';
  const named = packet.properties?.userProperties?.reason;
  const reason = typeof named === 'string' ? named : /^([a-z]+(?:_[a-z]+)+)(?::|$)/.exec(words)?.[1];
  if (reason === undefined || reason === '') return undefined;
  const problem = problemOf(reason, words);
  return { problem, reasonClass: classOf(reason, packet.reasonCode ?? 0), atLeastMs: 0 };
}

/** A refusal in answer to one reading: it always says something. */
export function refusalIn(packet: RefusingPacket): Told {
  const known = toldIn(packet);
  if (known) return known;
  const code = codeOf(packet);
  const words = packet.properties?.reasonString ?? `the gate refused with code ${code} of MQTT`;
  const problem = { ...about, reason: `mqtt_${code}`, title: words };
  return { problem, reasonClass: classOf(problem.reason, packet.reasonCode ?? 0), atLeastMs: 0 };
}

export const codeOf = ({ reasonCode = 0 }: RefusingPacket) => `0x${reasonCode.toString(16).padStart(2, '0')}`;

/** There is no status in MQTT: that of HTTP for the same reason, or the one for a refusal. */
const about = { type: 'about:blank', status: 403 } as const;

function problemOf(reason: string, words: string): Problem {
  const text = words.startsWith(`${reason}: `) ? words.slice(reason.length + 2) : words;
  if (!isKnown(reason)) return { ...about, reason, title: text === '' ? reason : text };
  const { title, status } = reasons[reason];
  const detail = text.startsWith(title) ? text.slice(title.length).replace(/^[;:] /, '') : text;
  return { ...about, reason, status, title, ...(detail !== '' && detail !== reason && { detail }) };
}

function classOf(reason: string, code: number): ReasonClass | undefined {
  if (isKnown(reason)) return reasons[reason].class;
  return codesOfReadings.has(code) ? 'reading' : undefined;
}

const isKnown = (reason: string): reason is ReasonCode => Object.hasOwn(reasons, reason);
