import { type CelInput, celEnv, celMap, isCelError, parse, plan } from '@bufbuild/cel';
import { type AttributeValue, inexactNumberWords, isExactNumber, type Kind } from '@portcullis/contract';
import { anatomyOf } from './anatomy.ts';
import { requireEvaluable } from './expression-types.ts';
import { plainComparison } from './plain-comparisons.ts';

/** What an expression can see. */
export interface Facts {
  subject: { id: string; kind: Kind };
  attribute(name: string): AttributeValue | undefined;
  reading?: Record<string, unknown> | undefined;
}

export interface Condition {
  readonly text: string;
  /** It looks at the reading: another reading may fare otherwise. */
  readonly readsReading: boolean;
  /** The attributes that it names: each must be set. */
  readonly attributes: readonly string[];
  /** `failed`: it could not be evaluated, which never admits. */
  evaluate(facts: Facts): 'met' | 'not_met' | { failed: string };
}

const textLengthMax = 2_000;

/** Compiles a CEL expression (https://cel.dev). Throws an Error that says what is wrong with it. */
export function compileCondition(text: string): Condition {
  const parsed = parsedExactly(text);
  const anatomy = anatomyOf(parsed, { variables: ['reading', 'subject', 'attributes'] });
  requireEvaluable(parsed);
  const run = plan(celEnv(), parsed);
  const attributes = [...anatomy.attributes];
  const plain = plainComparison(parsed.expr);
  return {
    text,
    readsReading: anatomy.variables.has('reading'),
    attributes,
    evaluate({ subject, attribute, reading }) {
      const compared = reading && plain?.(reading);
      if (compared !== undefined) return compared ? 'met' : 'not_met';
      const values = new Map(attributes.map((name) => [name, attribute(name) as CelInput]));
      const result = run({ subject: celValue(subject), attributes: values, reading: celValue(reading ?? {}) });
      if (isCelError(result)) return { failed: result.message };
      if (typeof result !== 'boolean') return { failed: 'the expression gives no boolean' };
      return result ? 'met' : 'not_met';
    },
  };
}

export function parsedExactly(text: string): ReturnType<typeof parse> {
  if (text.length > textLengthMax) {
    throw new Error(`the expression has ${text.length} characters; at most ${textLengthMax} are allowed`);
  }
  const parsed = parse(text);
  requireExactNumbers(text);
  return parsed;
}

/** Texts, names, and numbers: what is compared with a double must be one. */
const tokens =
  /[rRbB]{0,2}(?:"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|[A-Za-z_]\w*|0x[\da-fA-F]+|\d[\d.]*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?/g;

function requireExactNumbers(text: string): void {
  for (const [token] of text.matchAll(tokens)) {
    if (!/^[.\d]/.test(token)) continue;
    const number = token.startsWith('0x') ? BigInt(token).toString() : token.replace(/^\./, '0.');
    if (!isExactNumber(number)) throw new Error(inexactNumberWords(number));
  }
}

/** Maps all the way down: a member of a reading can not be taken for a prototype, or for a protobuf message. */
export function celValue(value: unknown): CelInput {
  if (Array.isArray(value)) return value.map(celValue);
  if (typeof value !== 'object' || value === null) return value as CelInput;
  return celMap(new Members(value as Record<string, unknown>) as unknown as ReadonlyMap<string, CelInput>);
}

/** What the library asks of a map. A member is looked at when the expression does, and no earlier. */
class Members {
  readonly #object: Record<string, unknown>;

  constructor(object: Record<string, unknown>) {
    this.#object = object;
  }

  get size(): number {
    return Object.keys(this.#object).length;
  }

  get(name: unknown): CelInput | undefined {
    return typeof name === 'string' && Object.hasOwn(this.#object, name) ? celValue(this.#object[name]) : undefined;
  }

  keys(): Iterator<string> {
    return Object.keys(this.#object).values();
  }

  *entries(): Generator<[string, CelInput]> {
    for (const name of Object.keys(this.#object)) yield [name, celValue(this.#object[name])];
  }

  *values(): Generator<CelInput> {
    for (const [, value] of this.entries()) yield value;
  }

  forEach(each: (value: CelInput, name: string) => void): void {
    for (const [name, value] of this.entries()) each(value, name);
  }
}
