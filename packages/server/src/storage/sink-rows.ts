import { isDeepStrictEqual } from 'node:util';
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
