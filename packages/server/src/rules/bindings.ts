import type { AttributeValue } from '@portcullis/contract';
import type { Store, Writer } from '../storage/storage.ts';
import { aTurn } from '../telemetry/telemetry.ts';
import { mark } from './due.ts';
import { aboutOf, type RuleSet } from './rule-set.ts';

/** Rows of history that one transaction looks through. */
const rowsAtOnce = 20_000;

/** What a journey moves: after it a rule may be in force, or no more. */
const journeyNames: readonly string[] = ['step', 'state'];

interface Parts {
  store: Store;
  rules: RuleSet;
  /** Resolves once all that is in force is in the history too. */
  merged(): Promise<void>;
  now(): number;
}

/**
 * Who speaks for whom, and since when: read out of the history of attributes in its order, each row once. How far that is is stored in the
 * same transaction, so that a crash loses nothing and a new rule's attribute is read from its beginning.
 */
export class Bindings {
  readonly #parts: Parts;
  #running: Promise<void> | undefined;
  #again = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Whether a change of this attribute matters here. */
  knows(name: string): boolean {
    return this.#names().includes(name);
  }

  /** Resolves once all that is in the history now is known. */
  async follow(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      await this.#parts.merged();
      for (const name of this.#names()) while (await this.#step(name)) await aTurn();
    }
  }

  #names(): string[] {
    const abouts = this.#parts.rules.rules.map(({ rule }) => aboutOf(rule)).filter((name) => name !== undefined);
    return abouts.length === 0 ? [] : [...new Set([...abouts, ...journeyNames])];
  }

  /** False: that was all. */
  async #step(name: string): Promise<boolean> {
    const { store } = this.#parts;
    const key = `rules.followed.${name}`;
    const [from, head] = await store.read(async (db) => {
      const kept = await db.selectFrom('settings').select('value').where('name', '=', key).executeTakeFirst();
      const last = await db
        .selectFrom('attributeHistory')
        .select('id')
        .orderBy('id', 'desc')
        .limit(1)
        .executeTakeFirst();
      return [Number(kept?.value ?? 0), last?.id ?? 0];
    });
    if (from >= head) return false;
    const until = Math.min(head, from + rowsAtOnce);
    // Lost by a crash, it is read again.
    await store.change(
      async (db) => {
        const rows = await db
          .selectFrom('attributeHistory')
          .select(['subject', 'value', 'changedAt'])
          .where('id', '>', from)
          .where('id', '<=', until)
          .where('name', '=', name)
          .where('beneath', '=', 0)
          .orderBy('id')
          .execute();
        for (const row of rows) await this.#take(db, name, row);
        const value = String(until);
        await db
          .insertInto('settings')
          .values({ name: key, value })
          .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
          .execute();
      },
      { durable: false },
    );
    return until < head;
  }

  async #take(db: Writer, name: string, row: { subject: string; value: string | null; changedAt: number }) {
    const { rules, now } = this.#parts;
    if (journeyNames.includes(name))
      await db.updateTable('ruleStates').set({ dueAt: now() }).where('subject', '=', row.subject).execute();
    const about = rules.rules.filter(({ rule }) => aboutOf(rule) === name);
    if (about.length === 0) return;
    const touched = await bind(db, name, row);
    for (const { rule } of about) for (const subject of touched) await mark(db, rule.rule, subject, now());
  }
}

/** Resolves to the subjects for which somebody began or ended to speak. */
async function bind(
  db: Writer,
  name: string,
  { subject: sender, value, changedAt }: { subject: string; value: string | null; changedAt: number },
): Promise<string[]> {
  const open = await db
    .selectFrom('ruleBindings')
    .select(['since', 'subject'])
    .where('name', '=', name)
    .where('sender', '=', sender)
    .where('until', 'is', null)
    .execute();
  const next = value === null ? null : (JSON.parse(value) as AttributeValue);
  if (open.some(({ subject }) => subject === next)) return [];
  await db
    .updateTable('ruleBindings')
    .set({ until: changedAt })
    .where('name', '=', name)
    .where('sender', '=', sender)
    .where('until', 'is', null)
    .execute();
  const before = open.map(({ subject }) => subject);
  if (typeof next !== 'string') return before;
  const row = { until: null, subject: next };
  await db
    .insertInto('ruleBindings')
    .values({ name, sender, since: changedAt, ...row })
    .onConflict((conflict) => conflict.columns(['name', 'sender', 'since']).doUpdateSet(row))
    .execute();
  return [...before, next];
}
