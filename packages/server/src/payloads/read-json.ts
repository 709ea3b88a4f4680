import { isUtf8 } from 'node:buffer';
import { readJson } from '@portcullis/contract';
import { type Item, type Members, Numeral } from './item.ts';
import { Unmappable } from './unmappable.ts';

/** JSON with its numbers as they were written. Throws `Unmappable`. */
export function readJsonItem(bytes: Buffer): Item {
  if (!isUtf8(bytes)) throw new Unmappable('it is not UTF-8');
  const text = bytes.toString('utf8');
  const read = readJson(text);
  if ('refused' in read) throw new Unmappable(read.refused);
  const exact = (_name: string, value: unknown, context: { source?: string }) =>
    typeof value === 'number' ? new Numeral(context.source ?? '') : value;
  // The type library does not know ECMAScript's "JSON.parse source text access" yet.
  return itemOf(JSON.parse(text, exact as (name: string, value: unknown) => unknown));
}

function itemOf(value: unknown): Item {
  if (Array.isArray(value)) return value.map(itemOf);
  if (typeof value !== 'object' || value === null || value instanceof Numeral) return value as Item;
  const members: Members = new Map();
  for (const [name, member] of Object.entries(value)) members.set(name, itemOf(member));
  return members;
}
