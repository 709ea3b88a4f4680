import { type ClockState, type ReasonCode, ReservedMembers, readingBounds } from '@portcullis/contract';

export interface ParsedReading {
  /** Undefined: the gate makes one. */
  id: string | undefined;
  /** Milliseconds since 1970. */
  deviceTime: number | null;
  clock: ClockState;
  value: Record<string, unknown>;
  /** The same as JSON text. */
  data: string;
  /** Its line of an NDJSON body, from 1. */
  line?: number;
}

export interface BodyRefused {
  reason: Extract<ReasonCode, 'reading_malformed' | 'reading_too_large' | 'reserved_member_misused'>;
  detail: string;
  /** From 1; for NDJSON alone. */
  line?: number;
}

export type ParsedBody = { readings: ParsedReading[] } | { refused: BodyRefused };

/** One reading as JSON. */
export function parseOne(body: Buffer): ParsedBody {
  const parsed = parseReading(body.toString('utf8'), body.length);
  return 'reason' in parsed ? { refused: parsed } : { readings: [parsed] };
}

/** Many as NDJSON: all of them, or the first line that is refused. Empty lines are passed over. */
export function parseMany(body: Buffer): ParsedBody {
  const readings: ParsedReading[] = [];
  let line = 0;
  for (const text of body.toString('utf8').split('\n')) {
    line++;
    if (text === '' || text.trim() === '') continue;
    if (readings.length >= readingBounds.linesMax) {
      return {
        refused: { reason: 'reading_too_large', detail: `at most ${readingBounds.linesMax} lines are allowed`, line },
      };
    }
    const parsed = parseReading(text, Buffer.byteLength(text));
    if ('reason' in parsed) return { refused: { ...parsed, line } };
    parsed.line = line;
    readings.push(parsed);
  }
  if (readings.length > 0) return { readings };
  return { refused: { reason: 'reading_malformed', detail: 'the body holds no reading' } };
}

function parseReading(text: string, bytes: number): ParsedReading | BodyRefused {
  if (bytes > readingBounds.readingBytesMax) {
    const detail = `the reading has ${bytes} bytes; at most ${readingBounds.readingBytesMax} are allowed`;
    return { reason: 'reading_too_large', detail };
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { reason: 'reading_malformed', detail: 'this is not JSON' };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { reason: 'reading_malformed', detail: 'a reading must be a JSON object' };
  }
  const members = value as Record<string, unknown>;
  const reserved = Object.keys(members).filter((name) => name.startsWith('_'));
  if (reserved.length === 0)
    return { id: undefined, deviceTime: null, clock: 'unknown', value: members, data: text.trim() };
  return takeReserved(members, reserved);
}

function takeReserved(members: Record<string, unknown>, names: string[]): ParsedReading | BodyRefused {
  const parsed = ReservedMembers.safeParse(Object.fromEntries(names.map((name) => [name, members[name]])));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const name = issue?.path[0] ?? (issue as { keys?: string[] } | undefined)?.keys?.[0] ?? names[0];
    const detail = `member "${String(name)}": ${issue?.message ?? 'is not allowed'}; allowed are _id, _time (RFC 3339) and _clock`;
    return { reason: 'reserved_member_misused', detail };
  }
  const value = Object.fromEntries(Object.entries(members).filter(([name]) => !name.startsWith('_')));
  const { _id: id, _time: time, _clock: clock = 'unknown' } = parsed.data;
  return { id, deviceTime: time === undefined ? null : Date.parse(time), clock, value, data: JSON.stringify(value) };
}
