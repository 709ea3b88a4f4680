/** A fleet's records with rules over them, a clock of the test's own, and gates that tell what they heard. */
import type { TestContext } from 'node:test';
import type { AttributeValue, StreamName } from '@portcullis/contract';
import { openRules, type Rules, type RulesParts } from '../src/rules/rules.ts';
import { openRecords, putSubject, type Records, startedAt } from './records.ts';
import { type Reading, toldOf } from './told-by-gates.ts';

export const minute = 60_000;
export type Rule = ReturnType<RulesParts['source']['load']>[number];

/** Minutes after the start of the test. */
export const at = (minutes: number) => startedAt + minutes * minute;

export const coldChain: Rule = {
  ...{ rule: 'cold-chain', streams: ['cold' as StreamName], about: 'attributes.shipment', outside: 'reading.t > 8.0' },
  ...{ for: 10 * minute, budget: 30 * minute, silent: 30 * minute },
  on: { breach: { cold_chain: 'broken' }, silence: { cold_chain: 'unknown' }, well: { cold_chain: 'intact' } },
};

interface Rung {
  does: 'raise' | 'settle';
  kind: string;
  key: string;
}

export class RuledFleet {
  readonly records: Records;
  readonly rung: Rung[] = [];
  readonly logged: string[] = [];
  /** Of each shipment. */
  readonly steps = new Map<string, { step: string; at: number }[]>();
  readonly delivered = new Set<string>();
  gateDecides = true;
  files: Rule[];
  #rules: Rules | undefined;
  readonly #told: Reading[] = [];

  private constructor(records: Records, files: Rule[]) {
    this.records = records;
    this.files = files;
  }

  static async open(context: TestContext, files: Rule[] = [coldChain]): Promise<RuledFleet> {
    return RuledFleet.over(context, await openRecords(context), files);
  }

  static async over(context: TestContext, records: Records, files: Rule[]): Promise<RuledFleet> {
    const fleet = new RuledFleet(records, files);
    await fleet.restart();
    context.after(() => fleet.rules[Symbol.asyncDispose]());
    return fleet;
  }

  get rules(): Rules {
    if (!this.#rules) throw new Error('it is not open');
    return this.#rules;
  }

  /** What the files hold; a test may have one that is not valid. */
  read: () => Rule[] = () => this.files;

  /** The authority's process ends, and another one begins. */
  async restart(): Promise<void> {
    await this.#rules?.[Symbol.asyncDispose]();
    const { store, journal, attributes, system } = this.records;
    const error = (detail: unknown, words: string) => void this.logged.push(`${words} ${JSON.stringify(detail)}`);
    this.#rules = await openRules({
      ...{ store, journal, attributes, system, proofs: [] },
      log: { error, warn: error, info: () => undefined } as never,
      source: { mark: () => JSON.stringify(this.files), load: () => this.read() },
      journeys: {
        stepsOf: async (_db, shipment) => this.steps.get(shipment) ?? [],
        isDelivered: async (_db, shipment) => this.delivered.has(shipment),
      },
      alerts: {
        raise: async (_db, { kind, key }) => void this.rung.push({ does: 'raise', kind, key }),
        settle: async (_db, kind, key) => void this.rung.push({ does: 'settle', kind, key }),
      },
      isGateDeciding: () => this.gateDecides,
    });
    await this.#rules.settled();
  }

  async put(subject: string, kind: 'device' | 'shipment', values: Record<string, AttributeValue> = {}): Promise<void> {
    await putSubject(this.records, subject, kind, values);
    await this.rules.settled();
  }

  async set(subject: string, values: Record<string, AttributeValue>, unset: string[] = []): Promise<void> {
    const request = { subjects: [subject], set: values, unset };
    await this.records.attributes.change({ actor: 'operator-1' }, request as never);
    await this.rules.settled();
  }

  /** As in `in 0-5, out 6-9`: a reading each minute. Gates tell all that they ever heard again, in this order. */
  async hear(text: string, { sender = 'tracker-1', rule = 'cold-chain', gate = 'gate-1' } = {}): Promise<void> {
    for (const [, proof, side, first, last] of text.matchAll(/(unproven )?(in|out) (\d+)(?:-(\d+))?/g)) {
      for (let minutes = Number(first); minutes <= Number(last ?? first); minutes++) {
        const reading = { gate, at: at(minutes), unproven: proof !== undefined };
        this.#told.push({ ...reading, side: side === 'in' ? 'inside' : 'outside' });
      }
    }
    await this.tell(toldOf(this.#told.filter((one) => one.gate === gate)), { sender, rule, gate });
  }

  /** `apart`: edges of others have the same numbers. */
  async tell(
    { edges, newest }: ReturnType<typeof toldOf>,
    { sender = 'tracker-1', rule = 'cold-chain', gate = 'gate-1', apart = 0 } = {},
  ): Promise<void> {
    const of = { rule, subject: sender };
    const time = (milliseconds: number) => new Date(milliseconds).toISOString();
    const report = {
      edges: edges.map((edge) => ({
        ...{ ...edge, ...of, reading: edge.id, after: edge.after === null ? null : time(edge.after) },
        ...{ at: time(edge.at), receivedAt: time(startedAt + edge.receivedAt) },
        id: `${edge.source}:${edge.number + apart * 1_000_000}`,
      })),
      newest: newest.map((one) => ({ ...one, ...of, at: time(one.at) })),
      gaps: [],
    };
    await this.rules.take(gate, report as never);
  }

  /** The clock goes to this minute, and what is due by then is looked at. */
  async until(minutes: number): Promise<void> {
    this.records.clock.now = at(minutes) + 2_000;
    await this.rules.settled();
  }

  async valueOf(subject: string, name = 'cold_chain'): Promise<AttributeValue | undefined> {
    const { attributes } = await this.records.attributes.read(subject);
    return attributes.find((one) => one.name === name)?.value;
  }

  async actions(): Promise<string[]> {
    const entries = await this.records.journal.entries(0, 1_000);
    return entries.map(({ action }) => action).filter((action) => action.startsWith('rules.'));
  }
}

/** One shipment with one tracker, bound at minute 0. */
export async function shipmentWithTracker(context: TestContext, files?: Rule[]): Promise<RuledFleet> {
  const fleet = await RuledFleet.open(context, files);
  await fleet.put('box-1', 'shipment');
  await fleet.put('tracker-1', 'device', { shipment: 'box-1' });
  return fleet;
}
