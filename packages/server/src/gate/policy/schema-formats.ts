import type { Ajv } from 'ajv';
import ajvFormats from 'ajv-formats';

type Check = (text: string) => boolean;

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** ajv-formats' own for these; what is not here was measured to be slow, or checks nothing. */
const borrowed = (name: Parameters<typeof ajvFormats.default.get>[0]): Check => {
  const format = ajvFormats.default.get(name, 'full');
  const check = typeof format === 'object' && 'validate' in format ? format.validate : format;
  return check instanceof RegExp ? (text) => check.test(text) : (check as Check);
};

/** A text that is longer than any of its format is none, and no expression meets it. Other bounds are those of a reading. */
const textFormats: ReadonlyMap<string, { lengthMax: number; check: Check }> = new Map([
  ['date', { lengthMax: 10, check: borrowed('date') }],
  ['time', { lengthMax: 64, check: borrowed('time') }],
  ['date-time', { lengthMax: 64, check: borrowed('date-time') }],
  ['iso-time', { lengthMax: 64, check: borrowed('iso-time') }],
  ['iso-date-time', { lengthMax: 64, check: borrowed('iso-date-time') }],
  ['duration', { lengthMax: 64, check: borrowed('duration') }],
  ['uuid', { lengthMax: 45, check: borrowed('uuid') }],
  ['ipv4', { lengthMax: 15, check: borrowed('ipv4') }],
  ['ipv6', { lengthMax: 45, check: borrowed('ipv6') }],
  // RFC 1035 §2.3.4, and a dot at the end.
  ['hostname', { lengthMax: 254, check: borrowed('hostname') }],
  // RFC 5321 §4.5.3.1: 64 octets before the "@", 255 after it.
  ['email', { lengthMax: 320, check: borrowed('email') }],
  ['uri', { lengthMax: 65_536, check: borrowed('uri') }],
  ['uri-reference', { lengthMax: 65_536, check: borrowed('uri-reference') }],
  ['json-pointer', { lengthMax: 65_536, check: borrowed('json-pointer') }],
  ['relative-json-pointer', { lengthMax: 65_536, check: borrowed('relative-json-pointer') }],
  ['byte', { lengthMax: 65_536, check: (text) => base64.test(text) }],
]);

const numberFormats: ReadonlyMap<string, (value: number) => boolean> = new Map([
  ['int32', (value) => Number.isInteger(value) && Math.abs(value + 0.5) < 2 ** 31],
  ['int64', (value) => Number.isInteger(value)],
]);

export const formatNames: readonly string[] = [...textFormats.keys(), ...numberFormats.keys()];

export function addFormats(ajv: Ajv): void {
  for (const [name, { lengthMax, check }] of textFormats) {
    ajv.addFormat(name, { validate: (text: string) => text.length <= lengthMax && check(text) });
  }
  for (const [name, validate] of numberFormats) ajv.addFormat(name, { type: 'number', validate });
}
