import {
  type CelValue,
  celEnv,
  celList,
  celMap,
  celType,
  celUint,
  isCelError,
  parse,
  plan,
  unparse,
} from '@bufbuild/cel';

type Parsed = ReturnType<typeof parse>;
type Expression = NonNullable<Parsed['expr']>;
type Kind = Expression['exprKind'];
type Call = Extract<Kind, { case: 'callExpr' }>['value'];
type Select = Extract<Kind, { case: 'selectExpr' }>['value'];
type Loop = Extract<Kind, { case: 'comprehensionExpr' }>['value'];
type Constant = Extract<Kind, { case: 'constExpr' }>['value'];

/** Names of types. Lists and maps of a reading are known to hold what JSON has; others may hold anything. */
type Types = ReadonlySet<string>;
type Bound = ReadonlyMap<string, Types>;

const { funcs } = celEnv();
const made = (expression: string) => plan(celEnv(), parse(expression))({}) as CelValue;

/** A value of each type. Which overload of a function is taken depends on the types of what it is given alone. */
const samples: ReadonlyMap<string, CelValue> = new Map<string, CelValue>([
  ['double', 1.5],
  ['string', 'a'],
  ['bool', true],
  ['null_type', null],
  ['json list', celList([])],
  ['json map', celMap(new Map())],
  ['list', celList([])],
  ['map', celMap(new Map())],
  ['int', 1n],
  ['uint', celUint(1n)],
  ['bytes', new Uint8Array(1)],
  ['type', celType(1n)],
  ['google.protobuf.Timestamp', made('timestamp("2026-01-01T00:00:00Z")')],
  ['google.protobuf.Duration', made('duration("1s")')],
]);

const any: Types = new Set(samples.keys());
const bool: Types = new Set(['bool']);
const text: Types = new Set(['string']);
const attribute: Types = new Set(['string', 'double', 'bool']);
const json: Types = new Set(['double', 'string', 'bool', 'null_type', 'json list', 'json map']);
const variables: Bound = new Map([
  ['reading', new Set(['json map'])],
  ['subject', new Set(['subject'])],
  ['attributes', new Set(['attributes'])],
]);
/** What a member is of what. */
const members: Readonly<Record<string, Types>> = {
  ...{ 'json map': json, map: any, subject: text, attributes: attribute },
  ...{ alert: new Set(['string', 'json map']), request: new Set(['string', 'bool', 'double', 'json list']) },
};
/** The variables of a selection. */
export function namedInSelection(attributes: Iterable<string>): Bound {
  const bare = [...attributes].map((name) => [name, attribute] as const);
  return new Map([...bare, ['id', text], ['kind', text], ['attributes', new Set(['attributes'])]]);
}
/** The variable of a mapping. */
export const namedInMapping: Bound = new Map([['alert', new Set(['alert'])]]);
const ofRequest: Types = new Set(['request']);
/** The variables of a policy of requests. */
export const namedInRequestPolicy: Bound = new Map([
  ['subject', new Set(['subject'])],
  ['request', ofRequest],
  ['attributes', new Set(['attributes'])],
]);
/** What is known of these to have such members and no others; of some, what each of them is. */
const knownMembers: Readonly<Record<string, Readonly<Record<string, Types | undefined>>>> = {
  subject: { id: text, kind: text },
  alert: untyped('key', 'status', 'startsAt', 'endsAt', 'labels', 'annotations', 'event'),
  request: {
    ...{ way: text, key: text, est: bool, names: new Set(['json list']), validSeconds: new Set(['double']) },
  },
};

function untyped(...names: readonly string[]): Record<string, undefined> {
  return Object.fromEntries(names.map((name) => [name, undefined]));
}

/**
 * What an expression can give, of all that readings and attributes can be. Throws an Error that names what can never be evaluated,
 * whatever a device sends: the policy would be at fault, and it is known now.
 */
export function requireEvaluable(parsed: Parsed, named: Bound = variables): void {
  requireGives(parsed, 'bool', named);
}

export function requireGives(parsed: Parsed, type: 'bool' | 'string', named: Bound): void {
  if (typesOf(parsed.expr, named).has(type)) return;
  throw new Error(`the expression can never give a ${type === 'bool' ? 'boolean' : 'string'}`);
}

function typesOf(expression: Expression | undefined, bound: Bound): Types {
  const exprKind = expression?.exprKind;
  switch (exprKind?.case) {
    case 'constExpr':
      return constantTypes(exprKind.value);
    case 'identExpr':
      return bound.get(exprKind.value.name) ?? any;
    case 'selectExpr':
      return selected(expression as Expression, exprKind.value, bound);
    case 'callExpr':
      return called(expression as Expression, exprKind.value, bound);
    case 'listExpr':
      for (const element of exprKind.value.elements) typesOf(element, bound);
      return new Set(['list']);
    case 'structExpr':
      for (const { keyKind, value } of exprKind.value.entries) {
        if (keyKind.case === 'mapKey') typesOf(keyKind.value, bound);
        typesOf(value, bound);
      }
      return exprKind.value.messageName === '' ? new Set(['map']) : any;
    case 'comprehensionExpr':
      return looped(expression as Expression, exprKind.value, bound);
    default:
      return any;
  }
}

const constantNames: Readonly<Record<string, string>> = {
  ...{ boolValue: 'bool', bytesValue: 'bytes', doubleValue: 'double', int64Value: 'int' },
  ...{ nullValue: 'null_type', stringValue: 'string', uint64Value: 'uint' },
};

function constantTypes({ constantKind }: Constant): Types {
  const name = constantNames[constantKind.case ?? ''];
  return name === undefined ? any : new Set([name]);
}

function selected(whole: Expression, { operand, field, testOnly }: Select, bound: Bound): Types {
  const within = typesOf(operand, bound);
  // `has` of what has no members is false.
  if (testOnly) return bool;
  const found = membersOf(within, whole);
  for (const [type, known] of Object.entries(knownMembers)) {
    if (!within.has(type)) continue;
    if (Object.hasOwn(known, field)) return known[field] ?? found;
    throw never(whole, `${type === 'alert' ? 'an' : 'a'} ${type} has [${Object.keys(known).join(', ')}]`);
  }
  return found;
}

function membersOf(within: Types, whole: Expression): Types {
  const found = [...within].flatMap((type) => [...(members[type] ?? [])]);
  if (found.length === 0) throw never(whole, `what it looks into is ${listOf(within)}, which has no members`);
  return new Set(found);
}

function called(whole: Expression, call: Call, bound: Bound): Types {
  const parts = call.target ? [call.target, ...call.args] : call.args;
  const given = parts.map((part) => typesOf(part, bound));
  const [first = any, second = any, third = any] = given;
  if (bound.get('request') === ofRequest) requireComparable(whole, call, given, bound);
  switch (call.function) {
    case '_&&_':
    case '_||_':
      for (const types of given) requireBool(whole, types);
      return bool;
    case '_?_:_':
      requireBool(whole, first);
      return new Set([...second, ...third]);
    case '_[_]':
      return indexed(whole, first);
    case '@not_strictly_false':
    case '__not_strictly_false__':
      return bool;
    default:
      return results(whole, call, given);
  }
}

/** Of a request every type is known: what it is compared with and can never be makes a policy that says the same to everybody. */
function requireComparable(whole: Expression, call: Call, given: readonly Types[], bound: Bound): void {
  const [first = any, second = any] = given;
  if (call.function === '_==_' || call.function === '_!=_') return requireAlike(whole, first, second);
  const list = call.function === '@in' ? call.args[1]?.exprKind : undefined;
  if (list?.case !== 'listExpr' || list.value.elements.length === 0) return;
  requireAlike(whole, first, new Set(list.value.elements.flatMap((element) => [...typesOf(element, bound)])));
}

/** Numbers are equal across their types. */
const comparable = (type: string) => (['int', 'uint', 'double'].includes(type) ? 'number' : plain(type));

function requireAlike(whole: Expression, one: Types, other: Types): void {
  const kinds = new Set([...one].map(comparable));
  if ([...other].some((type) => kinds.has(comparable(type)))) return;
  throw never(whole, `${listOf(one)} is compared with ${listOf(other)}, and never equal`, 'can never be right');
}

function indexed(whole: Expression, within: Types): Types {
  if (within.has('list')) return any;
  const ofList = within.has('json list') ? [...json] : [];
  return ofList.length > 0 ? new Set([...ofList, ...json]) : membersOf(within, whole);
}

function requireBool(whole: Expression, types: Types): void {
  if (!types.has('bool')) throw never(whole, `it needs true or false, and is given ${listOf(types)}`);
}

/** What the overloads give that fit some of these types; one that fails for the sample may give anything. */
function results(whole: Expression, call: Call, given: readonly Types[]): Types {
  const found = new Set<string>();
  for (const values of combinations(given)) {
    const [target, ...others] = values;
    const result = funcs.find(call.function)?.call(0, call.target ? target : undefined, call.target ? others : values);
    if (isCelError(result)) return any;
    if (result !== undefined) found.add(celType(result).name);
  }
  if (found.size === 0) throw never(whole, mismatch(given));
  return found;
}

function* combinations(given: readonly Types[]): Generator<CelValue[]> {
  const [first, ...rest] = given;
  if (first === undefined) return yield [];
  for (const type of first) {
    const sample = samples.get(type) ?? (samples.get('map') as CelValue);
    for (const others of combinations(rest)) yield [sample, ...others];
  }
}

/** What its variable holds grows from turn to turn until it holds what it can. */
function looped(whole: Expression, loop: Loop, bound: Bound): Types {
  const range = typesOf(loop.iterRange, bound);
  const elements = elementsOf(whole, range);
  let accumulated = typesOf(loop.accuInit, bound);
  for (;;) {
    const inner = new Map([...bound, [loop.iterVar, elements], [loop.accuVar, accumulated]]);
    if (loop.iterVar2 !== '') inner.set(loop.iterVar2, any);
    typesOf(loop.loopCondition, inner);
    const grown = new Set([...accumulated, ...typesOf(loop.loopStep, inner)]);
    if (grown.size === accumulated.size) return typesOf(loop.result, inner);
    accumulated = grown;
  }
}

function elementsOf(whole: Expression, range: Types): Types {
  if (range.has('list') || range.has('map')) return any;
  const elements = new Set([
    ...(range.has('json list') ? json : []),
    ...(range.has('json map') || range.has('subject') || range.has('alert') ? text : []),
  ]);
  if (elements.size === 0) throw never(whole, `it goes through ${listOf(range)}, which is neither list nor map`);
  return elements;
}

function mismatch(given: readonly Types[]): string {
  const words = `nothing of the kind is defined for (${given.map(listOf).join('; ')})`;
  const mixed = given.some((types) => types.has('double')) && given.some((types) => types.has('int'));
  return mixed ? `${words}. Numbers of readings and attributes are doubles: write 1.0 for 1` : words;
}

function never(expression: Expression, why: string, what = 'can never be evaluated'): Error {
  return new Error(`${shown(expression)} ${what}: ${why}`);
}

/** A loop by itself can not be written down again. */
function shown(expression: Expression): string {
  try {
    return `"${unparse(expression)}"`;
  } catch {
    return 'a loop in it';
  }
}

const plain = (type: string) => type.replace('json ', '').replace('null_type', 'null').replace('google.protobuf.', '');
const listOf = (types: Types) => [...new Set([...types].map(plain))].join(' or ');
