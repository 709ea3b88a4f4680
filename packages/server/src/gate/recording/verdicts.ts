import {
  type Fingerprint,
  PortcullisError,
  type ReasonCode,
  type SubjectId,
  type VerdictView,
} from '@portcullis/contract';
import type { Sink } from '../../storage/sink.ts';
import { type Log, type System, timestamp } from '../../telemetry/telemetry.ts';
import { KeptRefusals } from './kept-refusals.ts';
import { RefusedSubjects } from './refused-subjects.ts';
import { Sightings } from './sightings.ts';
import { type Decision, Tallies, type Tally } from './tallies.ts';

export type { Decision } from './tallies.ts';

export interface Watcher {
  /** Of whom alone; undefined: of all. */
  readonly subject?: string | undefined;
  /** `line`: the same as JSON, made once for all who watch. */
  tell(view: VerdictView, line: string): void;
}

interface Parts {
  gate: SubjectId;
  sink: Pick<Sink, 'keepRefusals'>;
  system: System;
  log: Log;
}

const windowMs = 1_000;
/** So many different refusals are told apart within a second; of the rest the reason is. */
const refusalsMax = 2_000;
/** And so many refusals of one certificate: what is kept is a history of all, which nobody may wash out with his own. */
const ofOneMax = 8;
/** So many different admissions are told to who watches within a second; the rest is counted alone. */
const admissionsMax = 1_000;
const watchersMax = 16;

/**
 * Counts verdicts, tells who watches, keeps refusals. The first of its kind within a second is told at once, the others as one line at
 * the end of that second, and one line is kept of both: a flood of refusals is a few lines (FIELD-NOTES C7). Admissions are counted, and
 * lines are made of them only while somebody watches.
 */
export class Verdicts {
  /** `dropped`: refusals that are told by their reason alone, or of which no line could be kept. `untold`: what watchers did not take in time. */
  readonly counters = { admitted: 0, refused: 0, dropped: 0, untold: 0 };
  readonly refusals = new Map<ReasonCode, number>();
  /** Noted with each verdict on what a known subject sent. */
  readonly sightings: Sightings;
  /** Noted with each refusal. */
  readonly refusedMost: RefusedSubjects;
  readonly #parts: Parts;
  readonly #refused = new Tallies(refusalsMax);
  readonly #admitted = new Tallies(admissionsMax);
  /** By certificate: how many different refusals have a line within this second. */
  readonly #refusedOf = new Map<string, number>();
  readonly #watchers = new Set<Watcher>();
  /** Whom somebody watches by name: of these there is always a line. */
  #named: ReadonlySet<string | null> = new Set();
  #allAreWatched = false;
  readonly #kept: KeptRefusals;
  #window: NodeJS.Timeout | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.sightings = new Sightings(parts.system.now());
    this.refusedMost = new RefusedSubjects(parts.system.monotonic);
    const onDropped = (refusals: number) => {
      this.counters.dropped += refusals;
    };
    this.#kept = new KeptRefusals({ sink: parts.sink, log: parts.log, onDropped });
  }

  admitted(name: string, subject: string, stream: string, revision: number, count: number): void {
    this.counters.admitted += count;
    this.sightings.note(subject, { at: this.#parts.system.now(), verdict: 'admitted' });
    const isNamed = this.#named.has(subject);
    if (!isNamed && !this.#allAreWatched) return;
    const key = `${name} ${stream}`;
    if (this.#admitted.again(key, count)) return;
    const decision = { subject, certificate: name as Fingerprint, stream, verdict: 'admitted', revision } as const;
    const unsaid = { reason: null, expected: null, found: null, changedBy: null, changedAt: null };
    if (this.#admitted.isFull && !isNamed) this.#fold(this.#admitted, null, count, () => ({ ...decision, ...unsaid }));
    else this.#begin(this.#admitted, key, { ...decision, ...unsaid }, count);
  }

  /** `stream`: null where the policy has none of that name, so that invented names are one line. */
  refused(reason: ReasonCode, name: string, stream: string | null, count: number, describe: () => Decision): void {
    this.counters.refused += count;
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + count);
    let described: Decision | undefined;
    const decision = () => {
      described ??= describe();
      return described;
    };
    this.refusedMost.note(name, () => decision().subject, reason, count);
    const key = `${name} ${stream} ${reason}`;
    if (this.#refused.again(key, count)) return;
    const different = this.#refusedOf.get(name) ?? 0;
    const isFull = this.#refused.isFull && !(this.#named.size > 0 && this.#named.has(decision().subject));
    if (isFull || different >= ofOneMax) {
      this.counters.dropped += count;
      this.#fold(this.#refused, reason, count, decision);
    } else {
      this.#refusedOf.set(name, different + 1);
      this.#begin(this.#refused, key, decision(), count);
    }
  }

  /** Returns what ends it. @throws {PortcullisError} `watchers_full` */
  watch(watcher: Watcher): () => void {
    if (this.#watchers.size >= watchersMax) {
      throw new PortcullisError('watchers_full', `${watchersMax} watch this gate, and no more may`);
    }
    this.#watchers.add(watcher);
    this.#lookAtWatchers();
    return () => {
      this.#watchers.delete(watcher);
      this.#lookAtWatchers();
    };
  }

  /** Tells and keeps what is still counted. */
  async flush(): Promise<void> {
    clearTimeout(this.#window);
    this.#endWindow();
    await this.#kept.flush();
  }

  #lookAtWatchers(): void {
    const subjects = [...this.#watchers].map(({ subject }) => subject);
    this.#allAreWatched = subjects.includes(undefined);
    this.#named = new Set(subjects.filter((subject) => subject !== undefined));
  }

  #begin(tallies: Tallies, key: string, decision: Decision, count: number): void {
    const at = this.#timestamp();
    tallies.begin(key, decision, count, at);
    this.#tell(this.#viewOf(decision, count, at));
    this.#openWindow();
  }

  #fold(tallies: Tallies, reason: Decision['reason'], count: number, describe: () => Decision): void {
    tallies.fold(reason, count, describe, () => this.#timestamp());
    this.#openWindow();
  }

  #openWindow(): void {
    this.#window ??= setTimeout(() => this.#endWindow(), windowMs).unref();
  }

  #endWindow(): void {
    this.#window = undefined;
    const refused = this.#refused.end();
    this.#refusedOf.clear();
    for (const tally of refused) this.#tellRest(tally);
    for (const tally of this.#admitted.end()) this.#tellRest(tally);
    this.#kept.keep(refused.map(({ decision, count, at }) => this.#viewOf(decision, count, at)));
  }

  #tellRest({ decision, count, told }: Tally): void {
    if (count > told && this.#watchers.size > 0) this.#tell(this.#viewOf(decision, count - told, this.#timestamp()));
  }

  #tell(view: VerdictView): void {
    if (this.#watchers.size === 0) return;
    const line = `${JSON.stringify(view)}\n`;
    for (const watcher of this.#watchers) {
      if (watcher.subject === undefined || watcher.subject === view.subject) watcher.tell(view, line);
    }
  }

  #viewOf(decision: Decision, count: number, at: string): VerdictView {
    return { at, gate: this.#parts.gate, ...decision, count };
  }

  #timestamp(): string {
    return timestamp(this.#parts.system.now());
  }
}
