import { timestamp } from '../../telemetry/telemetry.ts';

/** RFC 3339 §5.6, with as many digits as a nanosecond has. */
const form = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/**
 * A time as nanoseconds since 1970; undefined: it is none. Two senders write the same instant with other offsets and other numbers of digits,
 * and as text `38.5Z` sorts before `38Z`.
 */
export function readTime(text: string): bigint | undefined {
  const [, date, time, fraction = '', offset = ''] = form.exec(text) ?? [];
  const local = Date.parse(`${date}T${time}Z`);
  // 30 February is taken for 2 March by the parser, and 24:00:00 for the next day.
  if (Number.isNaN(local) || !timestamp(local).startsWith(`${date}T${time}`)) return undefined;
  return BigInt(local - offsetMs(offset)) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}

function offsetMs(offset: string): number {
  if (/^z$/i.test(offset)) return 0;
  const [hours = 0, minutes = 0] = offset.slice(1).split(':').map(Number);
  return (offset.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

/** What Go writes for "no time". */
const never = readTime('0001-01-01T00:00:00Z');

/** Null: there is none. Undefined: there is one that can not be read. */
export function readOptionalTime(text: string | undefined): bigint | null | undefined {
  if (text === undefined || text === '') return null;
  const time = readTime(text);
  return time === never ? null : time;
}
