import { z } from 'zod';
import { binaryEvent, isJsonType } from './cloud-event-headers.ts';
import { badAlert, type Delivery, judged, placeOf, type SignalAlert, type SignalHeaders } from './delivery.ts';
import { readOptionalTime } from './time.ts';

/** CloudEvents 1.0.2 §3.1 "Type System", String: without control characters and halves of pairs. */
const line = /^\P{Cc}+$/u;
const text = z.string().regex(line, 'must be a text that is not empty and has no control characters');
const reference = text.regex(/^[^\s<>"{}|\\^`]+$/, 'must be a URI reference (RFC 3986)');

const Event = z.looseObject({
  specversion: z.literal('1.0', { message: 'must be "1.0"' }),
  id: text,
  source: reference,
  type: text,
  subject: text.nullish(),
  time: z.string().nullish(),
  datacontenttype: text.nullish(),
  dataschema: reference.nullish(),
  data_base64: z.base64().nullish(),
});
type Event = z.infer<typeof Event>;

/** Its name and its value are as CloudEvents 1.0.2 §3 has them; what an extension means is agreed between sender and receiver. */
const Extension = z.union([text, z.boolean(), z.int32()], { message: 'must be a text, a boolean or an integer' });
const attributeName = /^[a-z0-9]+$/;
const own = new Set([...Object.keys(Event.shape), 'data']);

/** Two extensions of ours: what makes two events the same trouble, and whether it is over. */
const keyName = 'alertkey';
const statusName = 'alertstatus';

export type CloudEventsRead = Delivery | { refused: string };

/** CloudEvents 1.0.2, HTTP binding §3: structured, binary or a batch. An event that stands alone is refused as a whole. */
export function readCloudEvents(headers: SignalHeaders, raw: Buffer, json: (raw: Buffer) => unknown): CloudEventsRead {
  const type = String(headers['content-type'] ?? '').toLowerCase();
  if (/^application\/cloudevents-batch\+json(;|\s|$)/.test(type)) {
    const batch = json(raw);
    if (!Array.isArray(batch)) return { refused: 'the body of a batch must be a list of events' };
    return delivered(batch.map((event, place) => readEvent(event, place)));
  }
  const event = /^application\/cloudevents\+json(;|\s|$)/.test(type) ? json(raw) : binaryEvent(headers, raw, json);
  const alert = readEvent(event, 0);
  return alert.key === placeOf(0) ? { refused: `the event: ${alert.bad}` } : delivered([alert]);
}

const delivered = (alerts: SignalAlert[]): Delivery => ({ format: 'cloudevents', alerts, truncated: 0, warnings: [] });

function readEvent(given: unknown, place: number): SignalAlert {
  const event = Event.safeParse(given);
  if (!event.success) {
    const [issue] = event.error.issues;
    return badAlert(placeOf(place), `"${issue?.path.join('.')}": ${issue?.message}`);
  }
  const labels = extensionsOf(event.data);
  if ('refused' in labels) return badAlert(placeOf(place), String(labels.refused));
  const data = dataOf(event.data);
  if ('refused' in data) return badAlert(placeOf(place), data.refused);
  return alertOf(event.data, { labels: labels.read, data: data.read, place });
}

interface Parts {
  labels: Record<string, string>;
  data: unknown;
  place: number;
}

function alertOf(event: Event, { labels, data, place }: Parts): SignalAlert {
  const { id, source, type, subject, time } = event;
  const startsAt = readOptionalTime(time ?? undefined);
  if (startsAt === undefined) return badAlert(placeOf(place), '"time": must be a time of RFC 3339');
  const status = labels[statusName] ?? 'firing';
  if (status !== 'firing' && status !== 'resolved')
    return badAlert(placeOf(place), `"${statusName}": must be one of [firing, resolved]`);
  return judged(
    {
      // A source is a URI reference, which has no blank.
      key: labels[keyName] ?? `${source} ${id}`,
      ...{ status, startsAt, endsAt: null, labels, annotations: {} },
      event: { id, source, type, ...(subject && { subject }), ...(time && { time }), data },
    },
    place,
  );
}

function extensionsOf(event: Event): { read: Record<string, string> } | { refused: string } {
  const read: Record<string, string> = {};
  for (const [name, value] of Object.entries(event)) {
    // CloudEvents 1.0.2, JSON format §2.2: null is as if it were not there.
    if (own.has(name) || value === null) continue;
    if (!attributeName.test(name)) return { refused: `"${name.slice(0, 64)}": a name has a-z and 0-9 alone` };
    const extension = Extension.safeParse(value);
    if (!extension.success) return { refused: `"${name}": must be a text, a boolean or an integer` };
    read[name] = String(extension.data);
  }
  return { read };
}

/** CloudEvents 1.0.2, JSON format §3.1: bytes, or any value of JSON, which may be 0, false, an empty text or null. */
function dataOf(event: Event): { read: unknown } | { refused: string } {
  const { data_base64: bytes, datacontenttype: type } = event;
  if (bytes === undefined || bytes === null) return { read: event.data ?? null };
  if (event.data !== undefined) return { refused: '"data" and "data_base64" must not be there together' };
  if (!isJsonType(type ?? undefined)) return { read: null };
  try {
    return { read: JSON.parse(Buffer.from(bytes, 'base64').toString('utf8')) };
  } catch {
    return { refused: `"data_base64" is not the JSON that "datacontenttype" says` };
  }
}
