import { millisecondsOf, sumOf } from './decimal.ts';
import { type Item, jsonOf, type Members, Numeral } from './item.ts';
import { Unmappable } from './unmappable.ts';

/** The labels of RFC 8428 §4.3, by their integers of CBOR (§6). */
const labels: Readonly<Record<number, string>> = {
  [-1]: 'bver',
  [-2]: 'bn',
  [-3]: 'bt',
  [-4]: 'bu',
  [-5]: 'bv',
  [-6]: 'bs',
  0: 'n',
  1: 'u',
  2: 'v',
  3: 'vs',
  4: 'vb',
  5: 's',
  6: 't',
  7: 'ut',
  8: 'vd',
};

const versionMax = 10;
/** From here on a time is one of the calendar, below it one that is counted from now (RFC 8428 §4.5.3). */
const absoluteFrom = 2 ** 28 * 1000;
const latestTime = Date.parse('9999-12-31T23:59:59.999Z');
/** RFC 8428 §4.5.1. */
const nameForm = /^[A-Za-z0-9][A-Za-z0-9:./_-]*$/;
/** Many records may share one: it is written anew for each. */
const sharedCharactersMax = 128;
const values = ['v', 'vs', 'vb', 'vd'] as const;

/** What a record may take from the ones before it. */
interface Base {
  name: string;
  time: string;
  unit: string | undefined;
  value: string | undefined;
  sum: string | undefined;
}

interface Reading {
  members: Members;
  units: Members;
  sums: Members;
}

/**
 * A pack as readings: resolved records (RFC 8428 §4.6) of the same time are one reading, `name: value` each, with their units and
 * sums by name beside them. A record of now gives no `_time`. `now` is when it came. Throws `Unmappable`.
 */
export function readingsOf(pack: Item, now: number): string[] {
  if (!Array.isArray(pack) || pack.length === 0) throw new Unmappable('a SenML pack is an array of records');
  const base: Base = { name: '', time: '0', unit: undefined, value: undefined, sum: undefined };
  const readings = new Map<number | undefined, Reading>();
  for (const item of pack) {
    if (!(item instanceof Map)) throw new Unmappable('a SenML record is a map of its fields');
    const record = fieldsOf(item);
    learn(base, record);
    if (record.size > 0) resolve(base, record, readings, now);
  }
  if (readings.size === 0) throw new Unmappable('the SenML pack has no value');
  return [...readings].map(([time, reading]) => textOf(time, reading));
}

/** By name. Unknown fields are left out, and refused when their name says that they must be understood (RFC 8428 §4.4). */
function fieldsOf(item: Members): Map<string, Item> {
  const known = new Set(Object.values(labels));
  const fields = new Map<string, Item>();
  for (const [label, value] of item) {
    const name = typeof label === 'number' ? labels[label] : label;
    if (name === undefined) continue;
    if (name.endsWith('_')) throw new Unmappable(`the SenML field "${name.slice(0, 64)}" is not known here`);
    if (!known.has(name)) continue;
    if (fields.has(name)) throw new Unmappable(`the SenML field "${name}" stands twice in a record`);
    fields.set(name, value);
  }
  return fields;
}

/** Takes the base fields, and the expected time of the next update, which is no value, out of the record. */
function learn(base: Base, record: Map<string, Item>): void {
  const version = numeralIn(record, 'bver');
  if (version !== undefined && Number(version) > versionMax) {
    throw new Unmappable(`SenML version ${version} is not known here; up to ${versionMax} is`);
  }
  base.name = textIn(record, 'bn') ?? base.name;
  base.time = numeralIn(record, 'bt') ?? base.time;
  base.unit = textIn(record, 'bu') ?? base.unit;
  base.value = numeralIn(record, 'bv') ?? base.value;
  base.sum = numeralIn(record, 'bs') ?? base.sum;
  for (const field of ['bver', 'bn', 'bt', 'bu', 'bv', 'bs', 'ut']) record.delete(field);
}

function resolve(base: Base, record: Map<string, Item>, readings: Map<number | undefined, Reading>, now: number): void {
  const name = base.name + (textIn(record, 'n') ?? '');
  if (name.length > sharedCharactersMax || !nameForm.test(name))
    throw new Unmappable(`the SenML name ${JSON.stringify(name.slice(0, 64))} is no name`);
  const time = timeOf(sumOf(base.time, numeralIn(record, 't') ?? '0'), now);
  const reading = readings.get(time) ?? { members: new Map(), units: new Map(), sums: new Map() };
  readings.set(time, reading);
  const sum = added(base.sum, numeralIn(record, 's'));
  const value = givenValue(base, record, sum !== undefined);
  if (value !== undefined) set(reading.members, name, value);
  if (sum !== undefined) set(reading.sums, name, sum);
  const unit = textIn(record, 'u') ?? base.unit;
  if (unit === undefined) return;
  if (unit.length > sharedCharactersMax) throw new Unmappable('a SenML unit is longer than 128 characters');
  reading.units.set(name, unit);
}

function givenValue(base: Base, record: Map<string, Item>, hasSum: boolean): Item | undefined {
  const given = values.filter((field) => record.has(field));
  if (given.length > 1) throw new Unmappable(`a SenML record has the values ${given.join(' and ')}`);
  const [field] = given;
  if (field === 'vd') throw new Unmappable('a data value of SenML has no form in JSON');
  if (field === 'vs') return textIn(record, 'vs');
  if (field === 'vb') return flagIn(record);
  const number = added(base.value, numeralIn(record, 'v'));
  if (number === undefined && !hasSum) throw new Unmappable('a SenML record has neither value nor sum');
  return number;
}

function added(base: string | undefined, own: string | undefined): Numeral | undefined {
  if (base === undefined || own === undefined) return base === own ? undefined : new Numeral(base ?? (own as string));
  return new Numeral(sumOf(base, own));
}

/** Undefined: now. */
function timeOf(seconds: string, now: number): number | undefined {
  if (Number(seconds) === 0) return undefined;
  const milliseconds = millisecondsOf(seconds);
  const time = milliseconds < absoluteFrom ? now + milliseconds : milliseconds;
  if (time < 0 || time > latestTime)
    throw new Unmappable(`the SenML time ${seconds.slice(0, 40)} is none of this calendar`);
  return time;
}

function set(members: Members, name: string, value: Item): void {
  if (members.has(name)) throw new Unmappable(`the SenML name "${name.slice(0, 64)}" stands twice at the same time`);
  members.set(name, value);
}

function textOf(time: number | undefined, { members, units, sums }: Reading): string {
  if (sums.size > 0) set(members, 'sums', sums);
  if (units.size > 0) set(members, 'units', units);
  if (time !== undefined) members.set('_time', new Date(time).toISOString());
  return jsonOf(members);
}

function numeralIn(record: Map<string, Item>, field: string): string | undefined {
  const value = record.get(field);
  if (value === undefined) return undefined;
  if (value instanceof Numeral) return value.text;
  throw new Unmappable(`the SenML field "${field}" is no number`);
}

function textIn(record: Map<string, Item>, field: string): string | undefined {
  const value = record.get(field);
  if (value === undefined || typeof value === 'string') return value;
  throw new Unmappable(`the SenML field "${field}" is no text`);
}

function flagIn(record: Map<string, Item>): boolean {
  const value = record.get('vb');
  if (typeof value === 'boolean') return value;
  throw new Unmappable('the SenML field "vb" is neither true nor false');
}
