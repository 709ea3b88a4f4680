import type { AttributeValue, JourneyStep } from '@portcullis/contract';
import type { Attributes } from '../attributes/attributes.ts';
import type { Reader, Writer } from '../storage/storage.ts';
import type { Facts } from './judge.ts';

/** Why an attribute of a shipment is not proven at a time; undefined: it is, or nobody watches it. */
export type Evidence = (
  db: Reader,
  asked: { subject: string; attribute: string; at: number },
) => Promise<undefined | { why: string }>;

export interface FactParts {
  attributes: Pick<Attributes, 'valuesOf' | 'valueAt'>;
  evidence: Evidence;
}

type Values = Record<string, AttributeValue>;

export interface Asked {
  shipment: string;
  /** Undefined: an operator says so. */
  checkpoint: string | undefined;
  /** What is so of it now. */
  values?: Readonly<Values> | undefined;
  step: JourneyStep;
  /** By which it is judged. */
  at: number;
  receivedAt: number;
  now: number;
}

export const meets = (values: Readonly<Values>, conditions: Readonly<Values>) =>
  Object.entries(conditions).every(([name, value]) => Object.hasOwn(values, name) && values[name] === value);

/** What is so of the step: now, and at the time by which it is judged. */
export async function factsOf(db: Writer, parts: FactParts, asked: Asked): Promise<Facts> {
  const mayRecord = asked.checkpoint === undefined || (await mightRecord(db, parts, asked, asked.checkpoint));
  const unmet = await unmetOf(db, parts, asked);
  return { mayRecord, unmet, unproven: unmet ? undefined : await unprovenOf(db, parts, asked) };
}

/** Its role when it was heard, and at the time that it names. */
async function mightRecord(db: Writer, parts: FactParts, asked: Asked, checkpoint: string): Promise<boolean> {
  const { step, at, receivedAt, now, values = {} } = asked;
  if (receivedAt >= now && !meets(values, step.by)) return false;
  for (const time of [...(receivedAt < now ? [receivedAt] : []), ...(at < receivedAt ? [at] : [])])
    if ((await failing(db, parts, checkpoint, step.by, time)) !== undefined) return false;
  return true;
}

async function unmetOf(db: Writer, parts: FactParts, { shipment, step, at, now }: Asked): Promise<Facts['unmet']> {
  for (const time of [undefined, ...(at < now ? [at] : [])]) {
    const attribute = await failing(db, parts, shipment, step.require, time);
    if (attribute === undefined) continue;
    const wanted = (step.require as Values)[attribute];
    const when = time === undefined ? 'is' : 'was then';
    return { attribute, why: `"${attribute}" of the shipment ${when} not ${JSON.stringify(wanted)}` };
  }
  return undefined;
}

/** The first attribute that is another; `at` undefined: now. */
async function failing(
  db: Writer,
  { attributes }: FactParts,
  subject: string,
  conditions: Readonly<Values>,
  at: number | undefined,
): Promise<string | undefined> {
  const names = Object.keys(conditions);
  if (names.length === 0) return undefined;
  const now = at === undefined ? await attributes.valuesOf(db, subject) : {};
  for (const name of names) {
    const found = at === undefined ? now[name] : await attributes.valueAt(db, subject, name, at);
    if (found !== conditions[name]) return name;
  }
  return undefined;
}

async function unprovenOf(
  db: Writer,
  { evidence }: FactParts,
  { shipment: subject, step, at }: Asked,
): Promise<Facts['unproven']> {
  for (const attribute of Object.keys(step.require)) {
    const lacking = await evidence(db, { subject, attribute, at });
    if (lacking) return { attribute, why: `"${attribute}" is not proven: ${lacking.why}` };
  }
  return undefined;
}
