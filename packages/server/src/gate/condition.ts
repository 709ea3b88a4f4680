import { celEnv, isCelError, parse, plan } from '@bufbuild/cel';
import type { AttributeValue, Kind } from '@portcullis/contract';

/** What an expression can see. */
export interface Facts {
  reading?: Record<string, unknown>;
  subject: { id: string; kind: Kind };
  attributes: Record<string, AttributeValue>;
}

export interface Condition {
  text: string;
  /** It looks at the reading: another reading may fare otherwise. */
  readsReading: boolean;
  /** The attributes that it names. */
  attributes: string[];
  /** `failed`: it could not be evaluated, which never admits. */
  evaluate(facts: Facts): 'met' | 'not_met' | { failed: string };
}

const roots = ['reading', 'subject', 'attributes'];
const textLengthMax = 2_000;

/** Compiles a CEL expression (https://cel.dev). Throws an Error that says what is wrong with it. */
export function compileCondition(text: string): Condition {
  if (text.length > textLengthMax)
    throw new Error(`the expression has ${text.length} characters; at most ${textLengthMax} are allowed`);
  const parsed = parse(text);
  const names = namesIn(parsed.expr);
  const unknown = names.roots.find((name) => !roots.includes(name));
  if (unknown !== undefined) throw new Error(`"${unknown}" is unknown; an expression sees [${roots.join(', ')}]`);
  const run = plan(celEnv(), parsed);
  return {
    text,
    readsReading: names.roots.includes('reading'),
    attributes: names.attributes,
    evaluate({ reading, subject, attributes }) {
      try {
        const result = run({
          reading: celValue(reading ?? {}),
          subject: celValue(subject),
          attributes: celValue(attributes),
        } as never);
        if (isCelError(result)) return { failed: result.message };
        return result === true ? 'met' : result === false ? 'not_met' : { failed: 'the expression gives no boolean' };
      } catch (error) {
        return { failed: (error as Error).message };
      }
    },
  };
}

/** Maps have no prototype that a member could be mistaken for. */
function celValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(celValue);
  if (typeof value !== 'object' || value === null) return value;
  return new Map(Object.entries(value).map(([name, member]) => [name, celValue(member)]));
}

interface Names {
  roots: string[];
  attributes: string[];
}

/** Identifiers that no macro of the expression binds, and the members of `attributes` that it selects. */
function namesIn(expression: unknown): Names {
  const names: Names = { roots: [], attributes: [] };
  visit(expression, new Set(), names);
  return names;
}

interface Node {
  exprKind?: { case?: string; value?: Record<string, unknown> };
}

function visit(node: unknown, bound: ReadonlySet<string>, names: Names): void {
  if (typeof node !== 'object' || node === null) return;
  if (Array.isArray(node)) {
    for (const item of node) visit(item, bound, names);
    return;
  }
  const { case: kind, value } = (node as Node).exprKind ?? {};
  if (kind === 'identExpr' && typeof value?.name === 'string' && !bound.has(value.name)) names.roots.push(value.name);
  if (kind === 'selectExpr' && isAttributes(value?.operand)) names.attributes.push(String(value?.field));
  const inner =
    kind === 'comprehensionExpr'
      ? new Set([...bound, String(value?.iterVar), String(value?.iterVar2), String(value?.accuVar)])
      : bound;
  for (const part of Object.values(value ?? (node as Record<string, unknown>))) visit(part, inner, names);
}

function isAttributes(node: unknown): boolean {
  const { case: kind, value } = (node as Node | undefined)?.exprKind ?? {};
  return kind === 'identExpr' && value?.name === 'attributes';
}
