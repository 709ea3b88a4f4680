import { PortcullisError } from '@portcullis/contract';
import { timestamp } from '../telemetry/system.ts';
import { durationOf } from './duration.ts';
import type { FleetOptions } from './fleet-client.ts';
import type { WantedReadings } from './gate-readings.ts';

export interface ReadingOptions extends FleetOptions {
  subject?: string;
  since?: string;
  until?: string;
  last?: string;
  limit?: string;
  follow?: boolean;
  csv?: boolean;
  refused?: boolean;
  missing?: boolean;
  partial?: boolean;
}

/** Held in memory, since they are found from the newest backwards. */
const lastMax = 10_000;

export interface Wanted extends WantedReadings {
  last: number | undefined;
  limit: number;
}

/** @throws {PortcullisError} `usage` */
export function wantedBy(stream: string | undefined, options: ReadingOptions, now: number): Wanted {
  const { subject, follow = false } = options;
  const last = options.last === undefined ? undefined : countOf('--last', options.last, 0, lastMax);
  const limit = options.limit === undefined ? Number.POSITIVE_INFINITY : countOf('--limit', options.limit, 1);
  if (last !== undefined && options.limit !== undefined)
    throw new PortcullisError('usage', '--last and --limit both say how many; name one');
  if (follow && options.until !== undefined)
    throw new PortcullisError('usage', '--follow has no end, and --until names one; leave one out');
  return {
    ...{ order: last === undefined ? 'received' : 'newest', final: follow, last, limit, stream, subject },
    since: options.since === undefined ? undefined : instantOf(options.since, now),
    until: options.until === undefined ? undefined : instantOf(options.until, now),
    most: Math.max(1, Math.min(last ?? limit, Number.MAX_SAFE_INTEGER)),
  };
}

function countOf(option: string, text: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
  const count = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (count >= least && count <= most) return count;
  throw new PortcullisError('usage', `${option} "${text}" is not a whole number from ${least} to ${most}`);
}

/** RFC 3339 in UTC with milliseconds: as text in the order of time. */
function instantOf(text: string, now: number): string {
  if (/^\d+[smhd]$/.test(text)) return timestamp(Math.max(0, now - durationOf(text) * 1_000));
  const isTime = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/i.test(text);
  const time = isTime ? Date.parse(text.replace(' ', 'T').toUpperCase()) : Number.NaN;
  const year = new Date(time).getUTCFullYear();
  if (year >= 1970 && year <= 9999) return timestamp(time);
  const allowed =
    'it must be like 2026-11-27T08:00:00Z, 2026-11-27T09:00+01:00, 2026-11-27 (UTC), or 15m for so long ago';
  throw new PortcullisError('usage', `"${text}" is not a time; ${allowed}`);
}
