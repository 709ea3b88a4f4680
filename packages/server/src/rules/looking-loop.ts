import { aTurn } from '../telemetry/telemetry.ts';
import type { Bindings } from './bindings.ts';
import { dueBy, mark } from './due.ts';
import { type JudgingParts, lookAt } from './judging.ts';
import { keptMs, prune } from './prune.ts';
import { aboutOf, isProof } from './rule-set.ts';

interface Parts extends JudgingParts {
  bindings: Bindings;
  isGateDeciding(): boolean;
}

const lookMs = 250;
const dueAtOnce = 50;
/** A row that could not be looked at is tried again later, and holds up no other. */
const retryMs = 60_000;
const pruneEveryMs = 3_600_000;
const noGateEveryMs = 120_000;

/** Looks at what is due: what was told of, what time alone changes, and after a restart all that was missed. */
export class LookingLoop {
  readonly #parts: Parts;
  #timer: NodeJS.Timeout | undefined;
  #stopHearing: () => void = () => undefined;
  #running: Promise<void> = Promise.resolve();
  #isRunning = false;
  #stopped = false;
  #follow = true;
  #prunedAt = 0;
  #noGateAt = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = setInterval(() => this.wake(), lookMs).unref();
    this.#stopHearing = this.#parts.journal.onChange(({ subjects, draft }) => {
      const names = subjects.flatMap(({ attributes }) => Object.keys(attributes ?? {}));
      if (draft || names.some((name) => this.#parts.bindings.knows(name))) this.wake(true);
    });
    this.wake(true);
  }

  /** `follow`: somebody may speak for somebody else than before. */
  wake(follow = false): void {
    this.#follow ||= follow;
    if (this.#stopped || this.#isRunning) return;
    this.#isRunning = true;
    this.#running = this.#run().finally(() => {
      this.#isRunning = false;
    });
  }

  async settled(): Promise<void> {
    // What is under way may have passed what is due now.
    await this.#running;
    this.wake();
    await this.#running;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#stopHearing();
    await this.#running;
  }

  /** Rules that are new or other than before: all that they are about is looked at. */
  async changed(names: readonly string[]): Promise<void> {
    const { store, rules, system } = this.#parts;
    await this.#parts.bindings.follow();
    for (const name of names.filter((one) => !isProof(one))) {
      const about = rules.of(name) && aboutOf((rules.of(name) as NonNullable<ReturnType<typeof rules.of>>).rule);
      await store.change(async (db) => {
        await db.updateTable('ruleStates').set({ dueAt: system.now() }).where('rule', '=', name).execute();
        if (about === undefined) return;
        const bound = await db
          .selectFrom('ruleBindings')
          .select('subject')
          .distinct()
          .where('name', '=', about)
          .where('until', 'is', null)
          .execute();
        for (const { subject } of bound) await mark(db, name, subject, system.now());
      });
    }
    this.wake();
  }

  async #run(): Promise<void> {
    try {
      await this.#round();
    } catch (error) {
      this.#parts.log.error({ err: error }, "couldn't look at what rules say; trying again");
    }
  }

  async #round(): Promise<void> {
    const { store, system } = this.#parts;
    if (this.#follow) {
      this.#follow = false;
      await this.#parts.bindings.follow();
    }
    await this.#noteNoGate();
    for (;;) {
      const due = await store.read((db) => dueBy(db, system.now(), dueAtOnce));
      for (const one of due) {
        if (this.#stopped) return;
        await this.#look(one);
        await aTurn();
      }
      if (due.length < dueAtOnce) break;
    }
    if (system.monotonic() - this.#prunedAt < pruneEveryMs && this.#prunedAt !== 0) return;
    this.#prunedAt = system.monotonic();
    await prune({ ...this.#parts, now: () => system.now() });
  }

  async #look(one: { rule: string; subject: string }): Promise<void> {
    const { rules, log } = this.#parts;
    const version = rules.of(one.rule);
    try {
      if (!version || (await this.#isOver(one))) return await this.#postpone(one, null);
      await lookAt(this.#parts, { version, subject: one.subject });
    } catch (error) {
      log.error({ err: error, ...one }, "couldn't look at a subject under a rule; trying again in a minute");
      await this.#postpone(one, this.#parts.system.now() + retryMs);
    }
  }

  /** It ended so long ago that its edges are gone: what was found stays. */
  async #isOver({ rule, subject }: { rule: string; subject: string }): Promise<boolean> {
    const row = await this.#parts.store.read((db) =>
      db
        .selectFrom('ruleStates')
        .select('found')
        .where('rule', '=', rule)
        .where('subject', '=', subject)
        .executeTakeFirst(),
    );
    const { window } = JSON.parse(row?.found ?? '{}') as { window?: { until: number | null } | null };
    return typeof window?.until === 'number' && window.until < this.#parts.system.now() - keptMs;
  }

  async #postpone({ rule, subject }: { rule: string; subject: string }, dueAt: number | null): Promise<void> {
    await this.#parts.store.change(
      (db) =>
        db.updateTable('ruleStates').set({ dueAt }).where('rule', '=', rule).where('subject', '=', subject).execute(),
      { durable: false },
    );
  }

  /** While no gate holds a lease nothing can be heard of anybody. */
  async #noteNoGate(): Promise<void> {
    const { isGateDeciding, rules, store, system } = this.#parts;
    const now = system.now();
    if (isGateDeciding() || rules.rules.length === 0 || now - this.#noGateAt < noGateEveryMs) return;
    this.#noGateAt = now;
    await store.change(
      (db) =>
        db
          .insertInto('ruleCauses')
          .values({ sender: '', at: now, reason: 'no_gate' })
          .onConflict((conflict) => conflict.doNothing())
          .execute(),
      { durable: false },
    );
  }
}
