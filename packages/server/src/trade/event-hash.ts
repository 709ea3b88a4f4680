import { createHash } from 'node:crypto';
import type { ObjectEvent } from './epcis.ts';

/** The members in the order in which they are hashed (CBV 2.0, section 8.9.2); an event's own id, record and error are out. */
const order = ['epcList', 'action', 'bizStep', 'disposition', 'readPoint', 'bizLocation'] as const;
const words = { bizStep: 'https://ref.gs1.org/cbv/BizStep-', disposition: 'https://ref.gs1.org/cbv/Disp-' };

/**
 * The id that every implementation gives this event from what it says: of the events that `epcisDocument` makes, which keep to
 * what implementations agree on.
 */
export function eventHashId(event: ObjectEvent, namespaces: Readonly<Record<string, string>>): string {
  const digest = createHash('sha256').update(prehashOf(event, namespaces)).digest('hex');
  return `ni:///sha-256;${digest}?ver=CBV2.0`;
}

/** What is hashed: `name=value` without anything between. */
export function prehashOf(event: ObjectEvent, namespaces: Readonly<Record<string, string>>): string {
  const head = `eventType=${event.type}eventTime=${event.eventTime}eventTimeZoneOffset=${event.eventTimeZoneOffset}`;
  const usual = order.map((name) => memberOf(event, name)).join('');
  return `${head}${usual}${extensionsOf(event, namespaces)}`;
}

function memberOf(event: ObjectEvent, name: (typeof order)[number]): string {
  const value = event[name];
  if (value === undefined) return '';
  if (typeof value === 'object')
    return 'id' in value ? `${name}id=${value.id}` : `${name}${sorted(value.map((epc) => `epc=${epc}`))}`;
  return `${name}=${name === 'bizStep' || name === 'disposition' ? `${words[name]}${value}` : value}`;
}

function extensionsOf(event: ObjectEvent, namespaces: Readonly<Record<string, string>>): string {
  const members = Object.entries(event).flatMap(([name, value]) => {
    const [prefix = '', local] = name.split(':');
    return local === undefined ? [] : [`{${namespaces[prefix]}}${local}=${String(value).trim()}`];
  });
  return sorted(members);
}

/** By UTF-8 bytes. */
function sorted(texts: string[]): string {
  return texts.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other))).join('');
}
