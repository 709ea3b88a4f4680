import type { StatementSync } from 'node:sqlite';
import { PortcullisError } from '@portcullis/contract';
import type { ReadingOrder, ReadingPage, ReadingQuery } from './promises.ts';
import { type LineOf, linesOf, type ReadingRow, type RequestRow } from './reading-lines.ts';

/** Commits wait behind a page, and receipts behind commits: each is a few milliseconds. */
const requestsReadPerTurn = 5_000;
const pageCharactersMax = 524_288;

/** Where a page ended: nothing after the bound is given, nothing up to the reading is given again. */
interface Cursor {
  bound: number;
  receivedAt: number;
  request: number;
  reading: number;
}

/** How the readings are gone through: by request, and within it by number. */
interface Way {
  requests: string;
  readings: string;
  /** Before and after every reading of a request. */
  before: number;
  after: number;
}

const beyond = Number.MAX_SAFE_INTEGER;
const columns =
  'number, batch, subject, certificate, stream, receivedAt, instance, policy, revision, state, carriedBy, sealed';
const requestsWhere = (where: string, order: string) =>
  `SELECT ${columns} FROM requests WHERE ${where} ORDER BY ${order} LIMIT ${requestsReadPerTurn}`;
const readingsWhere = (where: string, order: string) =>
  `SELECT number, id, deviceTime, clock, data, run, sequence FROM readings WHERE request = ? AND ${where} ORDER BY ${order}`;

/** Numbers of requests and of readings grow together, so that the order of requests is that of their readings. */
const ways: Record<ReadingOrder, Way> = {
  stored: {
    requests: requestsWhere('?1 IS NOT NULL AND number >= ?2', 'number'),
    readings: readingsWhere('number > ? AND number <= ?', 'number'),
    ...{ before: 0, after: beyond },
  },
  received: {
    requests: requestsWhere('(receivedAt, number) >= (?1, ?2)', 'receivedAt, number'),
    readings: readingsWhere('number > ? AND number <= ?', 'number'),
    ...{ before: 0, after: beyond },
  },
  newest: {
    requests: requestsWhere('(receivedAt, number) <= (?1, ?2)', 'receivedAt DESC, number DESC'),
    readings: readingsWhere('number < ? AND number <= ?', 'number DESC'),
    ...{ before: beyond, after: 0 },
  },
};

/** Pages of what is readable, in each order. A page ends at a bound, so that it is short however much is passed over. */
export class StoredReadings {
  readonly #sql: (text: string) => StatementSync;

  constructor(sql: (text: string) => StatementSync) {
    this.#sql = sql;
  }

  page(query: ReadingQuery): ReadingPage {
    const cursor = this.#cursor(query);
    const way = ways[query.order];
    const page = new PageOf(query, cursor);
    const { proven } = this.#sql('SELECT proven FROM progress').get() as { proven: number };
    let seen = 0;
    for (const request of this.#rows<RequestRow>(way.requests, cursor.receivedAt, cursor.request)) {
      if (page.isPast(request)) return page.last();
      if (page.wants(request)) {
        const from = request[0] === cursor.request ? cursor.reading : way.before;
        const readings = this.#rows<ReadingRow>(way.readings, request[0], from, cursor.bound);
        if (!page.take(request, readings, linesOf(request, proven, query.gate))) return page.next();
      }
      page.passed(request, query.order === 'stored' ? undefined : way.after);
      if (++seen === requestsReadPerTurn) return this.#turned(page, request, query.order);
    }
    return page.last();
  }

  /** A turn is over, and what it passed over last had nothing that is wanted. */
  #turned(page: PageOf, request: RequestRow, order: ReadingOrder): ReadingPage {
    if (order !== 'stored') return page.next();
    const row = this.#sql('SELECT max(number) AS last FROM readings WHERE request = ?').get(request[0]);
    const { last } = row as { last: number };
    if (last >= page.bound) return page.last();
    page.passed(request, last);
    return page.next();
  }

  #cursor({ order, after, since, until, final }: ReadingQuery): Cursor {
    const numbers = after?.split('.').map(Number);
    if (numbers !== undefined && numbers.length !== (order === 'stored' ? 1 : 4)) {
      throw new PortcullisError('request_malformed', `"${after}" is not where a page in the order "${order}" ended`);
    }
    if (order === 'stored') return this.#cursorAfter(numbers?.[0] ?? 0, final);
    if (numbers !== undefined) {
      const [bound, receivedAt, request, reading] = numbers as [number, number, number, number];
      return { bound, receivedAt, request, reading };
    }
    const bound = this.#bound(final);
    if (order === 'received') return { bound, receivedAt: since ?? 0, request: 0, reading: 0 };
    return { bound, receivedAt: until === undefined ? beyond : until - 1, request: beyond, reading: beyond };
  }

  #cursorAfter(reading: number, final: boolean | undefined): Cursor {
    const bound = this.#bound(final);
    const row = this.#sql('SELECT request FROM readings WHERE number > ? ORDER BY number LIMIT 1').get(reading);
    const { request } = (row ?? { request: beyond }) as { request: number };
    return { bound: Math.max(bound, reading), receivedAt: 0, request, reading };
  }

  /** The last number before what may become readable later, or be proven later: a cursor never passes that. */
  #bound(final = false): number {
    const row = this.#sql(
      `SELECT coalesce(
         (SELECT min(number) - 1 FROM readings WHERE request =
           (SELECT number FROM requests WHERE batch > (SELECT ${final ? 'proven' : 'looked'} FROM progress)
            ORDER BY batch, number LIMIT 1)),
         (SELECT max(number) FROM readings), 0) AS last`,
    ).get();
    return (row as { last: number }).last;
  }

  #rows<Row extends unknown[]>(text: string, ...values: number[]): Iterable<Row> {
    const statement = this.#sql(text);
    statement.setReturnArrays(true);
    return statement.iterate(...values) as unknown as Iterable<Row>;
  }
}

/** The page that is being filled, and how far it has come. */
class PageOf {
  readonly #query: ReadingQuery;
  readonly #at: Cursor;
  #text = '';
  #count = 0;

  constructor(query: ReadingQuery, cursor: Cursor) {
    this.#query = query;
    this.#at = { ...cursor };
  }

  get bound(): number {
    return this.#at.bound;
  }

  /** Nothing that is wanted comes behind it. */
  isPast([, , , , , receivedAt]: RequestRow): boolean {
    const { order, since = 0, until = beyond } = this.#query;
    return (order === 'received' && receivedAt >= until) || (order === 'newest' && receivedAt < since);
  }

  wants([, , subject, , stream, receivedAt, , , , state]: RequestRow): boolean {
    const { since = 0, until = beyond } = this.#query;
    return (
      state !== 'quarantined' &&
      receivedAt >= since &&
      receivedAt < until &&
      (this.#query.stream ?? stream) === stream &&
      (this.#query.subject ?? subject) === subject
    );
  }

  /** False where the page is full before the request is at its end. */
  take([request, , , , , receivedAt]: RequestRow, readings: Iterable<ReadingRow>, lineOf: LineOf): boolean {
    for (const reading of readings) {
      if (this.#count === this.#query.limit || this.#text.length >= pageCharactersMax) return false;
      this.#text += lineOf(reading);
      this.#count++;
      this.#at.request = request;
      this.#at.receivedAt = receivedAt;
      this.#at.reading = reading[0];
    }
    return true;
  }

  /** `reading`: the last of the request, where it is known. */
  passed([request, , , , , receivedAt]: RequestRow, reading = this.#at.reading): void {
    Object.assign(this.#at, { request, receivedAt, reading });
  }

  next(): ReadingPage {
    const { bound, receivedAt, request, reading } = this.#at;
    const stored = this.#query.order === 'stored';
    const next = stored ? String(reading) : [bound, receivedAt, request, reading].join('.');
    return this.#page(next, stored ? reading : bound);
  }

  last(): ReadingPage {
    return this.#page(null, this.#at.bound);
  }

  #page(next: string | null, tail: number): ReadingPage {
    return { lines: Buffer.from(this.#text), count: this.#count, next, tail: String(tail) };
  }
}
