import type { SinkOutcome, SinkRequest } from '../promises.ts';
import { isSameReading, type StoredReading } from '../sink-rows.ts';

/** One reading of a write that has an id of its device. `number`: what it gets if it is stored. */
export interface Claim {
  request: number;
  id: string;
  number: number;
}

/** Who has a key already. `readable`: it stays so, whatever becomes of its gate. */
export interface Holder extends StoredReading {
  readable: boolean;
}

/** What becomes of the requests of a write. */
export interface Sorted {
  outcomes: SinkOutcome[];
  /** By request: the places of the readings that are stored. */
  stored: number[][];
  /** By key: the number of the reading that is stored with it. */
  taken: Map<string, number>;
  /** Stored though another gate has the key: it has not said yet whether that stays. */
  rivals: Set<number>;
}

export const keyOf = ({ subject, stream }: Pick<SinkRequest, 'subject' | 'stream'>, id: string) =>
  `${subject}\n${stream}\n${id}`;

/** The first of each key in a write: what is asked of the database. */
export function claimsOf(requests: readonly SinkRequest[], base: number): Map<string, Claim> {
  const claims = new Map<string, Claim>();
  let number = base;
  for (const [request, { ids, given, ...of }] of requests.entries()) {
    for (const [index, id] of ids.entries()) {
      number++;
      if (!given[index]) continue;
      const key = keyOf(of, id);
      if (!claims.has(key)) claims.set(key, { request, id, number });
    }
  }
  return claims;
}

/** Request by request: what was stored of one is taken back when one of its ids turns out to be another reading's. */
export function sortOut(
  requests: readonly SinkRequest[],
  base: number,
  held: (key: string) => Holder | undefined,
): Sorted {
  const sorted: Sorted = { outcomes: [], stored: [], taken: new Map(), rivals: new Set() };
  const here = new Map<string, StoredReading>();
  let number = base;
  for (const request of requests) {
    const one = sortOne(request, number, (key) => here.get(key) ?? held(key));
    number += request.ids.length;
    const places = 'reused' in one.outcome ? [] : one.places;
    sorted.outcomes.push(one.outcome);
    sorted.stored.push(places);
    if ('reused' in one.outcome) continue;
    for (const [key, reading] of one.here) here.set(key, reading);
    for (const [key, taken] of one.taken) sorted.taken.set(key, taken);
    for (const rival of one.rivals) sorted.rivals.add(rival);
  }
  return sorted;
}

interface SortedOne {
  outcome: SinkOutcome;
  places: number[];
  here: Map<string, StoredReading>;
  taken: Map<string, number>;
  rivals: number[];
}

function sortOne(
  request: SinkRequest,
  base: number,
  known: (key: string) => (StoredReading & { readable?: boolean }) | undefined,
): SortedOne {
  const one: SortedOne = {
    outcome: { stored: 0, repeated: 0 },
    ...{ places: [], here: new Map(), taken: new Map(), rivals: [] },
  };
  for (const [index, id] of request.ids.entries()) {
    const number = base + index + 1;
    const key = keyOf(request, id);
    const before = request.given[index] ? (one.here.get(key) ?? known(key)) : undefined;
    if (before && !isSameReading(before, request, index)) return { ...one, outcome: { reused: index } };
    const isRival = before !== undefined && 'readable' in before && !before.readable;
    if (before && !isRival) continue;
    one.places.push(index);
    if (isRival) one.rivals.push(number);
    if (!request.given[index]) continue;
    one.here.set(key, { data: request.data[index] as string, deviceTime: request.deviceTimes[index] ?? null });
    if (!isRival) one.taken.set(key, number);
  }
  one.outcome = { stored: one.places.length, repeated: request.ids.length - one.places.length };
  return one;
}
