import { hash } from 'node:crypto';
import { InexactNumber, parseExactly } from '@portcullis/contract';
import type { SinkRequest } from '../promises.ts';

/** 16 bytes as a string of one byte a character: what a reading takes in memory is two of them. */
const short = (text: string) => hash('sha256', text, 'buffer').subarray(0, 16).toString('latin1');

export interface Sorted {
  /** The readings that are not in the spool yet, or which of them has the id of another one. */
  outcome: { stored: number; repeated: number } | { reused: number };
  places: number[];
  /** Of those that came with an id. */
  keys: [key: string, said: string][];
}

/** The ids of what is in the spool, and what was said with each: a repeat is found here as the sink would find it. */
export class SpooledKeys {
  readonly #said = new Map<string, string>();

  sort(request: SinkRequest, before: ReadonlyMap<string, string>): Sorted {
    const own = new Map<string, string>();
    const places: number[] = [];
    for (const [place, id] of request.ids.entries()) {
      if (request.given[place]) {
        const key = short(`${request.subject}\n${request.stream}\n${id}`);
        const said = short(saidIn(request, place));
        const known = own.get(key) ?? before.get(key) ?? this.#said.get(key);
        if (known !== undefined && known !== said) return { outcome: { reused: place }, places: [], keys: [] };
        if (known !== undefined) continue;
        own.set(key, said);
      }
      places.push(place);
    }
    return { outcome: { stored: places.length, repeated: request.ids.length - places.length }, places, keys: [...own] };
  }

  add(keys: Iterable<[key: string, said: string]>): void {
    for (const [key, said] of keys) this.#said.set(key, said);
  }

  remove(keys: readonly string[]): void {
    for (const key of keys) this.#said.delete(key);
  }
}

/** The same for two readings that are the same one, however their members are ordered, and for no others. */
function saidIn({ data, deviceTimes }: SinkRequest, place: number): string {
  return `${deviceTimes[place] ?? ''} ${inOrder(parseExactly(data[place] as string))}`;
}

function inOrder(value: unknown): string {
  if (value instanceof InexactNumber) return `exactly ${value.decimal}`;
  if (Array.isArray(value)) return `[${value.map(inOrder).join()}]`;
  if (typeof value !== 'object' || value === null) return `${typeof value} ${JSON.stringify(value)}`;
  const members = Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}:${inOrder(member)}`);
  return `{${members.toSorted().join()}}`;
}
