import { isUtf8 } from 'node:buffer';
import { MIMEType } from 'node:util';
import {
  type ClockState,
  inexactNumberIn,
  type JsonText,
  type ReasonCode,
  ReservedMembers,
  readingBounds,
  readJson,
  sequenceRunUsual,
} from '@portcullis/contract';
import { tracedReading } from '../policy/traced-reading.ts';

/** The readings of one request, column by column, as a sink takes them. */
export interface Readings {
  ids: string[];
  /** The device gave the id. */
  given: boolean[];
  deviceTimes: (number | null)[];
  clocks: ClockState[];
  /** Null: the device did not count it. */
  sequences: (number | null)[];
  runs: (string | null)[];
  /** What is judged. */
  data: Record<string, unknown>[];
  /** The same as text, every token as it was sent: this is stored and given back. */
  texts: string[];
}

export interface Unreadable {
  reason: Extract<ReasonCode, 'reading_malformed' | 'reading_too_large' | 'reserved_member_misused'>;
  detail: string;
  line?: number;
}

export type MediaType = 'application/json' | 'application/x-ndjson';

/** Undefined: neither of the two, or with another character set. Other parameters mean nothing to JSON (RFC 8259 §11). */
export function mediaTypeOf(header = ''): MediaType | undefined {
  if (header === 'application/json' || header === 'application/x-ndjson') return header;
  let parsed: MIMEType;
  try {
    parsed = new MIMEType(header);
  } catch {
    return undefined;
  }
  const { essence, params } = parsed;
  const known = essence === 'application/json' || essence === 'application/x-ndjson' ? essence : undefined;
  return /^utf-8$/i.test(params.get('charset') ?? 'utf-8') ? known : undefined;
}

export function noReadings(): Readings {
  return { ids: [], given: [], deviceTimes: [], clocks: [], sequences: [], runs: [], data: [], texts: [] };
}

/** All or nothing: the first line that is not a reading is named. `makeId` gives those an id that came without. */
export function parseReadings(body: Buffer, type: MediaType, makeId: () => string): Readings | Unreadable {
  if (!isUtf8(body)) return { reason: 'reading_malformed', detail: 'the body is not UTF-8' };
  const text = body.toString('utf8');
  const readings = noReadings();
  if (type === 'application/json') return parseReading(text, readings, makeId) ?? readings;
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  if (lines.length === 0) return { reason: 'reading_malformed', detail: 'the body holds no reading' };
  if (lines.length > readingBounds.linesMax) {
    const detail = `the body has ${lines.length} lines; at most ${readingBounds.linesMax} are allowed`;
    return { reason: 'reading_too_large', detail };
  }
  for (const [index, line] of lines.entries()) {
    const unreadable = parseReading(line, readings, makeId);
    if (unreadable) return { ...unreadable, line: index + 1 };
  }
  return readings;
}

function parseReading(text: string, readings: Readings, makeId: () => string): Unreadable | undefined {
  if (text.length > readingBounds.readingBytesMax || Buffer.byteLength(text) > readingBounds.readingBytesMax) {
    const detail = `a reading is larger than ${readingBounds.readingBytesMax} bytes`;
    return { reason: 'reading_too_large', detail };
  }
  const read = readJson(text);
  if ('refused' in read) return { reason: 'reading_malformed', detail: read.refused };
  const { value } = read;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { reason: 'reading_malformed', detail: 'a reading must be a JSON object' };
  }
  return takeApart(read, value as Record<string, unknown>, readings, makeId);
}

/** Reserved members go to their columns; what is left is the data. */
function takeApart(
  read: JsonText,
  members: Record<string, unknown>,
  readings: Readings,
  makeId: () => string,
): Unreadable | undefined {
  const names = Object.keys(members);
  let [data, text]: [Record<string, unknown>, string | undefined] = [members, undefined];
  let reserved: ReturnType<typeof ReservedMembers.parse> = {};
  if (names.some(isReserved)) {
    const taken: Record<string, unknown> = {};
    data = {};
    for (const name of names) {
      if (!isReserved(name)) data[name] = members[name];
      else if (Object.hasOwn(ReservedMembers.shape, name)) taken[name] = members[name];
      else return { reason: 'reserved_member_misused', detail: unknownMember(name) };
    }
    const misused = misuse(taken);
    if (typeof misused === 'string') return { reason: 'reserved_member_misused', detail: misused };
    [reserved, text] = [misused, read.without(isReserved)];
  }
  text ??= read.compact();
  readings.ids.push(reserved._id ?? makeId());
  readings.given.push(reserved._id !== undefined);
  readings.deviceTimes.push(reserved._time === undefined ? null : Date.parse(reserved._time));
  readings.clocks.push(reserved._clock ?? 'unknown');
  readings.sequences.push(reserved._sequence ?? null);
  readings.runs.push(reserved._sequence === undefined ? null : (reserved._run ?? sequenceRunUsual));
  readings.data.push(inexactNumberIn(text) === undefined ? data : tracedReading(text));
  readings.texts.push(text);
  return undefined;
}

const underscore = 0x5f;
const isReserved = (name: string) => name.charCodeAt(0) === underscore;

const unknownMember = (name: string) =>
  `the member "${name.slice(0, 64).toWellFormed()}" is unknown; reserved are [${Object.keys(ReservedMembers.shape).join(', ')}]`;

function misuse(members: Record<string, unknown>): ReturnType<typeof ReservedMembers.parse> | string {
  const parsed = ReservedMembers.safeParse(members);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  return `${issue?.path.join('.')}: ${issue?.message}`;
}
