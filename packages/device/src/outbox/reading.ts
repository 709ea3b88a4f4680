import { isUtf8 } from 'node:buffer';
import { type ClockState, PortcullisError, ReservedMembers, readingBounds, readJson } from '@portcullis/contract';

/** What a reading may be given besides its data; what is not given is made. */
export interface Given {
  id?: string;
  /** RFC 3339. */
  time?: string;
  /** Its number within the run: how far it is in what was taken, so that a missing one is seen. The outbox gives it. */
  sequence?: number;
  run?: string;
}

/** A reading as it was written: its data is a text, so that each digit arrives as it is. */
export interface Written {
  text: string;
  given: Given;
}

/** What each reading that waits has: its id and time are fixed when it is put, so that every retry is the same reading. */
export interface Stamp {
  id: string;
  time: string;
  clock: ClockState;
  sequence?: number | undefined;
  run?: string | undefined;
}

export interface Numbered {
  run: string;
  sequence: number;
}

/** @throws {PortcullisError} `usage`: no gate would ever take such a reading */
export function writeReading(data: Record<string, unknown>, given: Given): Written {
  const { text, names } = objectIn(JSON.stringify(data));
  requireNames(names, []);
  requireGiven(given);
  return { text, given };
}

/** One line of JSON: its `_id` and `_time` are the reading's own, and a number that it had before. @throws {PortcullisError} `usage` */
export function parseLine(line: string | Buffer): Written {
  if (typeof line !== 'string' && !isUtf8(line)) throw new PortcullisError('usage', 'this is not UTF-8');
  const { text, names, value } = objectIn(line.toString());
  requireNames(names, ['_id', '_time', '_sequence', '_run']);
  const { _id: id, _time: time, _sequence: sequence, _run: run } = value;
  const given = Object.fromEntries(
    Object.entries({ id, time, sequence, run }).filter(([, own]) => own !== undefined),
  ) as Given;
  requireGiven(given);
  return { text, given };
}

/** The line that a gate gets. It begins with what no device writes into its data. @throws {PortcullisError} `usage` (too large) */
export function lineOf(text: string, { id, time, clock, sequence, run = noRun }: Stamp): string {
  const head = `${lineStart}${clock}","_id":"${id}","_time":"${time}"`;
  const plain = text === '{}' ? `${head}}` : `${head},${text.slice(1)}`;
  const line = sequence === undefined ? plain : numbered(plain, { run, sequence });
  const bytes = Buffer.byteLength(plain) + longestNumberBytes;
  if (bytes <= readingBounds.readingBytesMax) return line;
  const message = `the reading has ${bytes} bytes with its id, time and number; a gate takes at most ${readingBounds.readingBytesMax}`;
  throw new PortcullisError('usage', message);
}

/** Before it is put: that it fits with the longest stamp that it can get. @throws {PortcullisError} `usage` */
export function requireFits({ text, given }: Written): void {
  if (text.length < readingBounds.readingBytesMax / 4) return;
  lineOf(text, { id: given.id ?? longestId, time: given.time ?? longestTime, clock: 'unsynchronized' });
}

/** The line with its number behind the state of the clock. */
export function numbered(line: string, { run, sequence }: Numbered): string {
  const at = line.indexOf('"', lineStart.length) + 1;
  return `${line.slice(0, at)},"_sequence":${sequence},"_run":"${run}"${line.slice(at)}`;
}

/** That of a line, or of its beginning. */
export function numberIn(line: string): Numbered | undefined {
  const [, sequence, run] = lineNumber.exec(line) ?? [];
  return sequence === undefined || run === undefined ? undefined : { run, sequence: Number(sequence) };
}

/** The line as it is for a gate that knows of no numbers. */
export function unnumbered(line: string): string {
  const found = lineNumber.exec(line)?.[0];
  return found === undefined ? line : found.slice(0, found.indexOf(',')) + line.slice(found.length);
}

/** No device writes into its data what a line begins with. */
const lineNumber = /^\{"_clock":"[a-z]+","_sequence":(\d{1,16}),"_run":"([A-Za-z0-9_-]{1,32})"/;

const lineId =
  /^\{"_clock":"[a-z]+",(?:"_sequence":\d{1,16},"_run":"[A-Za-z0-9_-]{1,32}",)?"_id":"([A-Za-z0-9._:-]{1,128})"/;

/** The run of a number that came without one. */
const noRun = '0';
const longestNumberBytes = `,"_sequence":${Number.MAX_SAFE_INTEGER},"_run":""`.length + 32;

const longestId = 'x'.repeat(40);
const longestTime = '2026-11-23T12:00:00.000Z';

const lineStart = '{"_clock":"';

/** What an outbox holds is the line itself; one of version 0.1.0 holds its parts. */
export function lineIn(payload: string): string {
  if (payload.startsWith(lineStart)) return payload;
  const { data, id, time, clock } = JSON.parse(payload) as Stamp & { data: Record<string, unknown> };
  return JSON.stringify({ ...data, _id: id, _time: time, _clock: clock });
}

/** Of a line that an outbox holds. */
export function idIn(line: string): string {
  const [, id] = lineId.exec(line) ?? [];
  return id ?? (JSON.parse(line) as { _id: string })._id;
}

function objectIn(text: string): { text: string; names: string[]; value: Record<string, unknown> } {
  const json = readJson(text);
  if ('refused' in json) {
    const why = json.why === 'syntax' ? 'this is not JSON; each line must be one JSON object' : json.refused;
    throw new PortcullisError('usage', why);
  }
  if (typeof json.value !== 'object' || json.value === null || Array.isArray(json.value)) {
    throw new PortcullisError('usage', 'this is not a JSON object; each line must be one');
  }
  const value = json.value as Record<string, unknown>;
  const names = Object.keys(value).filter((name) => name.startsWith('_'));
  return { text: names.length === 0 ? json.compact() : json.without(isReserved), names, value };
}

const isReserved = (name: string) => name.startsWith('_');

function requireNames(names: string[], allowed: string[]): void {
  const reserved = names.find((name) => !allowed.includes(name));
  if (reserved === undefined) return;
  const message = `member "${reserved}" begins with "_", which is reserved; allowed are ${allowed.join(', ')}`;
  throw new PortcullisError('usage', message);
}

function requireGiven({ id, time, sequence, run }: Given): void {
  const parsed = ReservedMembers.safeParse({ _id: id, _time: time, _sequence: sequence, _run: run });
  if (parsed.success) return;
  const [issue] = parsed.error.issues;
  throw new PortcullisError('usage', `member "${String(issue?.path[0])}": ${issue?.message}`);
}
