import { existsSync } from 'node:fs';
import { inexactNumberWords, isExactNumber, PortcullisError, prototypeName } from '@portcullis/contract';
import { closest } from 'fastest-levenshtein';
import { type Document, isNode, isScalar, LineCounter, parseDocument, type Scalar, visit } from 'yaml';
import { z } from 'zod';
import { readRegular, textOf } from './regular-file.ts';

const fileBytesMax = 1024 * 1024;

/** Parses a YAML file by a schema and freezes the result. @throws {PortcullisError} `config_invalid`, `fleet_missing` */
export function readYaml<Shape extends z.ZodType>(file: string, shape: Shape): z.infer<Shape> {
  return readSaid(file, shape).parsed;
}

/** What a YAML file says, by no schema. @throws {PortcullisError} `config_invalid`, `fleet_missing` */
export const saidIn = (file: string): unknown => readSaid(file, z.unknown()).said;

/** The same as `readYaml`, with what the file says before the schema had a word. */
export function readSaid<Shape extends z.ZodType>(
  file: string,
  shape: Shape,
): { said: unknown; parsed: z.infer<Shape> } {
  if (!existsSync(file))
    throw new PortcullisError('fleet_missing', `there is no "${file}"; "portcullis init" makes one`);
  const text = textOf(file, readRegular(file, fileBytesMax));
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const [error] = document.errors;
  if (error) throw invalid(file, lines.linePos(error.pos[0]).line, error.message.split('\n')[0] as string);
  const number = inexactIn(document);
  if (number) throw invalid(file, lines.linePos(number.range?.[0] ?? 0).line, inexactNumberWords(decimalOf(number)));
  const reserved = prototypeKeyIn(document);
  if (reserved) throw invalid(file, lines.linePos(reserved.range?.[0] ?? 0).line, `key "${prototypeName}" is reserved`);
  const said: unknown = document.toJS({ maxAliasCount: 100 }) ?? {};
  const parsed = shape.safeParse(said);
  if (parsed.success) return { said, parsed: frozen(parsed.data) };
  const [issue] = parsed.error.issues;
  const at = lineOf(document, lines, pathOf(issue as z.core.$ZodIssue));
  throw invalid(file, at, sentenceOf(issue as z.core.$ZodIssue, shape));
}

/** What is wrong with the value at a path of a file that was read before, for who finds it later than the schema: with its line. */
export function invalidAt(file: string, path: readonly (string | number)[], why: string): PortcullisError {
  const lines = new LineCounter();
  const document = parseDocument(textOf(file, readRegular(file, fileBytesMax)), { lineCounter: lines });
  return invalid(file, lineOf(document, lines, path), `"${path.join('.')}": ${why}`);
}

function lineOf(document: Document, lines: LineCounter, path: readonly (string | number)[]): number | undefined {
  const node = document.getIn(path, true) ?? document.getIn(path.slice(0, -1), true);
  return isNode(node) && node.range ? lines.linePos(node.range[0]).line : undefined;
}

/** The first number that a double can not hold. */
function inexactIn(document: Document): Scalar | undefined {
  let found: Scalar | undefined;
  visit(document, {
    Scalar(_key, scalar) {
      if (typeof scalar.value !== 'number' || isExactNumber(decimalOf(scalar))) return;
      found = scalar;
      return visit.BREAK;
    },
  });
  return found;
}

/** A key that a schema of names would leave out without a word. */
function prototypeKeyIn(document: Document): Scalar | undefined {
  let found: Scalar | undefined;
  visit(document, {
    Pair(_key, { key }) {
      if (!isScalar(key) || key.value !== prototypeName) return;
      found = key;
      return visit.BREAK;
    },
  });
  return found;
}

/** As JSON would write it: YAML has +1, .5, 5., 0x1F and 0o17 too (YAML 1.2.2 §10.3.2). `.inf` and `.nan` are left to the schema. */
function decimalOf({ source = '' }: Scalar): string {
  if (/^0[xo]/.test(source)) return BigInt(source).toString();
  const [, sign, whole, fraction, exponent = ''] = /^([-+]?)(\d*)\.?(\d*)([eE].*)?$/.exec(source) ?? [];
  return `${sign === '-' ? '-' : ''}${whole || '0'}${fraction ? `.${fraction}` : ''}${exponent}`;
}

function invalid(file: string, line: number | undefined, why: string): PortcullisError {
  return new PortcullisError('config_invalid', `${file}${line === undefined ? '' : `:${line}`}: ${why}`);
}

function pathOf(issue: z.core.$ZodIssue): (string | number)[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  return issue.code === 'unrecognized_keys' ? [...path, issue.keys[0] as string] : path;
}

function sentenceOf(issue: z.core.$ZodIssue, shape: z.ZodType): string {
  const where = pathOf(issue).join('.');
  if (issue.code !== 'unrecognized_keys') return `"${where}": ${issue.message}`;
  const known = keysAt(shape, issue.path);
  const nearest = known.length > 0 ? `; did you mean "${closest(issue.keys[0] as string, known)}"? ` : '; ';
  return `key "${where}" is unknown${nearest}allowed are [${known.join(', ')}]`;
}

interface Inner {
  shape?: Record<string, z.ZodType>;
  innerType?: z.ZodType;
  valueType?: z.ZodType;
  keyType?: { _zod: { def: { entries?: object } } };
  element?: z.ZodType;
  options?: z.ZodType[];
}

/** The keys that the schema knows at a path, through defaults, options, records and lists. */
function keysAt(shape: z.ZodType, path: PropertyKey[]): string[] {
  const inner = shape._zod.def as Inner;
  if (inner.innerType) return keysAt(inner.innerType, path);
  const [first, ...rest] = path;
  if (inner.options) return inner.options.flatMap((option) => keysAt(option, path));
  if (first === undefined) return Object.keys(inner.shape ?? inner.keyType?._zod.def.entries ?? {});
  const next = inner.shape?.[String(first)] ?? inner.valueType ?? inner.element;
  return next ? keysAt(next, rest) : [];
}

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) for (const member of Object.values(value)) frozen(member);
  return Object.freeze(value);
}
