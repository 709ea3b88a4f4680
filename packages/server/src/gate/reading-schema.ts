import { Ajv, type AnySchema, type ErrorObject, type Options } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import ajvFormats from 'ajv-formats';
import { RE2JS } from 're2js';

export type JsonSchema = Record<string, unknown> | boolean;

/** Where a reading departs from its schema. */
export interface Mismatch {
  /** A JSON Pointer into the reading; empty: the reading itself (RFC 6901). */
  path: string;
  /** What must be so, in words. */
  must: string;
  /** The keyword of the schema with its value. */
  expected: unknown;
  found: unknown;
}

export interface ReadingSchema {
  /** Undefined: it matches. */
  mismatchOf(reading: unknown): Mismatch | undefined;
}

const draft7 = /draft-07/;
/** Comparing each with each is quadratic: a list must say how long it may be first. */
const uniqueItemsMax = 1_000;

/** Expressions without backtracking: what a device sends is matched in linear time. */
function compileExpression(pattern: string): { test(text: string): boolean; toString(): string } {
  const compiled = RE2JS.compile(pattern);
  // ajv tells expressions apart by this text.
  return { test: (text) => compiled.matcher(text).find(), toString: () => pattern };
}
const regExp = Object.assign(compileExpression, { code: 'linear' }) as unknown as NonNullable<
  Options['code']
>['regExp'];

const options: Options = {
  ...{ strictTypes: false, strictRequired: false, strictTuples: false, validateFormats: true, logger: false },
  code: { ...(regExp && { regExp }) },
};

/** Throws an Error that says what is wrong with the schema: unknown keywords, formats and references are. */
export function compileReadingSchema(schema: JsonSchema): ReadingSchema {
  requireBoundedLists(schema, '#');
  const declared = typeof schema === 'object' ? String(schema.$schema ?? '') : '';
  const ajv = draft7.test(declared) ? new Ajv(options) : new Ajv2020(options);
  ajvFormats.default(ajv, { mode: 'fast' });
  const validate = ajv.compile(schema as AnySchema);
  return {
    mismatchOf(reading) {
      if (validate(reading)) return undefined;
      const [error] = validate.errors ?? [];
      return error && mismatchFrom(error, reading);
    },
  };
}

function mismatchFrom({ instancePath: path, message = '', keyword, params }: ErrorObject, reading: unknown): Mismatch {
  return { path, must: message, expected: { [keyword]: params }, found: valueAt(reading, path) };
}

function valueAt(reading: unknown, path: string): unknown {
  const names = path.split('/').slice(1);
  const unescaped = names.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
  return unescaped.reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], reading);
}

function requireBoundedLists(schema: unknown, path: string): void {
  if (typeof schema !== 'object' || schema === null) return;
  const { uniqueItems, maxItems } = schema as { uniqueItems?: unknown; maxItems?: unknown };
  if (uniqueItems === true && !(typeof maxItems === 'number' && maxItems <= uniqueItemsMax)) {
    throw new Error(`${path}: "uniqueItems" needs "maxItems" of at most ${uniqueItemsMax} beside it`);
  }
  for (const [name, member] of Object.entries(schema)) requireBoundedLists(member, `${path}/${name}`);
}
