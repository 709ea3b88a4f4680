import type { AttributeValue, StreamName, ToldRules } from '@portcullis/contract';
import type { By, Journal } from '../journal/journal.ts';
import type { Store } from '../storage/storage.ts';
import type { Limits } from './facts.ts';

type Values = Record<string, AttributeValue>;

/** A rule as its file has it, times in milliseconds. */
export interface Rule {
  rule: string;
  streams: readonly StreamName[];
  about?: string | undefined;
  outside: string;
  inside?: string | undefined;
  for?: number | undefined;
  budget?: number | undefined;
  silent?: number | undefined;
  during?: { from: string; until: string } | undefined;
  on: { breach?: Values | undefined; silence?: Values | undefined; well?: Values | undefined };
  public?: boolean | undefined;
}

/** What a source of signals takes as proof that a device is well: a gate looks at it as at a rule, and nothing follows here. */
export interface Proof {
  rule: string;
  streams: readonly StreamName[];
  outside: string;
  inside: string;
}

export interface Version {
  revision: number;
  at: number;
  rule: Rule;
}

interface Kept {
  revision: number;
  at: number;
  /** Null: it was taken away. */
  rule: Rule | null;
}

/** What a source takes as proof is told as a rule of such a name. */
export const isProof = (rule: string) => rule.startsWith('proof:');
const noLimits: Limits = { forMs: null, budgetMs: null, silentMs: null };

/** The attribute of the sender that names whom a rule is about. */
export const aboutOf = ({ about }: Rule): string | undefined => about?.slice('attributes.'.length);

/** The rules in force, and every version that there was: what applied at any time is still known. */
export class RuleSet {
  readonly #kept: Map<string, Kept[]>;

  private constructor(kept: Map<string, Kept[]>) {
    this.#kept = kept;
  }

  static async open(store: Store): Promise<RuleSet> {
    const rows = await store.read((db) =>
      db.selectFrom('ruleVersions').selectAll().orderBy('rule').orderBy('revision').execute(),
    );
    const kept = rows.map(({ rule, revision, at, body }) => [
      rule,
      { revision, at, rule: body === null ? null : (JSON.parse(body) as Rule) },
    ]) as [string, Kept][];
    const byName = Map.groupBy(kept, ([name]) => name);
    return new RuleSet(new Map([...byName].map(([name, versions]) => [name, versions.map(([, one]) => one)])));
  }

  /** Those in force that are rules, and not proofs. */
  get rules(): Version[] {
    return this.#inForce().filter(({ rule }) => !isProof(rule.rule));
  }

  /** In force by this name: a rule or a proof. */
  of(name: string): Version | undefined {
    const last = this.#kept.get(name)?.at(-1);
    return last?.rule ? { ...last, rule: last.rule } : undefined;
  }

  /** As it last was, also where it was taken away since. */
  last(name: string): Rule | undefined {
    return this.#kept.get(name)?.findLast(({ rule }) => rule !== null)?.rule ?? undefined;
  }

  /** Since when there is a rule of this name without a break. */
  since(name: string): number {
    const kept = this.#kept.get(name) ?? [];
    const taken = kept.findLastIndex(({ rule }) => rule === null);
    return kept[taken + 1]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Of the version that was in force at a revision. */
  limitsAt(name: string, revision: number): Limits {
    const versions = this.#kept.get(name)?.filter(({ rule }) => rule !== null) ?? [];
    const version = versions.findLast((one) => one.revision <= revision) ?? versions[0];
    return version?.rule ? limitsOf(version.rule) : noLimits;
  }

  /** What gates are told: what they evaluate, and nothing of times or of what follows. */
  told(): ToldRules {
    const rules = this.#inForce().map(({ revision, rule }) => ({
      ...{ rule: rule.rule, revision, streams: [...rule.streams] },
      ...{ outside: rule.outside, inside: rule.inside ?? null },
    }));
    const revisions = [...this.#kept.values()].flatMap((kept) => kept.map(({ revision }) => revision));
    return { revision: Math.max(0, ...revisions), rules };
  }

  /** One revision with all that is other than before; nothing where all is as it was. Resolves to the names that changed. */
  async replace(journal: Journal, by: By, asked: readonly (Rule | Proof)[]): Promise<string[]> {
    const rules = asked.map((one): Rule => ({ on: {}, ...one }));
    const named = new Set(rules.map(({ rule }) => rule));
    const changed = rules.filter((rule) => bodyOf(rule) !== bodyOf(this.of(rule.rule)?.rule));
    const gone = this.#inForce().flatMap(({ rule }) => (named.has(rule.rule) ? [] : [rule.rule]));
    if (changed.length + gone.length === 0) return [];
    const next = [...changed.map((rule) => ({ name: rule.rule, rule })), ...gone.map((name) => ({ name, rule: null }))];
    const { result } = await journal.change({ ...by, action: 'rules.change' }, async (change) => {
      const { db, revision, at } = change;
      const rows = next.map(({ name, rule }) => ({ rule: name, revision, at, body: rule && (bodyOf(rule) as string) }));
      await db.insertInto('ruleVersions').values(rows).execute();
      change.about({ rules: changed.map(({ rule }) => rule), ...(gone.length > 0 && { gone }) });
      return { revision, at };
    });
    for (const { name, rule } of next) {
      const { revision, at } = result;
      this.#kept.set(name, [...(this.#kept.get(name) ?? []), { revision, at, rule }]);
    }
    return next.map(({ name }) => name);
  }

  #inForce(): Version[] {
    return [...this.#kept.keys()].sort().flatMap((name) => this.of(name) ?? []);
  }
}

/** Equal for what decides equally. */
function bodyOf(rule: Rule | undefined): string | undefined {
  if (!rule) return undefined;
  const { about, outside, inside, during, on, streams } = rule;
  const limits = { for: rule.for, budget: rule.budget, silent: rule.silent };
  const shown = rule.public ? { public: true } : {};
  return JSON.stringify({ rule: rule.rule, streams, about, outside, inside, ...limits, during, on, ...shown });
}

export const limitsOf = (rule: Rule): Limits => ({
  forMs: rule.for ?? null,
  budgetMs: rule.budget ?? null,
  silentMs: rule.silent ?? null,
});
