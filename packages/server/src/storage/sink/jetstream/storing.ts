import { PortcullisError } from '@portcullis/contract';
import type { SinkOutcome, SinkRequest } from '../promises.ts';
import { isSameReading, type StoredReading } from '../sink-rows.ts';
import { type GateState, holds, isReadable, type Rival } from './gate-state.ts';
import type { Ack, Link } from './link.ts';
import { batchHeader, gateHeader, linesIn, messageId, originOf, readingIn, readingSubject } from './messages.ts';
import { stateOf } from './shared-state.ts';

/** How often the same reading can have been given up: each time it is looked for behind the one before. */
const givenUpMax = 1_000;

export interface Stored {
  outcomes: SinkOutcome[];
  /** By request: the places of the readings that are stored. */
  stored: number[][];
  rivals: Rival[];
}

interface Writing {
  link: Link;
  batch: number;
  instance: string;
  /** Of the gate that writes. */
  state: GateState;
}

/** What one reading came to. */
interface Placed {
  sequence: number;
  isNew: boolean;
  /** Of another gate, which has not said whether it stays. */
  rivalOf?: number;
}

const keyOf = ({ subject, stream }: SinkRequest, id: string) => `${subject}\n${stream}\n${id}`;

/**
 * Publishes the requests of a write. Those that share a key come one after the other; all others at once, each subject's readings in their order.
 * What was stored of a request is taken back when one of its ids turns out to be another reading's: nobody has looked at its batch yet.
 */
export async function storeRequests(requests: readonly SinkRequest[], writing: Writing): Promise<Stored> {
  const storing = new Storing(requests, writing);
  let left = requests.map((_, index) => index);
  while (left.length > 0) {
    const { now, later } = storing.divide(left);
    await storing.store(now);
    left = later;
  }
  return storing;
}

class Storing implements Stored {
  readonly outcomes: SinkOutcome[] = [];
  readonly stored: number[][] = [];
  readonly rivals: Rival[] = [];
  readonly #requests: readonly SinkRequest[];
  readonly #writing: Writing;
  readonly #here = new Map<string, StoredReading>();
  readonly #others = new Map<string, GateState | undefined>();

  constructor(requests: readonly SinkRequest[], writing: Writing) {
    [this.#requests, this.#writing] = [requests, writing];
  }

  divide(indices: readonly number[]): { now: number[]; later: number[] } {
    const claimed = new Set<string>();
    const [now, later]: [number[], number[]] = [[], []];
    for (const index of indices) {
      const keys = this.#keys(index).filter((key) => !this.#here.has(key));
      if (keys.some((key) => claimed.has(key))) later.push(index);
      else now.push(index);
      for (const key of keys) claimed.add(key);
    }
    return { now, later };
  }

  async store(indices: readonly number[]): Promise<void> {
    this.#others.clear();
    const wanted = indices.flatMap((index) => this.#wanted(index));
    const acks = await this.#publish(wanted);
    const placed = new Map<number, Map<number, Placed | 'reused'>>();
    for (const [at, { index, place }] of wanted.entries()) {
      const of = placed.get(index) ?? new Map<number, Placed | 'reused'>();
      placed.set(index, of.set(place, await this.#settle(index, place, acks[at] as Ack)));
    }
    for (const index of indices) await this.#end(index, placed.get(index) ?? new Map());
  }

  #keys(index: number): string[] {
    const request = this.#requests[index] as SinkRequest;
    return request.ids.flatMap((id, place) => (request.given[place] ? [keyOf(request, id)] : []));
  }

  /** The readings that are to be published: not those that are known to be repeats, or to be no repeats, within the write. */
  #wanted(index: number): { index: number; place: number }[] {
    const request = this.#requests[index] as SinkRequest;
    const own = new Set<string>();
    return request.ids.flatMap((id, place) => {
      if (!request.given[place]) return [{ index, place }];
      const key = keyOf(request, id);
      if (this.#here.has(key) || own.has(key)) return [];
      own.add(key);
      return [{ index, place }];
    });
  }

  #publish(wanted: readonly { index: number; place: number }[], after?: number): Promise<Ack[]> {
    const { link, batch, instance, state } = this.#writing;
    const named = { [gateHeader]: state.gate, [batchHeader]: String(batch) };
    const lines = new Map<number, (place: number) => string>();
    const messages = wanted.map(({ index, place }) => {
      const request = this.#requests[index] as SinkRequest;
      const line = lines.get(index) ?? linesIn(request, batch, instance);
      lines.set(index, line);
      const id = request.given[place] ? messageId(request, request.ids[place] as string, after) : undefined;
      return { subject: readingSubject(request.stream, request.subject), text: line(place), headers: named, id };
    });
    return link.publishAll(messages);
  }

  /** Of a message that the stream has already: whose it is, and whether it stays. */
  async #settle(index: number, place: number, first: Ack): Promise<Placed | 'reused'> {
    let [ack, rivalOf]: [Ack, number | undefined] = [first, undefined];
    for (let time = 0; time < givenUpMax; time++) {
      const { sequence, duplicate } = ack;
      if (!duplicate) return { sequence, isNew: true, ...(rivalOf !== undefined && { rivalOf }) };
      const found = await this.#writing.link.message(sequence);
      const origin = originOf(found?.header);
      const known = found && origin && readingIn(found.string());
      const standing = known ? await this.#standing(origin) : 'gone';
      if (known && standing !== 'gone' && !isSame(known, this.#requests[index] as SinkRequest, place)) return 'reused';
      if (standing === 'stays') return { sequence, isNew: false };
      rivalOf = standing === 'open' ? sequence : undefined;
      [ack] = (await this.#publish([{ index, place }], sequence)) as [Ack];
    }
    throw new PortcullisError(
      'store_unavailable',
      `a reading was given up ${givenUpMax} times within the stream's duplicate window`,
    );
  }

  /** `open`: another gate has it, and may be gone before it looks at its batch. */
  async #standing({ gate, batch }: { gate: string; batch: number }): Promise<'stays' | 'gone' | 'open'> {
    const { state, link } = this.#writing;
    if (gate === state.gate) return holds(state.quarantine, batch) ? 'gone' : 'stays';
    if (!this.#others.has(gate)) this.#others.set(gate, await stateOf(link, gate));
    const other = this.#others.get(gate);
    if (!other || (batch > other.looked && !holds(other.quarantine, batch))) return 'open';
    return isReadable(other, batch) ? 'stays' : 'gone';
  }

  async #end(index: number, placed: ReadonlyMap<number, Placed | 'reused'>): Promise<void> {
    const request = this.#requests[index] as SinkRequest;
    const own = new Map<string, StoredReading>();
    const fresh: [place: number, placed: Placed][] = [];
    let reused: number | undefined;
    for (const [place, id] of request.ids.entries()) {
      const key = keyOf(request, id);
      const reading = { data: request.data[place] as string, deviceTime: request.deviceTimes[place] ?? null };
      const before = request.given[place] ? (own.get(key) ?? this.#here.get(key)) : undefined;
      const one = placed.get(place);
      if (one === 'reused' || (before && !isSameReading(before, request, place))) reused ??= place;
      if (one && one !== 'reused' && one.isNew) fresh.push([place, one]);
      if (request.given[place]) own.set(key, before ?? reading);
    }
    if (reused !== undefined) {
      for (const [, { sequence }] of fresh) await this.#writing.link.remove(sequence);
      [this.outcomes[index], this.stored[index]] = [{ reused }, []];
      return;
    }
    for (const [key, reading] of own) this.#here.set(key, reading);
    for (const [, { sequence, rivalOf }] of fresh)
      if (rivalOf !== undefined) this.rivals.push({ sequence, batch: this.#writing.batch, other: rivalOf });
    this.stored[index] = fresh.map(([place]) => place);
    this.outcomes[index] = { stored: fresh.length, repeated: request.ids.length - fresh.length };
  }
}

/** A time that no message can say is none there. */
function isSame(known: StoredReading, request: SinkRequest, place: number): boolean {
  const time = request.deviceTimes[place] ?? null;
  const isSaid =
    time !== null && !Number.isNaN(new Date(time).getTime()) && /^\d{4}-/.test(new Date(time).toISOString());
  return isSameReading({ ...known, deviceTime: known.deviceTime ?? (isSaid ? null : time) }, request, place);
}
