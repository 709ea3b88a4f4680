import { isUtf8 } from 'node:buffer';
import { type ClockState, type ReasonCode, ReservedMembers, readingBounds } from '@portcullis/contract';

/** The readings of one request, column by column, as a sink takes them. */
export interface Readings {
  ids: string[];
  /** The device gave the id. */
  given: boolean[];
  deviceTimes: (number | null)[];
  clocks: ClockState[];
  /** What is judged. */
  data: Record<string, unknown>[];
  /** The same as text: what is judged is what is stored. */
  texts: string[];
}

export interface Unreadable {
  reason: Extract<ReasonCode, 'reading_malformed' | 'reading_too_large' | 'reserved_member_misused'>;
  detail: string;
  line?: number;
}

export type MediaType = 'application/json' | 'application/x-ndjson';

const depthMax = 32;

/** Undefined: neither of the two, or with another character set. */
export function mediaTypeOf(header: string | undefined): MediaType | undefined {
  if (header === 'application/json' || header === 'application/x-ndjson') return header;
  const [type, ...parameters] = (header ?? '').split(';').map((part) => part.trim().toLowerCase());
  const known = type === 'application/json' || type === 'application/x-ndjson' ? type : undefined;
  return parameters.every((parameter) => /^charset="?utf-8"?$/.test(parameter)) ? known : undefined;
}

/** All or nothing: the first line that is not a reading is named. `makeId` gives those an id that came without. */
export function parseReadings(body: Buffer, type: MediaType, makeId: () => string): Readings | Unreadable {
  if (!isUtf8(body)) return { reason: 'reading_malformed', detail: 'the body is not UTF-8' };
  const text = body.toString('utf8');
  const readings: Readings = { ids: [], given: [], deviceTimes: [], clocks: [], data: [], texts: [] };
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
  const parsed = parseObject(text);
  if (typeof parsed === 'string') return { reason: 'reading_malformed', detail: parsed };
  return takeApart(parsed, text, readings, makeId);
}

function parseObject(text: string): Record<string, unknown> | string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return (error as Error).message.slice(0, 200);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return 'a reading must be a JSON object';
  if (!isWithin(parsed, depthMax)) return `a reading is nested deeper than ${depthMax} levels`;
  return parsed as Record<string, unknown>;
}

function isWithin(value: object, depth: number): boolean {
  if (depth === 0) return false;
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null && !isWithin(member, depth - 1)) return false;
  }
  return true;
}

/** Reserved members go to their columns; what is left is the data. */
function takeApart(
  data: Record<string, unknown>,
  text: string,
  readings: Readings,
  makeId: () => string,
): Unreadable | undefined {
  const names = Object.keys(data).filter((name) => name.charCodeAt(0) === underscore);
  let reserved: ReturnType<typeof ReservedMembers.parse> = {};
  if (names.length > 0) {
    const misused = misuse(Object.fromEntries(names.map((name) => [name, data[name]])));
    if (typeof misused === 'string') return { reason: 'reserved_member_misused', detail: misused };
    reserved = misused;
    for (const name of names) delete data[name];
  }
  readings.ids.push(reserved._id ?? makeId());
  readings.given.push(reserved._id !== undefined);
  readings.deviceTimes.push(reserved._time === undefined ? null : Date.parse(reserved._time));
  readings.clocks.push(reserved._clock ?? 'unknown');
  readings.data.push(data);
  readings.texts.push(inexact.test(text) ? exactText(text) : JSON.stringify(data));
  return undefined;
}

const underscore = 0x5f;

function misuse(members: Record<string, unknown>): ReturnType<typeof ReservedMembers.parse> | string {
  const unknown = Object.keys(members).find((name) => !Object.hasOwn(ReservedMembers.shape, name));
  if (unknown !== undefined) {
    return `the member "${unknown.slice(0, 64)}" is unknown; reserved are [${Object.keys(ReservedMembers.shape).join(', ')}]`;
  }
  const parsed = ReservedMembers.safeParse(members);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  return `${issue?.path.join('.')}: ${issue?.message}`;
}

/** Numbers that a double may not hold as they were written (RFC 8259 §6). */
const inexact = /\d{16}|\d[eE]/;

/** The data as text with each number as the device wrote it. */
function exactText(text: string): string {
  const asWritten = (_name: string, value: unknown, context: { source?: string }) =>
    typeof value === 'number' && context.source !== undefined ? rawJson(context.source) : value;
  const exact = JSON.parse(text, asWritten as (name: string, value: unknown) => unknown) as Record<string, unknown>;
  for (const name of Object.keys(exact)) if (name.charCodeAt(0) === underscore) delete exact[name];
  return JSON.stringify(exact);
}

/** ECMAScript's "JSON.parse source text access", which the type library does not know yet. */
const { rawJSON: rawJson } = JSON as unknown as { rawJSON(source: string): unknown };
