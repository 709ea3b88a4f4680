import { formatNames } from './schema-formats.ts';

type Keywords = Readonly<Record<string, unknown>>;

/** A schema, or one within it. */
interface Place {
  schema: unknown;
  /** JSON Pointers of what it applies, in place or to members. */
  applies: string[];
}

const schemaKeywords = new Set([
  ...['additionalItems', 'additionalProperties', 'contains', 'contentSchema', 'else', 'if', 'items', 'not'],
  ...['propertyNames', 'then', 'unevaluatedItems', 'unevaluatedProperties'],
]);
const listKeywords = new Set(['allOf', 'anyOf', 'items', 'oneOf', 'prefixItems']);
const definitionKeywords = new Set(['$defs', 'definitions']);
const mapKeywords = new Set([
  ...['dependencies', 'dependentSchemas', 'patternProperties', 'properties'],
  ...definitionKeywords,
]);
/** `$async` turns a verdict into a promise; the others are references whose end is not known until a reading is there. */
const refusedKeywords = [
  ...['$async', '$anchor', '$dynamicAnchor', '$dynamicRef', '$recursiveAnchor', '$recursiveRef'],
];

/** Comparing each with each is quadratic: a list must say how long it may be first. */
const uniqueItemsMax = 1_000;
/** Each place of a reading is met by no more schemas than these. */
const appliedMax = 10_000;

/**
 * What a schema must be like for the work on a reading to have a bound (P13). A schema that leads back to itself has none: each
 * level of the reading may be met twice as often as the one above it. Throws an Error that names the place.
 */
export function requireBounds(root: unknown): void {
  const places = new Map<string, Place>();
  gather(root, '', places);
  countApplied('', places, new Map());
}

function gather(schema: unknown, pointer: string, places: Map<string, Place>): void {
  const place: Place = { schema, applies: [] };
  places.set(pointer, place);
  if (!isObject(schema)) return;
  requireKeywords(schema, pointer);
  for (const [keyword, within] of Object.entries(schema)) {
    for (const [suffix, member] of membersOf(keyword, within)) {
      const path = `${pointer}/${escaped(keyword)}${suffix}`;
      gather(member, path, places);
      if (!definitionKeywords.has(keyword)) place.applies.push(path);
    }
  }
  if (schema.$ref !== undefined) place.applies.push(targetOf(schema.$ref, pointer));
}

/** The schemas that stand in the value of a keyword, and where. What is no schema is data: a constant, an example, a name. */
function membersOf(keyword: string, within: unknown): [string, unknown][] {
  if (Array.isArray(within)) {
    return listKeywords.has(keyword) ? within.map((member, index) => [`/${index}`, member]) : [];
  }
  if (schemaKeywords.has(keyword)) return [['', within]];
  if (!mapKeywords.has(keyword) || !isObject(within)) return [];
  // `dependencies` of draft 7 has lists of names beside schemas.
  const schemas = Object.entries(within).filter(([, member]) => !Array.isArray(member));
  return schemas.map(([name, member]) => [`/${escaped(name)}`, member]);
}

function requireKeywords(schema: Keywords, pointer: string): void {
  const { uniqueItems, maxItems, format } = schema;
  const refused = refusedKeywords.find((keyword) => Object.hasOwn(schema, keyword));
  if (refused !== undefined) throw at(pointer, `"${refused}" is not a keyword that a gate takes`);
  if (pointer !== '' && Object.hasOwn(schema, '$id')) throw at(pointer, '"$id" may stand at the root alone');
  if (typeof format === 'string' && !formatNames.includes(format)) {
    throw at(pointer, `format "${format}" is unknown; must be one of [${formatNames.join(', ')}]`);
  }
  if (uniqueItems === true && !(typeof maxItems === 'number' && maxItems <= uniqueItemsMax)) {
    throw at(pointer, `"uniqueItems" needs "maxItems" of at most ${uniqueItemsMax} beside it`);
  }
  for (const keyword of mapKeywords) {
    // ajv passes over a member of this name, as if the schema did not have it.
    const unheeded = isObject(schema[keyword]) && Object.hasOwn(schema[keyword], '__proto__');
    if (unheeded) throw at(pointer, `"__proto__" can not be a name in "${keyword}"`);
  }
}

function targetOf(reference: unknown, pointer: string): string {
  if (typeof reference === 'string' && /^#(?:\/[^%]*)?$/.test(reference)) return reference.slice(1);
  throw at(pointer, `"$ref" must be "#" or "#/..." to a schema of the same file`);
}

/** How many schemas are applied from here, each as often as it is referred to. */
function countApplied(pointer: string, places: Map<string, Place>, counts: Map<string, number>): number {
  const known = counts.get(pointer);
  if (known === Number.POSITIVE_INFINITY) throw at(pointer, 'the schema leads back to itself');
  if (known !== undefined) return known;
  counts.set(pointer, Number.POSITIVE_INFINITY);
  let count = 1;
  for (const next of places.get(pointer)?.applies ?? []) {
    if (!places.has(next)) throw at(pointer, `"$ref" leads to no schema: "#${next}"`);
    count += countApplied(next, places, counts);
  }
  if (count > appliedMax)
    throw at(pointer, `it applies more than ${appliedMax} schemas, counted through its references`);
  counts.set(pointer, count);
  return count;
}

function isObject(value: unknown): value is Keywords {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** RFC 6901 §3. */
const escaped = (name: string) => name.replaceAll('~', '~0').replaceAll('/', '~1');

const at = (pointer: string, why: string) => new Error(`#${pointer}: ${why}`);
