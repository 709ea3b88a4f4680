import { Ajv, type AnySchema, type ErrorObject, type Options } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { addMultipleOf } from './exact-multiple.ts';
import { LinearExpressions, TooMuchText } from './linear-expression.ts';
import { requireBounds } from './schema-bounds.ts';
import { addFormats } from './schema-formats.ts';

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

/**
 * `ownProperties`: what every object inherits is no member of a reading. `allowMatchingProperties`: to forbid them, ajv would match
 * the schema's names by native expressions.
 */
const options: Options = {
  ...{ strictTypes: false, strictRequired: false, strictTuples: false, validateFormats: true, logger: false },
  ...{ ownProperties: true, allowMatchingProperties: true },
};

/** Throws an Error that says what is wrong with the schema: unknown keywords, formats and references are. */
export function compileReadingSchema(schema: JsonSchema): ReadingSchema {
  requireBounds(schema);
  const expressions = new LinearExpressions();
  const declared = typeof schema === 'object' ? String(schema.$schema ?? '') : '';
  const all: Options = { ...options, code: { regExp: expressions.factory } };
  const ajv = draft7.test(declared) ? new Ajv(all) : new Ajv2020(all);
  addFormats(ajv);
  addMultipleOf(ajv);
  const validate = ajv.compile(schema as AnySchema);
  return {
    mismatchOf(reading) {
      expressions.refill();
      try {
        // A promise is no verdict.
        if ((validate(reading) as unknown) === true) return undefined;
      } catch (error) {
        return uncheckable(error, reading);
      }
      const [error] = validate.errors ?? [];
      return error ? mismatchFrom(error, reading) : uncheckable(undefined, reading);
    },
  };
}

function mismatchFrom({ instancePath: path, message = '', keyword, params }: ErrorObject, reading: unknown): Mismatch {
  return { path, must: message, expected: { [keyword]: params }, found: valueAt(reading, path) };
}

/**
 * What can not be determined is refused (P4), and stops nothing: ajv throws where a member of the reading is called `valueOf` and
 * is compared with an object of the schema.
 */
function uncheckable(error: unknown, reading: unknown): Mismatch {
  const why = error instanceof TooMuchText ? `: ${error.message}` : '';
  return { path: '', must: `can not be checked${why}`, expected: null, found: reading };
}

function valueAt(reading: unknown, path: string): unknown {
  const names = path.split('/').slice(1);
  const unescaped = names.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
  return unescaped.reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], reading);
}
