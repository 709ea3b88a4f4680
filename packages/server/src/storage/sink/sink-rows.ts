import { isDeepStrictEqual } from 'node:util';
import { parseExactly } from '@portcullis/contract';
import type { SinkRequest } from './promises.ts';

/** What a repeat is compared by. */
export interface StoredReading {
  data: string;
  deviceTime: number | null;
}

/** The same text is the same reading; another text of the same members is too, digit for digit. */
export function isSameReading(known: StoredReading, { data, deviceTimes }: SinkRequest, index: number): boolean {
  const text = data[index] as string;
  if (known.deviceTime !== (deviceTimes[index] ?? null)) return false;
  return known.data === text || isDeepStrictEqual(parseExactly(known.data), parseExactly(text));
}
