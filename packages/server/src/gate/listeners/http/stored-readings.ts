import type { SubjectId } from '@portcullis/contract';
import { z } from 'zod';
import type { ReadingPage, Sink } from '../../../storage/sink.ts';
import { send } from './answers.ts';
import type { Asked } from './listener.ts';

const Instant = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const number = String.raw`\d{1,16}`;

const ReadingQuery = z.strictObject({
  stream: z.string().max(64).optional(),
  subject: z.string().max(64).optional(),
  order: z.enum(['stored', 'received', 'newest']).default('stored'),
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
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});

const lines = 'application/x-ndjson';

/**
 * `GET /v1/readings`: a page, the data as they were stored, digit for digit. Who accepts NDJSON gets one reading a line, with the
 * gate that speaks, and at the end one line of the page's own: `{"next": …, "tail": …}`. Everybody else gets `{"items": […], "next": …}`.
 */
export async function serveReadings(
  { sink, gate }: { sink: Sink; gate: SubjectId },
  query: Record<string, string>,
  { request, response }: Asked,
): Promise<void> {
  const wanted = ReadingQuery.parse(query);
  const inLines = (request.headers.accept ?? '').includes(lines);
  const page = await sink.read({ ...wanted, ...(inLines && { gate }) });
  const [type, body] = inLines ? [lines, asLines(page)] : ['application/json', asItems(page)];
  send(response, 200, type, body, false);
}

function asLines({ lines: text, next, tail }: ReadingPage): Buffer {
  return Buffer.concat([text, Buffer.from(`${JSON.stringify({ next, tail })}\n`)]);
}

/** A line end stands behind each reading, and within none. */
function asItems({ lines: text, next }: ReadingPage): Buffer {
  const items = Buffer.from(text).subarray(0, -1);
  for (let at = items.indexOf(lineEnd); at !== -1; at = items.indexOf(lineEnd, at + 1)) items[at] = comma;
  return Buffer.concat([Buffer.from('{"items":['), items, Buffer.from(`],"next":${JSON.stringify(next)}}`)]);
}

const lineEnd = 0x0a;
const comma = 0x2c;
