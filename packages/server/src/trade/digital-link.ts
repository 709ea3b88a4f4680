import { PortcullisError } from '@portcullis/contract';

/** What a load is called in trade: a serialised item, or a logistic unit. GS1 numbers are strings: their leading zeros count. */
export type TradeItem = { gtin: string; serial: string } | { sscc: string };

export interface DigitalLink {
  /** Application identifier → value: the key first, then its qualifiers, in the order of the path. */
  identifiers: [key: string, value: string][];
  query: URLSearchParams;
}

interface Key {
  form: RegExp;
  /** The key ends with a check digit behind so many digits. */
  checked?: number;
  /** Which may follow, in their order: one of these rows. */
  qualifiers?: readonly (readonly string[])[];
}

/** Key identifiers of GS1 Digital Link: URI Syntax 1.3, section 3.5, as far as loads and places need them. */
const keys: Readonly<Record<string, Key>> = {
  '00': { form: /^\d{18}$/, checked: 18 },
  '01': { form: /^(\d{8}|\d{12,14})$/, checked: 14, qualifiers: [['22', '10', '21'], ['235']] },
  '253': { form: /^\d{13}[!"%-?A-Z_a-z]{0,17}$/, checked: 13 },
  '414': { form: /^\d{13}$/, checked: 13, qualifiers: [['254']] },
  '417': { form: /^\d{13}$/, checked: 13 },
  '8003': { form: /^\d{14}[!"%-?A-Z_a-z]{0,16}$/, checked: 14 },
  '8004': { form: /^[!"%-?A-Z_a-z]{1,30}$/ },
  '8018': { form: /^\d{18}$/, checked: 18 },
};
/** The GS1 character set 82 (GS1 General Specifications, figure 7.11-1). */
const qualifierForm = /^[!"%-?A-Z_a-z]{1,28}$/;
/** A path can not hold a part that is `.` or `..` (RFC 3986 §5.2.4). */
const serialForm = /^(?!\.{1,2}$)[!"%-?A-Z_a-z]{1,20}$/;

/** Modulo 10 with the weights 3 and 1 from the right (GS1 General Specifications, section 7.9.1). */
export function checkDigitOf(digits: string): string {
  const sum = [...digits].toReversed().reduce((total, digit, at) => total + Number(digit) * (at % 2 === 0 ? 3 : 1), 0);
  return String((10 - (sum % 10)) % 10);
}

/**
 * The load that attributes name: `gtin` and `serial`, or `sscc`; undefined without any.
 * @throws {PortcullisError} `request_malformed` for a number that is none
 */
export function tradeItemOf(attributes: Readonly<Record<string, unknown>>): TradeItem | undefined {
  const { gtin, serial, sscc } = attributes;
  if (sscc !== undefined && sscc !== null) return { sscc: requireKey('00', 'sscc', sscc) };
  if (gtin === undefined || gtin === null) return undefined;
  if (typeof serial !== 'string' || !serialForm.test(serial))
    throw wrong(`"serial" is ${JSON.stringify(serial)}; beside a gtin it must be 1 to 20 characters of the GS1 set 82`);
  return { gtin: requireKey('01', 'gtin', gtin).padStart(14, '0'), serial };
}

/** The link of a load, below `base`: by default the canonical one, which every reader of EPCIS takes. */
export function tradeLink(item: TradeItem, base = 'https://id.gs1.org'): string {
  const path = 'sscc' in item ? `/00/${item.sscc}` : `/01/${item.gtin}/21/${encoded(item.serial)}`;
  return `${base}${path}`;
}

/** The canonical link of a place, by its global location number. @throws {PortcullisError} `request_malformed` */
export function placeLink(gln: string): string {
  return `https://id.gs1.org/414/${requireKey('414', 'gln', gln)}`;
}

/**
 * The identifiers in a link or in the path of one; undefined where it is no Digital Link. Scheme and host may be of any case, and
 * whatever path comes before the key is skipped; the compressed form is not taken.
 */
export function readDigitalLink(text: string): DigitalLink | undefined {
  const url = URL.parse(text, 'https://id.gs1.org');
  if (!url) return undefined;
  const parts = url.pathname.split('/').slice(1);
  const from = parts.findLastIndex((part, at) => part in keys && (parts.length - at) % 2 === 0);
  const [key, value, ...rest] = parts.slice(from).map(decoded);
  if (from < 0 || key === undefined || value === undefined || !isKey(key, value)) return undefined;
  const qualifiers = pairsOf(rest);
  if (!isInOrder(key, qualifiers)) return undefined;
  return {
    identifiers: [[key, key === '01' ? value.padStart(14, '0') : value], ...qualifiers],
    query: url.searchParams,
  };
}

function pairsOf(parts: (string | undefined)[]): [string, string][] {
  return parts.flatMap((part = '', at) => (at % 2 === 0 ? [[part, parts[at + 1] ?? '']] : []));
}

function isInOrder(key: string, given: readonly [string, string][]): boolean {
  const { qualifiers = [[]] } = keys[key] as Key;
  const names = given.map(([name]) => name).join();
  return (
    given.every(([, value]) => qualifierForm.test(value)) &&
    qualifiers.some((row) => row.filter((name) => given.some(([one]) => one === name)).join() === names)
  );
}

function requireKey(key: string, name: string, value: unknown): string {
  if (typeof value === 'string' && isKey(key, value)) return value;
  throw wrong(
    `"${name}" is ${JSON.stringify(value)}, which is no such number with a right check digit; GS1 numbers are strings`,
  );
}

function isKey(key: string, value: string): boolean {
  const { form, checked } = keys[key] as Key;
  if (!form.test(value)) return false;
  if (checked === undefined) return true;
  const digits = key === '01' ? value : value.slice(0, checked);
  return checkDigitOf(digits.slice(0, -1)) === digits.at(-1);
}

/** All but letters, digits and `-._~` (RFC 3986 §2.3): `encodeURIComponent` leaves a few more. */
function encoded(value: string): string {
  return encodeURIComponent(value).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

const wrong = (message: string) => new PortcullisError('request_malformed', message);
