import { celEnv, type parse } from '@bufbuild/cel';

/** What an expression names, and what it costs at most. */
export interface Anatomy {
  /** Variables that no loop of the expression binds. */
  variables: ReadonlySet<string>;
  attributes: ReadonlySet<string>;
}

type Parsed = ReturnType<typeof parse>;
type Expression = NonNullable<Parsed['expr']>;
type Loop = Extract<Expression['exprKind'], { case: 'comprehensionExpr' }>['value'];

/** What an expression may name. */
export interface Scope {
  variables: readonly string[];
  /** Any other name is an attribute's. */
  bareAttributes?: boolean;
}

interface Place {
  bound: ReadonlySet<string>;
  inLoop: boolean;
  scope: Scope;
}

const { funcs } = celEnv();

/** Throws an Error that says what an expression may not do. */
export function anatomyOf(parsed: Parsed, scope: Scope): Anatomy {
  const anatomy = { variables: new Set<string>(), attributes: new Set<string>() };
  visit(parsed.expr, { bound: new Set(), inLoop: false, scope }, anatomy);
  return anatomy;
}

type Found = { variables: Set<string>; attributes: Set<string> };

function visit(expression: Expression | undefined, place: Place, found: Found): void {
  if (!expression) return;
  const attribute = attributeIn(expression, place);
  if (attribute !== undefined) {
    found.variables.add('attributes');
    found.attributes.add(attribute);
    return;
  }
  const { exprKind } = expression;
  switch (exprKind.case) {
    case 'identExpr':
      return noteVariable(exprKind.value.name, place, found);
    case 'selectExpr':
      return visit(exprKind.value.operand, place, found);
    case 'callExpr':
      requireFunction(exprKind.value.function);
      return visitAll([exprKind.value.target, ...exprKind.value.args], place, found);
    case 'listExpr':
      return visitAll(exprKind.value.elements, place, found);
    case 'structExpr':
      for (const { keyKind, value } of exprKind.value.entries) {
        visitAll([keyKind.case === 'mapKey' ? keyKind.value : undefined, value], place, found);
      }
      return;
    case 'comprehensionExpr':
      return visitLoop(exprKind.value, place, found);
    default:
  }
}

function visitAll(expressions: readonly (Expression | undefined)[], place: Place, found: Found): void {
  for (const expression of expressions) visit(expression, place, found);
}

/** One loop is linear in the reading; loops within loops could hold up everybody. */
function visitLoop(loop: Loop, place: Place, found: Found): void {
  if (place.inLoop) throw new Error('a loop within a loop is not allowed');
  visitAll([loop.iterRange, loop.accuInit], { ...place, inLoop: true }, found);
  const bound = new Set([...place.bound, loop.iterVar, loop.iterVar2, loop.accuVar]);
  visitAll([loop.loopCondition, loop.loopStep, loop.result], { ...place, bound, inLoop: true }, found);
}

function noteVariable(name: string, { bound, scope }: Place, found: Found): void {
  if (bound.has(name)) return;
  const { variables, bareAttributes = false } = scope;
  if (!variables.includes(name)) {
    if (bareAttributes) return void found.attributes.add(name);
    throw new Error(`"${name}" is unknown; an expression sees [${variables.join(', ')}]`);
  }
  // Only what is named can be asked for beforehand, and looked at for being set (FIELD-NOTES C4).
  if (name === 'attributes') throw new Error('attributes are named one by one: attributes.NAME or attributes["NAME"]');
  found.variables.add(name);
}

/** `matches` runs a backtracking engine over what a device sent, which has no bound. */
function requireFunction(name: string): void {
  if (name === 'matches') throw new Error('"matches" is not offered; there are startsWith, endsWith and contains');
  if (/^[a-z]/i.test(name) && !funcs.find(name)) throw new Error(`there is no function "${name}"`);
}

/** The name in `attributes.name` or `attributes["name"]`. */
function attributeIn({ exprKind }: Expression, place: Place): string | undefined {
  if (place.bound.has('attributes')) return undefined;
  if (exprKind.case === 'selectExpr' && isAttributes(exprKind.value.operand)) return exprKind.value.field;
  if (exprKind.case !== 'callExpr' || exprKind.value.function !== '_[_]') return undefined;
  const [operand, index] = exprKind.value.args;
  const constant = index?.exprKind.case === 'constExpr' ? index.exprKind.value.constantKind : undefined;
  return isAttributes(operand) && constant?.case === 'stringValue' ? constant.value : undefined;
}

function isAttributes(expression: Expression | undefined): boolean {
  return expression?.exprKind.case === 'identExpr' && expression.exprKind.value.name === 'attributes';
}
