import { alertKinds } from '@portcullis/contract';
import { timestamp } from '../../telemetry/telemetry.ts';
import type { Message, Teller, ToldAlert } from '../message.ts';
import { type Posting, post } from './http-post.ts';

interface Alertmanager extends Posting {
  fleet: string;
  /** How long a word lasts: it is sent again at a third of it. */
  leaseMs: number;
  /** Milliseconds since 1970. */
  now(): number;
}

/**
 * Its API v2, `POST /api/v2/alerts`, one alert a POST. Each has both of its ends: without `startsAt` an `endsAt` puts it into the future,
 * and one without `endsAt` ends when Alertmanager thinks so.
 */
export function alertmanager({ fleet, leaseMs, now, url, ...posting }: Alertmanager): Teller {
  const api = new URL(`${url.href.replace(/\/+$/, '')}/api/v2/alerts`);
  return {
    tell({ alerts }: Message, signal) {
      const bodies = alerts.map((alert) => alertOf(alert, fleet, now() + leaseMs));
      return post({ ...posting, url: api }, { 'content-type': 'application/json' }, JSON.stringify(bodies), signal);
    },
  };
}

function alertOf({ id, kind, subject, key, at, says, detail, settledAt }: ToldAlert, fleet: string, until: number) {
  const { severity, title } = alertKinds[kind];
  // Of one that is over as soon as it began, the end is behind the beginning all the same.
  const endsAt = settledAt === null ? until : Math.max(settledAt, at + 1);
  return {
    labels: { alertname: `portcullis_${kind}`, fleet, severity, key, ...(subject !== null && { subject }) },
    annotations: { summary: says, description: title, alert: id, detail: JSON.stringify(detail) },
    ...{ startsAt: timestamp(at), endsAt: timestamp(endsAt) },
  };
}
