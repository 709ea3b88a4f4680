import { z } from 'zod';
import { PortcullisError } from './errors.ts';
import { isExactNumber, prototypeName, readExactJson } from './exact-number.ts';
import { oneOf } from './one-of.ts';

export const AttributeName = z
  .string()
  .regex(/^[a-zA-Z][a-zA-Z0-9_.-]{0,62}$/, 'must match [a-zA-Z][a-zA-Z0-9_.-]{0,62}')
  .refine((name) => name !== '__proto__' && name !== 'constructor' && name !== 'prototype', 'is reserved')
  .brand<'AttributeName'>();
export type AttributeName = z.infer<typeof AttributeName>;

export const AttributeType = oneOf(['string', 'number', 'boolean']);
export type AttributeType = z.infer<typeof AttributeType>;

export const attributeTextLengthMax = 1024;
export const AttributeValue = z.union([z.string().max(attributeTextLengthMax), z.number(), z.boolean()], {
  error: `must be a string of at most ${attributeTextLengthMax} characters, a number, true or false`,
});
export type AttributeValue = z.infer<typeof AttributeValue>;

export const Visibility = oneOf(['private', 'public']);
export type Visibility = z.infer<typeof Visibility>;

export interface Assignment {
  name: string;
  value: unknown;
  /** It looks like a number and would not come back as it was written: the text is taken. */
  asText: boolean;
}

/**
 * `K=V` of the command line. What a value is, the name's type says (`typeOf`); where it has none yet, true|false is a boolean, a
 * number that would be written again as it is given is one, anything else is a string. `K:=JSON` forces.
 * @throws {PortcullisError} `usage`
 */
export function parseAssignment(word: string, typeOf?: (name: string) => AttributeType | undefined): Assignment {
  const [, name, forced, text] = /^([^=:]+)(:?)=(.*)$/s.exec(word) ?? /^([^=]+)()=(.*)$/s.exec(word) ?? [];
  if (name === undefined || text === undefined) {
    throw new PortcullisError('usage', `"${word}" is not an assignment; it must be K=V, or K:=JSON`);
  }
  if (name === prototypeName) throw new PortcullisError('usage', `attribute "${name}": is reserved`);
  if (forced) return { name, value: forcedValue(name, text), asText: false };
  return { name, ...plainValue(text, typeOf?.(name)) };
}

function forcedValue(name: string, text: string): unknown {
  const read = readExactJson(text);
  if (!('refused' in read)) return read.value;
  const advice = read.why === 'syntax' ? ' (a string is "in quotes")' : '';
  throw new PortcullisError('usage', `"${name}:=": ${read.refused}${advice}`);
}

function plainValue(text: string, type: AttributeType | undefined): { value: AttributeValue; asText: boolean } {
  if (type === 'string') return { value: text, asText: false };
  if (text === 'true' || text === 'false') return { value: text === 'true', asText: false };
  // RFC 8259 §6: the grammar of a JSON number.
  const isNumber = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text) && isExactNumber(text);
  if (isNumber && (type === 'number' || String(Number(text)) === text)) return { value: Number(text), asText: false };
  return { value: text, asText: /^[+-]?\d*\.?\d+([eE][+-]?\d+)?$/.test(text) };
}
