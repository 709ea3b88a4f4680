import { z } from 'zod';
import { badAlert, type Delivery, judged, placeOf, type SignalAlert } from './delivery.ts';
import { readOptionalTime } from './time.ts';

/** Go writes an empty map or list as null. */
const texts = z
  .record(z.string(), z.string())
  .nullish()
  .transform((map) => map ?? {});

const Entry = z.object({
  status: z.enum(['firing', 'resolved']),
  labels: texts,
  annotations: texts,
  startsAt: z.string().optional(),
  endsAt: z.string().optional(),
  fingerprint: z.string().min(1),
});

/** Of the envelope nothing is read that the list may contradict: its status is that of a list which may be cut. */
const Envelope = z.object({
  version: z.string().optional().catch(undefined),
  truncatedAlerts: z.int().nonnegative().nullish().catch(undefined),
  alerts: z.array(z.unknown()).nullable(),
});

/** By its own documentation: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config */
const versions = { alertmanager: '4', grafana: '1' } as const;

/** What Alertmanager's webhook sends, and Grafana's, which is the same with other things beside. Undefined: it is neither. */
export function readAlertmanager(format: 'alertmanager' | 'grafana', body: unknown): Delivery | undefined {
  const envelope = Envelope.safeParse(body);
  if (!envelope.success) return undefined;
  const { version, truncatedAlerts, alerts } = envelope.data;
  const truncated = truncatedAlerts ?? 0;
  const read = (alerts ?? []).map(readEntry);
  return {
    ...{ format, alerts: read, truncated },
    warnings: warningsOf(format, { version, truncated, count: read.length }),
  };
}

function readEntry(given: unknown, place: number): SignalAlert {
  const entry = Entry.safeParse(given);
  if (!entry.success) {
    const [issue] = entry.error.issues;
    return badAlert(placeOf(place), `"${issue?.path.join('.')}": ${issue?.message}`);
  }
  const { status, labels, annotations, fingerprint: key } = entry.data;
  const [startsAt, endsAt] = [readOptionalTime(entry.data.startsAt), readOptionalTime(entry.data.endsAt)];
  const alert = { key, status, startsAt: startsAt ?? null, endsAt: endsAt ?? null, labels, annotations };
  const read = judged(alert, place);
  if (read.bad !== undefined || (startsAt !== undefined && endsAt !== undefined)) return read;
  return {
    ...badAlert(read.key, `"${startsAt === undefined ? 'startsAt' : 'endsAt'}" is no time of RFC 3339`),
    status,
  };
}

interface Seen {
  version: string | undefined;
  truncated: number;
  count: number;
}

function warningsOf(format: 'alertmanager' | 'grafana', { version, truncated, count }: Seen): string[] {
  const known = versions[format];
  const written = version === undefined ? 'no version' : `version ${JSON.stringify(version.slice(0, 16))}`;
  return [
    ...(version === known ? [] : [`the sender writes ${written} of the form; "${known}" is the known one`]),
    ...(truncated === 0 ? [] : [`the sender left out ${truncated} alerts; its "max_alerts" must be 0`]),
    ...(count < 2
      ? []
      : [
          `one delivery holds ${count} alerts: the next of a group waits for its interval; "group_by: ['...']" parts them`,
        ]),
  ];
}
