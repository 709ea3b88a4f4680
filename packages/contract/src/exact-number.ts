import { endOfString, type JsonRefused, type JsonText, readJson } from './json-text.ts';

/**
 * A number of JSON is as exact as its digits (RFC 8259 §6), a double is not: it is held exactly when the shortest text of the double
 * has the same decimal value. 0.1, 1.10 and 1E2 are; 8944110068256270054, 1e400 and 1e-400 are not; the sign of -0 is no value.
 */
export function isExactNumber(text: string): boolean {
  const value = Number(text);
  // 15 digits always come back (IEEE 754: ⌊52 × log10 2⌋).
  if (text.length <= 15 && !/[eE]/.test(text)) return true;
  return Number.isFinite(value) && decimalOf(text) === decimalOf(String(value));
}

/** The first number in a text that is JSON which a double can not hold, as it is written there. */
export function inexactNumberIn(text: string): string | undefined {
  if (!suspicious.test(text)) return undefined;
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === quote) at = endOfString(text, at);
    if (character !== minus && (character < zero || character > nine)) continue;
    number.lastIndex = at;
    const [found = ''] = number.exec(text) ?? [];
    if (!isExactNumber(found)) return found;
    at += found.length - 1;
  }
  return undefined;
}

/** Stands for a number that a double can not hold. Two of them are equal when their decimal values are. */
export class InexactNumber {
  readonly decimal: string;
  readonly #written: string;

  constructor(written: string) {
    [this.decimal, this.#written] = [decimalOf(written), written];
  }

  get written(): string {
    return this.#written;
  }

  get nearest(): number {
    return Number(this.#written);
  }
}

/** The value of a text that is JSON, with `InexactNumber` for what a double can not hold. */
export function parseExactly(text: string): unknown {
  if (inexactNumberIn(text) === undefined) return JSON.parse(text);
  const exact = (_name: string, value: unknown, context: { source?: string }) =>
    typeof value === 'number' && !isExactNumber(context.source ?? '') ? new InexactNumber(context.source ?? '') : value;
  // The type library does not know ECMAScript's "JSON.parse source text access" yet.
  return JSON.parse(text, exact as (name: string, value: unknown) => unknown);
}

/**
 * I-JSON whose numbers are all held by doubles: for what is compared, and not given back as it was sent. A member "__proto__" is
 * refused, since what takes an object apart by its names leaves it out without a word.
 */
export function readExactJson(text: string, depthMax?: number): JsonText | JsonRefused {
  const read = readJson(text, depthMax);
  if ('refused' in read) return read;
  const number = inexactNumberIn(text);
  if (number !== undefined) return { refused: inexactNumberWords(number), why: 'number' };
  return namesPrototype(text, read.value)
    ? { refused: `the member "${prototypeName}" is reserved`, why: 'name' }
    : read;
}

export const prototypeName = '__proto__';
/** As it stands, or with any of its letters escaped. */
const mayNamePrototype = /__proto__|\\u00/;

function namesPrototype(text: string, value: unknown): boolean {
  return mayNamePrototype.test(text) && hasPrototypeMember(value);
}

/** Only of what is within its depth. */
function hasPrototypeMember(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([name, member]) => name === prototypeName || hasPrototypeMember(member));
}

/** What is said to whoever wrote such a number. */
export function inexactNumberWords(written: string): string {
  const shown = written.length > 40 ? `${written.slice(0, 40)}…` : written;
  const nearest = JSON.stringify(Number(written));
  const taken = nearest === 'null' ? 'is more than a number can be' : `would be taken as ${nearest}`;
  return `the number ${shown} ${taken}; write it as a string`;
}

const quote = 0x22;
const minus = 0x2d;
const zero = 0x30;
const nine = 0x39;
const suspicious = /[\d.]{16}|\d[eE]/;
const number = /-?[\d.eE+-]+/y;

/** Digits without zeros at either end, and the power of ten that they are multiplied by. */
function decimalOf(text: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const digits = (whole + fraction).replace(/^0+/, '');
  const significant = digits.slice(0, endOfDigits(digits));
  if (significant === '') return '0';
  const power = Number(exponent) - fraction.length + (digits.length - significant.length);
  return `${sign}${significant}e${power}`;
}

/** Where the zeros at the end begin. A regular expression for it takes the square of the length where zeros stand within. */
function endOfDigits(digits: string): number {
  let end = digits.length;
  while (digits.charCodeAt(end - 1) === zero) end--;
  return end;
}
