/**
 * What a later version may do: every object that this process answers, at whatever depth, has a member more. Loaded by
 * `NODE_OPTIONS=--import`, before anything else of the process.
 */
import { type OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { Tally } from '../../../src/feed/tally.ts';
import { WireAnswer } from '../../../src/gate/listeners/http/wire/answer.ts';

/** Members that hold what users name themselves: what is added there would be a value of theirs. */
const free = new Set(['data', 'body', 'detail', 'expected', 'found']);

function more(value: unknown, name = ''): unknown {
  if (free.has(name) || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => more(item));
  const entries = Object.entries(value).map(([key, member]) => [key, more(member, key)] as const);
  // By the attributes' names.
  const isRecord = name === 'attributes';
  return Object.fromEntries(isRecord ? entries : [...entries, ['laterMember', { laterMember: [1, 'two'] }]]);
}

const moreOf = (line: string) => (line.trim() === '' ? line : JSON.stringify(more(JSON.parse(line))));

/** A line of a response; a beat of the feed says what its connection carried, as this version would. */
function lineOf(line: string, { tally }: Held): string {
  const value = JSON.parse(line) as { type?: string; sent?: object };
  if (value.type === 'beat') value.sent = tally.now();
  const text = JSON.stringify(more(value));
  tally.add(`${text}\n`);
  return text;
}

/** Of a response in JSON: what has come and is not whole yet, whether each line is whole by itself, and what was sent. */
interface Held {
  text: string;
  byLine: boolean;
  tally: Tally;
}
/** What is asked of an answer by either of the two that write one: Node's, and that of a gate's own door. */
interface Response {
  writeHead(...given: unknown[]): unknown;
  write(chunk: unknown, ...rest: unknown[]): boolean;
  end(...given: unknown[]): unknown;
  getHeader?(name: string): unknown;
  removeHeader?(name: string): void;
}
const begun = new WeakMap<Response, Held>();

/** What is whole of what was written, with more in it. */
function whole(response: Response, chunk: unknown): string {
  const held = begun.get(response) as Held;
  const text = held.text + (typeof chunk === 'string' ? chunk : Buffer.from(chunk as Uint8Array).toString());
  const until = held.byLine ? text.lastIndexOf('\n') + 1 : 0;
  held.text = text.slice(until);
  return text.slice(0, until).replaceAll(/[^\n]+/g, (line) => lineOf(line, held));
}

function addMembers(prototype: Response): void {
  const { writeHead, write, end } = prototype;
  prototype.writeHead = function (this: Response, ...given: unknown[]) {
    const headers = given.find((argument) => typeof argument === 'object') as OutgoingHttpHeaders | undefined;
    const type = String(headers?.['content-type'] ?? this.getHeader?.('content-type'));
    if (/json/.test(type)) {
      begun.set(this, { text: '', byLine: /ndjson/.test(type), tally: new Tally() });
      if (headers) delete headers['content-length'];
      this.removeHeader?.('content-length');
    }
    return writeHead.apply(this, given);
  };
  prototype.write = function (this: Response, chunk: unknown, ...rest: unknown[]) {
    const text = begun.has(this) ? whole(this, chunk) : chunk;
    return text === '' ? true : write.call(this, text, ...rest);
  };
  prototype.end = function (this: Response, ...given: unknown[]) {
    const held = begun.get(this);
    if (!held) return end.apply(this, given);
    const [chunk, ...rest] = typeof given[0] === 'function' ? ['', given[0]] : [given[0] ?? '', ...given.slice(1)];
    const text = whole(this, chunk) + moreOf(held.text);
    begun.delete(this);
    return end.call(this, text, ...rest);
  };
}

for (const prototype of [ServerResponse.prototype, WireAnswer.prototype]) addMembers(prototype as unknown as Response);
