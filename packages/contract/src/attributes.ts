import { z } from 'zod';

export const AttributeName = z
  .string()
  .regex(/^[a-zA-Z][a-zA-Z0-9_.-]{0,62}$/, 'must match [a-zA-Z][a-zA-Z0-9_.-]{0,62}')
  .refine((name) => name !== '__proto__' && name !== 'constructor' && name !== 'prototype', 'is reserved')
  .brand<'AttributeName'>();
export type AttributeName = z.infer<typeof AttributeName>;

export const AttributeType = z.enum(['string', 'number', 'boolean']);
export type AttributeType = z.infer<typeof AttributeType>;

export const attributeTextLengthMax = 1024;
export const AttributeValue = z.union([z.string().max(attributeTextLengthMax), z.number(), z.boolean()]);
export type AttributeValue = z.infer<typeof AttributeValue>;

export const Visibility = z.enum(['private', 'public']);
export type Visibility = z.infer<typeof Visibility>;

/** `K=V` of the command line: true|false is a boolean, a JSON number is a number, anything else a string; `K:=JSON` forces. */
export function parseAssignment(text: string): { name: string; value: unknown } | undefined {
  const forced = /^([^=:]+):=(.*)$/s.exec(text);
  if (forced) {
    try {
      return { name: forced[1] as string, value: JSON.parse(forced[2] as string) as unknown };
    } catch {
      return undefined;
    }
  }
  const plain = /^([^=]+)=(.*)$/s.exec(text);
  return plain ? { name: plain[1] as string, value: plainValue(plain[2] as string) } : undefined;
}

function plainValue(text: string): AttributeValue {
  if (text === 'true' || text === 'false') return text === 'true';
  // RFC 8259 §6: the grammar of a JSON number; "007" and "0x10" stay strings.
  return /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text) && Number.isFinite(Number(text)) ? Number(text) : text;
}
