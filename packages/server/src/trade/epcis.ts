import { placeLink, type TradeItem, tradeLink } from './digital-link.ts';
import { eventHashId } from './event-hash.ts';

interface TracedArrival {
  /** Its id, and that of the one which it stands for. */
  arrival: string;
  replaces?: string | undefined;
  step: string;
  /** When the load was there, as judged. */
  at: number;
  /** Who recorded it. `gln`: the global location number of that checkpoint's place, where it has one. */
  by: { subject: string; gln?: string | undefined };
  isFinal: boolean;
  /** A person said it in a checkpoint's place, and why. */
  declared?: { reason: string } | undefined;
  /** A person said later that it was not so, and why. */
  voided?: { at: number; reason: string } | undefined;
}

/** What a document is made of. Times are milliseconds since 1970. */
export interface Trace {
  fleet: string;
  shipment: string;
  /** Not given: the load is called by the URI in its certificate, with a fragment: what ends with a number would be read as a time. */
  item?: TradeItem | undefined;
  arrivals: TracedArrival[];
  /** `at`: when it was one by its rule; `from` and `until`: how long it was outside. */
  breaches: { rule: string; at: number; from: number; until?: number | undefined }[];
}

interface ErrorDeclaration {
  declarationTime: string;
  reason: 'did_not_occur' | 'incorrect_data';
  correctiveEventIDs?: string[];
  'portcullis:reason': string;
}

export interface ObjectEvent {
  type: 'ObjectEvent';
  eventID: string;
  eventTime: string;
  eventTimeZoneOffset: '+00:00';
  epcList: readonly string[];
  action: 'OBSERVE';
  bizStep: 'arriving' | 'receiving' | 'sensor_reporting';
  disposition?: 'in_transit';
  readPoint?: { id: string };
  bizLocation?: { id: string };
  errorDeclaration?: ErrorDeclaration;
  [extension: `portcullis:${string}`]: string;
}

export interface EpcisDocument {
  '@context': (string | Record<string, string>)[];
  type: 'EPCISDocument';
  schemaVersion: '2.0';
  creationDate: string;
  epcisBody: { eventList: ObjectEvent[] };
}

const namespaces = { portcullis: 'urn:portcullis:epcis:' };
const epcisContext = 'https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld';

/**
 * Arrivals, breaches and corrections of one load as EPCIS 2.0, in the shape on which implementations agree: UTC with milliseconds,
 * loads and places as canonical links, bare words of the vocabulary, our own members at the level of the event alone, and as text
 * that no reader takes for a number. A corrected arrival is there as it was, and again with its error declaration (EPCIS 2.0,
 * section 7.4.1.4), under the same id.
 */
export function epcisDocument(trace: Trace, now: number): EpcisDocument {
  const arrivals = trace.arrivals.map((arrival) => ({ arrival, event: arrivalEvent(trace, arrival) }));
  const corrections = arrivals.flatMap(({ arrival, event }) => {
    if (!arrival.voided) return [];
    const instead = arrivals.filter(({ arrival: { replaces, voided } }) => replaces === arrival.arrival && !voided);
    const ids = instead.map(({ event: { eventID } }) => eventID);
    return [{ ...event, errorDeclaration: errorOf(arrival.voided, ids) }];
  });
  const events = [...arrivals.map(({ event }) => event), ...trace.breaches.map((one) => breachEvent(trace, one))];
  return {
    '@context': [epcisContext, namespaces],
    type: 'EPCISDocument',
    schemaVersion: '2.0',
    creationDate: time(now),
    epcisBody: {
      eventList: [...events.toSorted((one, other) => (one.eventTime < other.eventTime ? -1 : 1)), ...corrections],
    },
  };
}

function arrivalEvent(trace: Trace, { step, at, by, isFinal, declared }: TracedArrival): ObjectEvent {
  const place = by.gln === undefined ? undefined : { id: placeLink(by.gln) };
  return withId({
    ...eventOf(trace, at),
    ...(isFinal ? { bizStep: 'receiving' } : { bizStep: 'arriving', disposition: 'in_transit' }),
    ...(place && { readPoint: place, bizLocation: place }),
    'portcullis:step': text(step),
    [declared ? 'portcullis:declaredBy' : 'portcullis:checkpoint']: text(by.subject),
    ...(declared && { 'portcullis:reason': text(declared.reason) }),
  });
}

function breachEvent(trace: Trace, { rule, at, from, until }: Trace['breaches'][number]): ObjectEvent {
  return withId({
    ...eventOf(trace, at),
    bizStep: 'sensor_reporting',
    'portcullis:breachOf': text(rule),
    'portcullis:outsideFrom': time(from),
    ...(until !== undefined && { 'portcullis:outsideUntil': time(until) }),
  });
}

function eventOf({ fleet, shipment, item }: Trace, at: number) {
  return {
    type: 'ObjectEvent',
    eventID: '',
    eventTime: time(at),
    eventTimeZoneOffset: '+00:00',
    epcList: [item ? tradeLink(item) : `spiffe://${fleet}/shipment/${shipment}#load`],
    action: 'OBSERVE',
  } as const;
}

function withId(event: ObjectEvent): ObjectEvent {
  return { ...event, eventID: eventHashId(event, namespaces) };
}

function errorOf({ at, reason }: { at: number; reason: string }, instead: string[]): ErrorDeclaration {
  return {
    declarationTime: time(at),
    ...(instead.length > 0 ? { reason: 'incorrect_data', correctiveEventIDs: instead } : { reason: 'did_not_occur' }),
    'portcullis:reason': text(reason),
  };
}

const time = (milliseconds: number) => new Date(milliseconds).toISOString();

/**
 * Implementations write `1e3` and `007` as other numbers, trim what is around, turn links into other links, and read as a time
 * whatever JavaScript's `Date.parse` takes, such as all that ends with a number. What none of them changes stays as it is.
 */
function text(value: string): string {
  const trimmed = value.trim().replaceAll(/\s+/g, ' ');
  return /^[A-Za-z](?!\w*:)/.test(trimmed) && Number.isNaN(Date.parse(trimmed)) ? trimmed : `"${trimmed}" is said`;
}
