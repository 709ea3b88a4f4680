import { PortcullisError } from '@portcullis/contract';
import type { Attributes } from '../attributes/attributes.ts';
import type { Journal } from '../journal/journal.ts';
import type { Reader, Store } from '../storage/storage.ts';
import type { Log, System } from '../telemetry/telemetry.ts';
import { acknowledge } from './acknowledge.ts';
import { Bindings } from './bindings.ts';
import { evidenceOf } from './evidence.ts';
import type { JudgingParts, Rings } from './judging.ts';
import { LookingLoop } from './looking-loop.ts';
import { namesOf } from './plan.ts';
import type { Rules } from './promises.ts';
import type { Steps } from './read-facts.ts';
import { type Proof, type Rule, RuleSet } from './rule-set.ts';
import { take } from './take.ts';
import { excursionsView, listBreaches, ruleView } from './views.ts';
import { type RuleSource, RuleWatch } from './watch.ts';

export interface RulesParts {
  store: Store;
  journal: Journal;
  attributes: Pick<Attributes, 'put' | 'reserve' | 'valuesOf' | 'beneath' | 'merged' | 'type'>;
  system: System;
  log: Log;
  source: RuleSource;
  /** What sources of signals take as proof. */
  proofs: readonly Proof[];
  journeys: Steps & { isDelivered(db: Reader, shipment: string): Promise<boolean> };
  alerts: Rings;
  /** A gate holds a lease. */
  isGateDeciding(): boolean;
}

/** @throws {PortcullisError} `config_invalid` */
export async function openRules(parts: RulesParts): Promise<Rules> {
  const { store, journal, attributes, system, source } = parts;
  const rules = await RuleSet.open(store);
  const valuesOf = async (db: Reader, subject: string) => ({
    ...(await attributes.valuesOf(db, subject)),
    ...Object.fromEntries(await attributes.beneath(db, subject)),
  });
  const { isDelivered } = parts.journeys;
  const judging: JudgingParts = { ...parts, rules, valuesOf, isDelivered, put: attributes.put };
  const now = () => system.now();
  const bindings = new Bindings({ store, rules, merged: () => attributes.merged(), now });
  const loop = new LookingLoop({ ...judging, bindings, isGateDeciding: parts.isGateDeciding });
  const listeners = new Set<() => void>();
  const reserved = new Set<string>();
  const replace = async (next: Rule[]) => {
    await requireTypes(attributes, next);
    for (const rule of next) reserve(attributes, reserved, rule);
    const changed = await rules.replace(journal, { actor: 'authority', reason: 'the files in rules/' }, [
      ...next,
      ...parts.proofs,
    ]);
    if (changed.length === 0) return;
    await loop.changed(changed);
    for (const listener of listeners) listener();
  };
  await replace(source.load());
  const watch = new RuleWatch({ source, log: parts.log, take: replace });
  watch.start();
  loop.start();
  return {
    take: async (gate, report, by) => {
      const taken = await take({ store, rules, now, by }, gate, report);
      loop.wake();
      return taken;
    },
    toTell: {
      current: () => rules.told(),
      onChange(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    proven,
    evidence: (db, of) => evidenceOf(db, judging, of),
    list: () => rules.rules.map(ruleView),
    breaches: (query) => store.read((db) => listBreaches(db, query)),
    excursions: (subject) => store.read((db) => excursionsView(db, rules, subject)),
    acknowledge: (by, asked) => acknowledge(judging, by, asked),
    settled: () => loop.settled(),
    async [Symbol.asyncDispose]() {
      await watch.stop();
      await loop.stop();
    },
  };
}

/** A value of another type than the name has would never come into force. */
async function requireTypes(attributes: RulesParts['attributes'], rules: readonly Rule[]): Promise<void> {
  for (const { rule, on } of rules) {
    for (const [name, value] of Object.entries({ ...on.well, ...on.silence, ...on.breach })) {
      const known = await attributes.type(name).catch((error: unknown) => {
        if (error instanceof PortcullisError && error.code === 'attribute_unknown') return undefined;
        throw error;
      });
      if (!known || known.type === typeof value) continue;
      const why = `attribute "${name}" is a ${known.type} in this fleet, and "on" makes it a ${typeof value}`;
      throw new PortcullisError('config_invalid', `rule "${rule}": ${why}`);
    }
  }
}

/** What a rule moves nobody else writes: it would tell what the rule did not see. */
function reserve(attributes: RulesParts['attributes'], reserved: Set<string>, rule: Rule): void {
  for (const name of namesOf(rule)) {
    if (reserved.has(name)) continue;
    reserved.add(name);
    attributes.reserve({
      name,
      by: `the rule "${rule.rule}" moves it; a person decides by "portcullis breach acknowledge"`,
    });
  }
}

async function proven(db: Reader, { rule, subject }: { rule: string; subject: string }) {
  const row = await db
    .selectFrom('ruleNewest')
    .select(['side', 'at'])
    .where('rule', '=', rule)
    .where('sender', '=', subject)
    .where('at', '>', 0)
    .orderBy('at', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row && { side: row.side as 'inside' | 'outside', at: row.at };
}
