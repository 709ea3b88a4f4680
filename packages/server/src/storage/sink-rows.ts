import { isDeepStrictEqual } from 'node:util';
import type { ReadingView } from '@portcullis/contract';
import { timestamp } from '../telemetry/telemetry.ts';
import type { SinkRequest } from './sink.ts';

/** What a repeat is compared by. */
export interface StoredReading {
  data: string;
  deviceTime: number | null;
}

/** The same text is the same reading; another text of the same members is too. */
export function isSameReading(known: StoredReading, { data, deviceTimes }: SinkRequest, index: number): boolean {
  const text = data[index] as string;
  if (known.deviceTime !== (deviceTimes[index] ?? null)) return false;
  return known.data === text || isDeepStrictEqual(JSON.parse(known.data), JSON.parse(text));
}

/** A row of `readable_readings`. */
export type ReadableRow = { [Key in keyof ReadingView]: string } & {
  number: number;
  receivedAt: number;
  deviceTime: number | null;
};

export function viewOf({ number, ...row }: ReadableRow): ReadingView {
  return {
    ...(row as unknown as ReadingView),
    deviceTime: row.deviceTime === null ? null : timestamp(row.deviceTime),
    receivedAt: timestamp(row.receivedAt),
    data: JSON.parse(row.data) as Record<string, unknown>,
  };
}
