import { PortcullisError } from '@portcullis/contract';
import type { ReadingPage, ReadingQuery } from '../promises.ts';
import { boundOf, type GateState, isProven, isReadable } from './gate-state.ts';
import type { Link } from './link.ts';
import { lineAs, originOf, readingSubject } from './messages.ts';
import type { SharedState } from './shared-state.ts';

/** However little of it is wanted, a page looks at no more. */
const messagesPerTurn = 2_000;
const pageCharactersMax = 524_288;

/**
 * A gate's own readings, in the order of the stream: that in which they were received, where its clock was not set back.
 * @throws {PortcullisError} `request_malformed` for an order that a stream does not have, and a cursor of another order
 */
export async function pageOf(
  link: Link,
  { now: state, lastSequence }: SharedState,
  query: ReadingQuery,
): Promise<ReadingPage> {
  const { after, bound = boundOf(state, lastSequence, query.final) } = cursorIn(query);
  const isReceived = query.order === 'received';
  const subject = readingSubject(query.stream, query.subject);
  const range = [after + 1, bound] as const;
  const { messages, more } =
    after < bound ? await link.page(subject, range, messagesPerTurn) : { messages: [], more: false };
  const text: string[] = [];
  let [characters, last, isFull] = [0, after, false];
  for (const { seq, headers, data } of messages) {
    const line = lineOf(state, headers, data, query);
    if (line !== undefined) text.push(line);
    characters += line?.length ?? 0;
    last = seq;
    isFull = text.length >= query.limit || characters >= pageCharactersMax;
    if (isFull) break;
  }
  const isEnd = !more && last === (messages.at(-1)?.seq ?? after);
  const lines = Buffer.from(text.map((line) => `${line}\n`).join(''));
  const next = isReceived ? `${last}.${bound}` : String(last);
  return {
    lines,
    count: text.length,
    next: isEnd ? null : next,
    tail: String(isReceived || isEnd ? Math.max(bound, after) : last),
  };
}

/** `bound`: what was there when the first page was asked for. */
function cursorIn({ order, after = '' }: ReadingQuery): { after: number; bound?: number } {
  if (order === 'newest')
    throw new PortcullisError(
      'request_malformed',
      'order "newest" is not one that a sink in JetStream gives; must be one of ["stored", "received"]',
    );
  if (after === '') return { after: 0 };
  const numbers = after.split('.').map(Number);
  const [number = 0, bound] = numbers;
  const isWhole = numbers.every((one) => Number.isSafeInteger(one));
  if (!isWhole || numbers.length !== (order === 'stored' ? 1 : 2))
    throw new PortcullisError('request_malformed', `"${after}" is not where a page in the order "${order}" ended`);
  return { after: number, ...(bound !== undefined && { bound }) };
}

function lineOf(
  state: GateState,
  headers: Parameters<typeof originOf>[0],
  data: Uint8Array,
  { since, until, gate }: ReadingQuery,
): string | undefined {
  const origin = originOf(headers);
  if (origin?.gate !== state.gate || !isReadable(state, origin.batch)) return undefined;
  const text = Buffer.from(data).toString();
  if (since !== undefined || until !== undefined) {
    const receivedAt = Date.parse((JSON.parse(text) as { receivedAt: string }).receivedAt);
    if (receivedAt < (since ?? receivedAt) || (until !== undefined && receivedAt >= until)) return undefined;
  }
  return lineAs(text, isProven(state, origin.batch) ? 'proven' : 'unproven', gate);
}
