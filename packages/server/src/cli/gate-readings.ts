import { PortcullisError, ReadingView } from '@portcullis/contract';
import { type LinkAnswer, problemOf } from '@portcullis/device/client';
import { z } from 'zod';
import type { Gate } from './ask-gates.ts';
import { ReadingRow } from './reading-row.ts';

export interface WantedReadings {
  /** Oldest first, or newest first, by the time of receipt. */
  order: 'received' | 'newest';
  stream?: string | undefined;
  subject?: string | undefined;
  /** RFC 3339 in UTC with milliseconds. */
  since?: string | undefined;
  until?: string | undefined;
  /** Only those whose proof does not change any more. */
  final: boolean;
  /** No more than so many are taken. */
  most: number;
}

export interface GatePage {
  rows: ReadingRow[];
  next: string | null;
  /** Behind which what comes later is found; an older gate does not say. */
  tail: string | undefined;
}

/** How a gate is asked; `FleetClient` is one. */
export interface GateAsker {
  askGate(url: string, path: string, headers: Record<string, string>, signal?: AbortSignal): Promise<LinkAnswer>;
}

const pageRowsMax = 10_000;
const olderPageRowsMax = 1_000;
const lines = 'application/x-ndjson';
const End = z.object({ next: z.string().nullable(), tail: z.string() });
const OlderPage = z.object({ items: z.array(ReadingView), next: z.string().nullable() });

/** What one gate has stored, a page at a time; the next page is on its way while this one is used. */
export class GateReadings {
  gate: Gate;
  readonly #asker: GateAsker;
  readonly #wanted: WantedReadings;
  readonly #signal: AbortSignal | undefined;
  #coming: Promise<GatePage> | undefined;
  #after: string | null | undefined;
  #older = false;
  /** Where to go on for what comes later, once the last page was taken. */
  tail: string | undefined;

  constructor(asker: GateAsker, gate: Gate, wanted: WantedReadings, signal?: AbortSignal) {
    this.#asker = asker;
    this.gate = gate;
    this.#wanted = wanted;
    this.#signal = signal;
  }

  /** The next rows, or none at the end. @throws {PortcullisError} the next call asks for the same page again */
  async page(): Promise<ReadingRow[] | undefined> {
    while (this.#after !== null) {
      const coming = this.#coming ?? this.#ask();
      this.#coming = undefined;
      const { rows, next, tail } = await coming;
      [this.#after, this.tail] = [next, tail];
      this.#coming = next === null ? undefined : this.#ask();
      // Whoever takes no further page does not hear of its failure.
      this.#coming?.catch(() => undefined);
      if (rows.length > 0) return rows;
    }
    return undefined;
  }

  async #ask(): Promise<GatePage> {
    if (this.#older) return this.#askOlder();
    const { order, stream, subject, since, until, final, most } = this.#wanted;
    const limit = String(Math.min(pageRowsMax, most));
    const query = queryOf({
      order,
      stream,
      subject,
      since,
      until,
      limit,
      final: final ? '1' : undefined,
      after: this.#after ?? undefined,
    });
    try {
      return await askPage(this.#asker, this.gate, query, this.#signal);
    } catch (error) {
      const first = this.#after === undefined && error instanceof PortcullisError && error.code === 'request_malformed';
      if (!first) throw error;
      // A gate of an older version knows no order, and refuses the word.
      this.#older = true;
      return this.#askOlder();
    }
  }

  async #askOlder(): Promise<GatePage> {
    const { stream, subject, order, most, final } = this.#wanted;
    if (final) throw new PortcullisError('request_malformed', 'the gate is of an older version, and has no `--follow`');
    if (order === 'newest') return this.#newestOfOlder(most);
    const query = queryOf({ stream, subject, limit: String(olderPageRowsMax), after: this.#after ?? undefined });
    return this.#within(await askPage(this.#asker, this.gate, query, this.#signal));
  }

  /** All are gone through, and the last ones kept. */
  async #newestOfOlder(most: number): Promise<GatePage> {
    const { stream, subject } = this.#wanted;
    let kept: ReadingRow[] = [];
    for (let after: string | undefined; ; ) {
      const query = queryOf({ stream, subject, limit: String(olderPageRowsMax), after });
      const { rows, next } = this.#within(await askPage(this.#asker, this.gate, query, this.#signal));
      kept = [...kept, ...rows].slice(-most);
      if (next === null) return { rows: kept.toReversed(), next, tail: undefined };
      after = next;
    }
  }

  #within({ rows, next }: GatePage): GatePage {
    const { since = '', until = '~' } = this.#wanted;
    const wanted = rows.filter(({ receivedAt }) => receivedAt >= since && receivedAt < until);
    return { rows: wanted, next, tail: undefined };
  }
}

/** What came after, as it became durable: one page. */
export function laterReadings(
  asker: GateAsker,
  gate: Gate,
  after: string,
  { stream, subject }: Pick<WantedReadings, 'stream' | 'subject'>,
  signal: AbortSignal,
): Promise<GatePage> {
  const query = queryOf({ stream, subject, after, order: 'stored', final: '1', limit: String(pageRowsMax) });
  return askPage(asker, gate, query, signal);
}

function queryOf(members: Record<string, string | undefined>): string {
  const given = Object.entries(members).filter((member): member is [string, string] => member[1] !== undefined);
  return new URLSearchParams(given).toString();
}

async function askPage(asker: GateAsker, gate: Gate, query: string, signal?: AbortSignal): Promise<GatePage> {
  const path = `/v1/readings?${query}`;
  const ask = () => asker.askGate(gate.url, path, { accept: lines }, signal);
  // A connection that was idle for long may have ended just now; asking again for the same page is the same question.
  const answer = await ask().catch((error: unknown) => {
    if (signal?.aborted || !(error instanceof PortcullisError) || error.code !== 'server_unreachable') throw error;
    return ask();
  });
  if (answer.status !== 200) throw problemOf(answer);
  const page = answer.headers['content-type'] === lines ? pageIn(answer.body) : olderPageIn(answer.body, gate.gate);
  if (page) return page;
  throw new PortcullisError('answer_malformed', `the answer of ${gate.url} to ${path} does not fit its schema`);
}

/** The lines of the readings, and one of the page's own. */
function pageIn(body: Buffer): GatePage | undefined {
  const endAt = body.lastIndexOf('\n', -2) + 1;
  const end = End.safeParse(parsedOr(body.toString('utf8', endAt)));
  const rows = ReadingRow.allIn(body.subarray(0, endAt));
  return end.success && rows && body.at(-1) === lineEnd ? { ...end.data, rows } : undefined;
}

const lineEnd = 0x0a;

/** What JSON says, or nothing. */
function parsedOr(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function olderPageIn(body: Buffer, gate: string): GatePage | undefined {
  const page = OlderPage.safeParse(parsedOr(body.toString('utf8')));
  if (!page.success) return undefined;
  const texts = page.data.items.map(({ data, ...members }) => `${JSON.stringify({ ...members, gate, data })}\n`);
  const rows = ReadingRow.allIn(Buffer.from(texts.join('')));
  return rows && { rows, next: page.data.next, tail: undefined };
}
