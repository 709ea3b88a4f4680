/** Levels of objects and arrays within each other. */
export const jsonDepthMax = 32;

/** Why a text is not taken. `syntax` and `number` quote values of it. */
export interface JsonRefused {
  refused: string;
  why: 'syntax' | 'depth' | 'duplicate' | 'surrogate' | 'number' | 'name';
}

/**
 * Reads JSON as I-JSON has it (RFC 7493): one value and nothing behind it, each name once in its object, no half of a surrogate
 * pair, and no deeper than `depthMax`. Numbers are not looked at: who needs their values takes `readExactJson`.
 */
export function readJson(text: string, depthMax = jsonDepthMax): JsonText | JsonRefused {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { refused: (error as Error).message.slice(0, 200), why: 'syntax' };
  }
  const layout = layoutOf(text);
  if (layout.deepest > depthMax) return { refused: `it is nested deeper than ${depthMax} levels`, why: 'depth' };
  if (layout.names !== namesUnder(value)) {
    const name = JSON.stringify(doubledIn(text).slice(0, 64).toWellFormed());
    return { refused: `the member ${name} stands twice in the same object`, why: 'duplicate' };
  }
  const wellFormed = text.isWellFormed() && (!layout.surrogates || isWellFormed(value));
  if (!wellFormed)
    return { refused: 'a text in it holds half of a surrogate pair, which is no character', why: 'surrogate' };
  return new JsonText(text, value, layout);
}

/** JSON that was read, with the text that it was read from: what is given back is that text, not the value written anew. */
export class JsonText {
  readonly value: unknown;
  readonly #text: string;
  readonly #layout: Layout;

  constructor(text: string, value: unknown, layout: Layout) {
    [this.value, this.#text, this.#layout] = [value, text, layout];
  }

  /** The text without white space between its tokens; every token as it was sent. */
  compact(): string {
    return this.#layout.spaced ? withoutSpaces(this.#text) : this.#text;
  }

  /** The members of an object but those so named, in their order, as `compact` has them. */
  without(isTaken: (name: string) => boolean): string {
    const { bounds, spaced, names } = this.#layout;
    if (names === 0) return '{}';
    const kept: string[] = [];
    for (let index = 1; index < bounds.length; index++) {
      const member = this.#text.slice((bounds[index - 1] as number) + 1, bounds[index]);
      if (!isTaken(nameOf(member))) kept.push(member);
    }
    const text = `{${kept.join(',')}}`;
    return spaced ? withoutSpaces(text) : text;
  }
}

/** What one look along a text finds. It is JSON, so that what stands outside of strings stands where it must. */
interface Layout {
  /** A colon follows each name, and nothing else (RFC 8259 §4). */
  names: number;
  deepest: number;
  spaced: boolean;
  /** An escape may be half of a pair. */
  surrogates: boolean;
  /** Of an object: its opening brace, the commas between its members, its closing brace. */
  bounds: number[];
}

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const backslash = 0x5c;
const openingBracket = 0x5b;
const closingBracket = 0x5d;
const openingBrace = 0x7b;
const closingBrace = 0x7d;
const space = 0x20;

function layoutOf(text: string): Layout {
  const layout: Layout = { names: 0, deepest: 0, spaced: false, surrogates: false, bounds: [] };
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === quote) {
      at = endOfString(text, at, layout);
    } else if (character === colon) {
      layout.names++;
    } else if (character === comma) {
      if (depth === 1) layout.bounds.push(at);
    } else if (character === openingBrace || character === openingBracket) {
      if (depth === 0) layout.bounds.push(at);
      if (++depth > layout.deepest) layout.deepest = depth;
    } else if (character === closingBrace || character === closingBracket) {
      if (--depth === 0) layout.bounds.push(at);
    } else if (character <= space) {
      layout.spaced = true;
    }
  }
  return layout;
}

/** In text that is JSON: from a quote to the one that ends its string. */
export function endOfString(text: string, from: number, layout?: { surrogates: boolean }): number {
  for (let at = from + 1; ; at++) {
    const character = text.charCodeAt(at);
    if (character === quote) return at;
    if (character !== backslash) continue;
    at++;
    if (layout && text[at] === 'u' && (text[at + 1] === 'd' || text[at + 1] === 'D')) layout.surrogates = true;
  }
}

/** Only of what is within its depth. */
function namesUnder(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let names = 0;
  if (Array.isArray(value)) {
    for (const member of value) if (typeof member === 'object') names += namesUnder(member);
    return names;
  }
  for (const name in value) {
    names++;
    const member = (value as Record<string, unknown>)[name];
    if (typeof member === 'object') names += namesUnder(member);
  }
  return names;
}

function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([name, member]) => name.isWellFormed() && isWellFormed(member));
}

/** The first name that stands twice: one set of names for each object that is open. */
function doubledIn(text: string): string {
  const open: Set<string>[] = [];
  let name = '';
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === openingBrace) open.push(new Set());
    if (character === closingBrace) open.pop();
    if (character === quote) {
      const end = endOfString(text, at);
      name = JSON.parse(text.slice(at, end + 1)) as string;
      at = end;
    }
    if (character !== colon) continue;
    if (open.at(-1)?.has(name)) return name;
    open.at(-1)?.add(name);
  }
  return name;
}

function nameOf(member: string): string {
  const from = member.indexOf('"');
  const end = endOfString(member, from);
  const name = member.slice(from + 1, end);
  return name.includes('\\') ? (JSON.parse(member.slice(from, end + 1)) as string) : name;
}

function withoutSpaces(text: string): string {
  let compact = '';
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === quote) at = endOfString(text, at);
    if (character > space) continue;
    compact += text.slice(from, at);
    from = at + 1;
  }
  return compact + text.slice(from);
}
