import type { Fingerprint, ReasonCode, SubjectId, VerdictView } from '@portcullis/contract';
import type { Sink } from '../../storage/sink.ts';
import { type Log, type System, timestamp } from '../../telemetry/telemetry.ts';
import { RefusedSubjects } from './refused-subjects.ts';
import { Sightings } from './sightings.ts';

/** What was decided, without when and how often. */
export type Decision = Omit<VerdictView, 'at' | 'gate' | 'count'>;

interface Tally {
  decision: Decision;
  more: number;
}

interface Parts {
  gate: SubjectId;
  sink: Pick<Sink, 'keepRefusals'>;
  system: System;
  log: Log;
}

const windowMs = 1_000;
/** So many different verdicts are told apart within a second; the rest is counted alone. */
const tallyMax = 10_000;
const keptMax = 10_000;
/** And so many refusals of one certificate: what is kept is a history of all, which nobody may wash out with his own. */
const ofOneMax = 8;

/**
 * Counts verdicts, tells who watches, keeps refusals. The first of its kind within a second is told at once, the others as one
 * line at the end of that second: a flood of refusals is a few lines (FIELD-NOTES C7).
 */
export class Verdicts {
  readonly counters = { admitted: 0, refused: 0, dropped: 0 };
  readonly refusals = new Map<ReasonCode, number>();
  /** Noted with each verdict on what a known subject sent. */
  readonly sightings: Sightings;
  /** Noted with each refusal. */
  readonly refusedMost: RefusedSubjects;
  readonly #parts: Parts;
  readonly #tallies = new Map<string, Tally>();
  /** By certificate: how many different refusals within this second. */
  readonly #refusedOf = new Map<string, number>();
  readonly #watchers = new Set<(view: VerdictView) => void>();
  #toKeep: VerdictView[] = [];
  #keeping: Promise<void> = Promise.resolve();
  #window: NodeJS.Timeout | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.sightings = new Sightings(parts.system.now());
    this.refusedMost = new RefusedSubjects(parts.system.monotonic);
  }

  admitted(name: string, subject: string, stream: string, revision: number, count: number): void {
    this.counters.admitted += count;
    this.sightings.note(subject, { at: this.#parts.system.now(), verdict: 'admitted' });
    const tally = this.#tallies.get(`${name} ${stream}`);
    if (tally) {
      tally.more += count;
      return;
    }
    const decision = { subject, certificate: name as Fingerprint, stream, verdict: 'admitted', revision } as const;
    const unsaid = { reason: null, expected: null, found: null, changedBy: null, changedAt: null };
    this.#begin(`${name} ${stream}`, { ...decision, ...unsaid }, count);
  }

  /** `stream`: null where the policy has none of that name, so that invented names are one line. */
  refused(reason: ReasonCode, name: string, stream: string | null, count: number, describe: () => Decision): void {
    this.counters.refused += count;
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + count);
    const key = `${name} ${stream} ${reason}`;
    const tally = this.#tallies.get(key);
    const different = this.#refusedOf.get(name) ?? 0;
    if (tally) tally.more += count;
    else if (different >= ofOneMax) this.counters.dropped += count;
    const decision = tally || different >= ofOneMax ? undefined : describe();
    this.refusedMost.note(name, (tally?.decision ?? decision)?.subject ?? undefined, reason, count);
    if (!decision) return;
    this.#refusedOf.set(name, different + 1);
    this.#begin(key, decision, count);
  }

  /** Returns what ends it. */
  watch(watcher: (view: VerdictView) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Tells and keeps what is still counted. */
  async flush(): Promise<void> {
    clearTimeout(this.#window);
    this.#endWindow();
    await this.#keeping;
  }

  #begin(key: string, decision: Decision, count: number): void {
    if (this.#tallies.size >= tallyMax) {
      this.counters.dropped += count;
      return;
    }
    this.#tallies.set(key, { decision, more: 0 });
    this.#tell(decision, count);
    this.#window ??= setTimeout(() => this.#endWindow(), windowMs).unref();
  }

  #endWindow(): void {
    this.#window = undefined;
    for (const { decision, more } of this.#tallies.values()) if (more > 0) this.#tell(decision, more);
    this.#tallies.clear();
    this.#refusedOf.clear();
    this.#keep();
  }

  #tell(decision: Decision, count: number): void {
    const { gate, system } = this.#parts;
    const refused = decision.verdict === 'refused';
    if (this.#watchers.size === 0 && !refused) return;
    const view = { at: timestamp(system.now()), gate, ...decision, count };
    for (const watcher of this.#watchers) watcher(view);
    if (refused && this.#toKeep.length < keptMax) this.#toKeep.push(view);
    else if (refused) this.counters.dropped += count;
  }

  #keep(): void {
    if (this.#toKeep.length === 0) return;
    const views = this.#toKeep;
    this.#toKeep = [];
    this.#keeping = this.#parts.sink.keepRefusals(views).catch((error: unknown) => {
      this.counters.dropped += views.length;
      this.#parts.log.warn({ err: error, refusals: views.length }, 'refusals could not be kept');
    });
  }
}
