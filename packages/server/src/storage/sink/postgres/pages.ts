import { PortcullisError } from '@portcullis/contract';
import { type Connections, raw } from '../../postgres/connections.ts';
import type { ReadingOrder, ReadingPage, ReadingQuery } from '../promises.ts';
import { type LineOf, linesOf, type ReadingRow, type RequestRow } from '../reading-lines.ts';

type Db = Connections['db'];

/** However little of it is wanted, a page looks at no more. */
const rowsPerTurn = 5_000;
const pageCharactersMax = 524_288;
const latest = Date.parse('9999-12-31T00:00:00Z');

/** Where a page ended: nothing after the bound is given, nothing up to the reading is given again. */
interface Cursor {
  bound: number;
  receivedAt: number;
  request: number;
  reading: number;
}

interface Row {
  request: RequestRow;
  reading: ReadingRow;
  wanted: boolean;
  /** The turn is over with it, or it is not the last that was found. */
  goesOn: boolean;
}

const instant = (parameter: string) => `to_timestamp(${parameter}::bigint / 1000.0)`;
/** The part of a gate's readings that an order has still to go through. */
const ways: Record<ReadingOrder, { from: string; order: string }> = {
  stored: { from: 'number > $3 AND $4::bigint IS NOT NULL', order: 'number' },
  received: {
    from: `(received_at, number) > (${instant('$4')}, $3) AND ($6::bigint IS NULL OR received_at < ${instant('$6')})`,
    order: 'received_at, number',
  },
  newest: {
    from: `(received_at, number) < (${instant('$4')}, $3) AND ($5::bigint IS NULL OR received_at >= ${instant('$5')})`,
    order: 'received_at DESC, number DESC',
  },
};

const pageIn = ({ from, order }: { from: string; order: string }) => `
  WITH turn AS (
    SELECT row_number() OVER (ORDER BY ${order}) AS place, *
    FROM (SELECT * FROM readings
      WHERE gate = $1 AND number <= $2 AND ${from} AND (received_at >= (SELECT pruned_before FROM gates WHERE gate = $1)
          OR number > (SELECT pruned_number FROM gates WHERE gate = $1))
      ORDER BY ${order} LIMIT ${rowsPerTurn}) AS rows),
  marked AS (
    SELECT *, ($7::text IS NULL OR stream = $7) AND ($8::text IS NULL OR subject = $8)
      AND ($5::bigint IS NULL OR received_at >= ${instant('$5')}) AND ($6::bigint IS NULL OR received_at < ${instant('$6')}) AS wanted
    FROM turn),
  few AS (SELECT * FROM marked WHERE wanted OR place = ${rowsPerTurn} ORDER BY place LIMIT $9),
  sized AS (
    SELECT *, sum(octet_length(data::text)) OVER (ORDER BY place) - octet_length(data::text) AS before FROM few)
  SELECT request, sized.batch, subject, certificate, stream, (extract(epoch FROM received_at) * 1000)::bigint AS "receivedAt",
    sized.instance, policy, revision, coalesce(batches.state, 'stored') AS state, carried_by AS "carriedBy", sealed::int AS sealed,
    number, id, device_ms AS "deviceTime", clock, data::text AS data, run, sequence, wanted,
    place = ${rowsPerTurn} OR place < (SELECT max(place) FROM few) AS "goesOn"
  FROM sized LEFT JOIN batches ON batches.gate = $1 AND batches.batch = sized.batch
  WHERE before < ${pageCharactersMax} ORDER BY place`;

const pages = { stored: pageIn(ways.stored), received: pageIn(ways.received), newest: pageIn(ways.newest) };

/** A page of what one gate stored, in each order. */
export async function pageOf(db: Db, gate: string, query: ReadingQuery): Promise<ReadingPage> {
  const { bound, proven } = await boundOf(db, gate, query.final);
  const cursor = cursorOf(query, bound);
  const { stream = null, subject = null, since = null, until = null, limit, order } = query;
  const asked = [gate, cursor.bound, cursor.reading, cursor.receivedAt, since, until, stream, subject, limit + 1];
  const { rows } = await db.executeQuery<Record<string, unknown>>(raw(pages[order], asked));
  return fill(rows.map(rowOf), query, { cursor, proven });
}

/** The last number before what may become readable later, or be proven later: a cursor never passes that. */
async function boundOf(db: Db, gate: string, final = false): Promise<{ bound: number; proven: number }> {
  const { rows } = await db.executeQuery<{ bound: number; proven: number }>(
    raw(
      `SELECT proven, coalesce((SELECT min(first_number) - 1 FROM batches
         WHERE batches.gate = $1 AND batch > CASE WHEN $2::bool THEN proven ELSE looked END), last_number) AS bound
       FROM gates WHERE gate = $1`,
      [gate, final],
    ),
  );
  return rows[0] as { bound: number; proven: number };
}

function cursorOf({ order, after, since, until }: ReadingQuery, bound: number): Cursor {
  const numbers = after?.split('.').map(Number);
  if (numbers !== undefined && numbers.length !== (order === 'stored' ? 1 : 4)) {
    throw new PortcullisError('request_malformed', `"${after}" is not where a page in the order "${order}" ended`);
  }
  if (order === 'stored') {
    const [reading = 0] = numbers ?? [];
    return { bound: Math.max(bound, reading), receivedAt: 0, request: 0, reading };
  }
  if (numbers !== undefined) {
    const [within, receivedAt, request, reading] = numbers as [number, number, number, number];
    return { bound: within, receivedAt: Math.min(receivedAt, latest), request, reading };
  }
  const receivedAt = Math.min((order === 'received' ? since : until) ?? (order === 'received' ? 0 : latest), latest);
  return { bound, receivedAt, request: 0, reading: 0 };
}

const requestColumns = [
  ...['request', 'batch', 'subject', 'certificate', 'stream', 'receivedAt', 'instance', 'policy', 'revision', 'state'],
  ...['carriedBy', 'sealed'],
];
const readingColumns = ['number', 'id', 'deviceTime', 'clock', 'data', 'run', 'sequence'];

function rowOf(row: Record<string, unknown>): Row {
  return {
    request: requestColumns.map((name) => row[name]) as unknown as RequestRow,
    reading: readingColumns.map((name) => row[name]) as unknown as ReadingRow,
    wanted: row.wanted === true,
    goesOn: row.goesOn === true,
  };
}

function fill(
  rows: readonly Row[],
  { order, limit, gate }: ReadingQuery,
  { cursor, proven }: { cursor: Cursor; proven: number },
): ReadingPage {
  let [text, count, at] = ['', 0, cursor];
  let [lineOf, of]: [LineOf | undefined, number] = [undefined, 0];
  const pageOf = (ended: boolean): ReadingPage => {
    const { bound, receivedAt, request, reading } = at;
    const stored = order === 'stored';
    const next = stored ? String(reading) : [bound, receivedAt, request, reading].join('.');
    const tail = stored && !ended ? reading : bound;
    return { lines: Buffer.from(text), count, next: ended ? null : next, tail: String(tail) };
  };
  for (const { request, reading, wanted } of rows) {
    if (wanted && (count === limit || text.length >= pageCharactersMax)) return pageOf(false);
    if (wanted) {
      if (lineOf === undefined || of !== request[0]) [lineOf, of] = [linesOf(request, proven, gate), request[0]];
      text += lineOf(reading);
      count++;
    }
    at = { bound: cursor.bound, receivedAt: request[5], request: request[0], reading: reading[0] };
  }
  return pageOf(rows.at(-1)?.goesOn !== true);
}
