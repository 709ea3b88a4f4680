import { oneOf, type SubjectId } from '@portcullis/contract';
import { z } from 'zod';
import { answerMs } from '../../../bounds/bounds.ts';
import type { ReadingPage, Sink, ReadingQuery as SinkQuery } from '../../../storage/sink.ts';
import type { OnRecord } from '../on-record.ts';
import { send } from './answers.ts';
import type { Asked } from './listener.ts';
import type { Outgoing } from './transport.ts';

const Instant = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const number = String.raw`\d{1,16}`;

const ReadingQuery = z.strictObject({
  stream: z.string().max(64).optional(),
  subject: z.string().max(64).optional(),
  order: oneOf(['stored', 'received', 'newest']).default('stored'),
  since: Instant.optional(),
  until: Instant.optional(),
  /** A reading's number, or where a page in another order ended. */
  after: z
    .string()
    .regex(new RegExp(`^${number}(\\.${number}){0,3}$`))
    .optional(),
  final: z
    .enum(['1'])
    .transform(() => true)
    .optional(),
  limit: z.coerce.number().int().min(1).max(10_000).default(100),
});

const lines = 'application/x-ndjson';
/** Asked of the sink at once: writes come between two turns. */
const turnRowsMax = 1_000;
/** An answer ends with the turn in which it becomes so long. */
const answerBytesMax = 4 * 1_048_576;
/** What a slow reader has not taken yet. */
const unreadBytesMax = 1_048_576;

/**
 * `GET /v1/readings`: a page, the data as they were stored, digit for digit. Who accepts NDJSON gets one reading a line, with the
 * gate that speaks, and at the end one line of the page's own: `{"next": …, "tail": …}`. Everybody else gets `{"items": […], "next": …}`.
 */
export async function serveReadings(
  { sink, gate, onRecord }: { sink: Sink; gate: SubjectId; onRecord: OnRecord },
  query: Record<string, string>,
  { request, response }: Asked,
): Promise<void> {
  const wanted = ReadingQuery.parse(query);
  if (wanted.after === undefined) await onRecord.soon();
  if ((request.headers.accept ?? '').includes(lines)) return sendLines(sink, { ...wanted, gate }, response);
  const page = await sink.read({ ...wanted, limit: Math.min(wanted.limit, turnRowsMax) });
  send(response, 200, 'application/json', asItems(page), false);
}

/** In turns, each sent when it is read, while the next one is; the first decides whether there is an answer at all. */
async function sendLines(sink: Sink, wanted: SinkQuery, response: Outgoing): Promise<void> {
  let [page, count, bytes] = [await sink.read({ ...wanted, limit: Math.min(wanted.limit, turnRowsMax) }), 0, 0];
  response.writeHead(200, { 'content-type': lines });
  for (;;) {
    [count, bytes] = [count + page.count, bytes + page.lines.length];
    const left = wanted.limit - count;
    if (page.next === null || left === 0 || bytes >= answerBytesMax) break;
    const following = sink.read({ ...wanted, after: page.next, limit: Math.min(left, turnRowsMax) });
    // It may fail while a slow reader is waited for: that is heard of below.
    following.catch(() => undefined);
    response.write(page.lines);
    if (response.writableLength > unreadBytesMax) await taken(response);
    if (response.destroyed) return;
    page = await following;
  }
  response.write(page.lines);
  response.end(`${JSON.stringify({ next: page.next, tail: page.tail })}\n`);
}

/** Or the reader is gone; one that takes nothing for so long is sent away. */
async function taken(response: Outgoing): Promise<void> {
  const { promise, resolve: goOn } = Promise.withResolvers<void>();
  const late = setTimeout(() => response.destroy(), answerMs).unref();
  response.once('close', goOn).once('drain', goOn);
  await promise;
  clearTimeout(late);
  response.off('close', goOn).off('drain', goOn);
}

/** A line end stands behind each reading, and within none. */
function asItems({ lines: text, next }: ReadingPage): Buffer {
  const items = Buffer.from(text).subarray(0, -1);
  for (let at = items.indexOf(lineEnd); at !== -1; at = items.indexOf(lineEnd, at + 1)) items[at] = comma;
  return Buffer.concat([Buffer.from('{"items":['), items, Buffer.from(`],"next":${JSON.stringify(next)}}`)]);
}

const lineEnd = 0x0a;
const comma = 0x2c;
