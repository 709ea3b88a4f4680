import { z } from 'zod';
import { badAlert, type Delivery, judged, placeOf, type SignalAlert } from './delivery.ts';
import { readOptionalTime } from './time.ts';

const texts = z.record(z.string(), z.string()).default({});
const Entry = z.looseObject({
  key: z.string().optional(),
  id: z.string().optional(),
  status: z.unknown().optional(),
  type: z.string().default('signal'),
  subject: z.string().optional(),
  timestamp: z.string().optional(),
  startsAt: z.string().optional(),
  endsAt: z.string().optional(),
  labels: texts,
  annotations: texts,
});

/**
 * One object or a list of them, as Standard Webhooks has its payload (`type`, `timestamp`, `data`), with what an alert needs beside it. `messageId`
 * names an object that has no key of its own. Undefined: it is neither.
 */
export function readJsonSignals(body: unknown, messageId: string | undefined): Delivery | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const alerts = Array.isArray(body)
    ? body.map((entry, place) => readEntry(entry, place, undefined))
    : [readEntry(body, 0, messageId)];
  return { format: 'json', alerts, truncated: 0, warnings: [] };
}

function readEntry(given: unknown, place: number, messageId: string | undefined): SignalAlert {
  const entry = Entry.safeParse(given);
  if (!entry.success) {
    const [issue] = entry.error.issues;
    return badAlert(placeOf(place), `"${issue?.path.join('.')}": ${issue?.message}`);
  }
  const { labels, annotations, type, subject, timestamp, ...told } = entry.data;
  const key = told.key ?? told.id ?? messageId;
  if (key === undefined) return badAlert(placeOf(place), 'it has neither "key" nor "id", nor a header "webhook-id"');
  const startsAt = readOptionalTime(told.startsAt ?? timestamp);
  const endsAt = readOptionalTime(told.endsAt);
  if (startsAt === undefined || endsAt === undefined) {
    const name = endsAt === undefined ? 'endsAt' : told.startsAt === undefined ? 'timestamp' : 'startsAt';
    return badAlert(placeOf(place), `"${name}" is no time of RFC 3339`);
  }
  const data = Object.hasOwn(told, 'data') ? told.data : given;
  const event = {
    ...{ id: key, source: 'json', type, data },
    ...(subject !== undefined && { subject }),
    ...(timestamp !== undefined && { time: timestamp }),
  };
  // Whatever does not say that it is over cuts.
  const status = told.status === 'resolved' ? 'resolved' : 'firing';
  return judged({ key, status, startsAt, endsAt, labels, annotations, event }, place);
}
