/**
 * Rules on readings at a gate: what each of them says of what is admitted, and which senders it watches.
 * - A rule is in force once the replica knows the attributes that it names; one that can not be compiled is refused aloud, and the others stand.
 * - What can not be evaluated is neither side: it is a cause of a gap, and never shows that all is well.
 * Refuses to know: durations, and what follows from an edge.
 */
import type { ReasonCode, ToldRule, ToldRules } from '@portcullis/contract';
import type { Facts } from '../../expressions/expressions.ts';
import type { Replica } from '../../replica/replica.ts';
import type { Watched } from '../../storage/sink.ts';
import type { Log } from '../../telemetry/telemetry.ts';
import type { Bearer } from '../connections/bearer.ts';
import { judgeTraced } from '../policy/traced-reading.ts';
import type { Gaps } from './gaps.ts';
import { type CompiledRule, compileRule } from './rule.ts';

type Reading = Record<string, unknown>;

interface Parts {
  replica: Replica;
  /** The replica knows these attributes. */
  carries(names: readonly string[]): boolean;
  /** Some rule waits for attributes that it does not know. */
  onWaiting(): void;
  gaps: Gaps;
  log: Log;
}

export class Watching {
  readonly #parts: Parts;
  /** As they were told last. */
  #told = '';
  #rules: CompiledRule[] = [];
  #byStream = new Map<string, CompiledRule[]>();
  #refused = 0;
  #inForce = 0;
  #hasWatched = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** What the rules name: the feed is asked for it. */
  get attributes(): string[] {
    return [...new Set(this.#rules.flatMap(({ attributes }) => attributes))];
  }

  get inForce(): number {
    return this.#inForce;
  }

  /** Some reading was looked at by a rule since the start. */
  get hasWatched(): boolean {
    return this.#hasWatched;
  }

  /** Those that could not be compiled, of the ones told last. */
  get refused(): number {
    return this.#refused;
  }

  /** In the place of all before. They are told with each connection: the same ones again change nothing. */
  take({ revision, rules }: ToldRules): void {
    const told = JSON.stringify(rules);
    if (told === this.#told) return this.settle();
    const isFirst = this.#told === '';
    this.#told = told;
    // A fleet without rules is no news.
    if (isFirst && rules.length === 0) return;
    this.#refused = 0;
    this.#rules = rules.flatMap((rule) => this.#compiled(rule));
    this.settle();
    const counts = {
      revision,
      inForce: this.#inForce,
      waiting: this.#rules.length - this.#inForce,
      refused: this.#refused,
    };
    this.#parts.log.info(counts, `rules of revision ${revision}: ${this.#inForce} in force`);
  }

  /** After anything that may have brought the attributes that some wait for. */
  settle(): void {
    const { carries, onWaiting } = this.#parts;
    const inForce = this.#rules.filter(({ attributes }) => carries(attributes));
    this.#inForce = inForce.length;
    this.#byStream = new Map();
    for (const rule of inForce) {
      for (const stream of rule.streams) this.#byStream.set(stream, [...(this.#byStream.get(stream) ?? []), rule]);
    }
    if (inForce.length < this.#rules.length) onWaiting();
  }

  #compiled(rule: ToldRule): CompiledRule[] {
    try {
      return [compileRule(rule)];
    } catch (error) {
      this.#refused++;
      const { rule: name, revision } = rule;
      this.#parts.log.error(
        { rule: name, revision },
        `rule "${name}" is not watched here: ${(error as Error).message}`,
      );
      return [];
    }
  }

  /** What each rule of the stream says of these readings, as things stand now. */
  watchedOf(bearer: Bearer, stream: string, data: readonly Reading[]): Watched[] {
    const rules = this.#byStream.get(stream);
    const { replica } = this.#parts;
    if (!rules || bearer.rowIn(replica) === -1) return [];
    this.#hasWatched = true;
    const { subject, subjectId: id } = bearer;
    const attribute = (name: string) => replica.valueOf(subject, name);
    const facts: Facts = { subject: { id, kind: replica.kindOf(subject) }, attribute };
    return rules.map((rule) => ({
      rule: rule.name,
      revision: rule.revision,
      sides: this.#sides(rule, facts, stream, data),
    }));
  }

  #sides(rule: CompiledRule, facts: Facts, stream: string, data: readonly Reading[]): string {
    let sides = '';
    for (const reading of data) {
      facts.reading = reading;
      const { verdict, inexact } = judgeTraced(reading, () => rule.sideOf(facts));
      const side = inexact === undefined ? verdict : '-';
      sides += side;
      if (side === '-')
        this.#parts.gaps.note(facts.subject.id, stream, inexact === undefined ? 'condition_failed' : 'number_inexact');
    }
    return sides;
  }

  /** A sender was refused: that is why a rule may hear nothing of it. */
  refusedOn(stream: string, subject: string, reason: ReasonCode): void {
    if (subject !== '' && this.#byStream.has(stream)) this.#parts.gaps.note(subject, stream, reason);
  }
}
