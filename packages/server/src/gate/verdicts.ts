import type { Fingerprint, ReasonCode, SubjectId, VerdictView } from '@portcullis/contract';
import type { Sink } from '../storage/sink.ts';
import { type Log, type System, timestamp } from '../telemetry/telemetry.ts';

/** What is said of one decision. */
export interface Said {
  subject: string | null;
  certificate: string | null;
  stream: string | null;
  reason: ReasonCode | null;
  expected?: unknown;
  found?: unknown;
  revision: number;
  changedBy?: string | null;
  changedAt?: string | null;
  readings: number;
}

interface Parts {
  gate: string;
  sink: Pick<Sink, 'keepRefusals'>;
  system: System;
  log: Log;
}

/** Different lines within one second; what comes beyond is counted as `dropped`. */
const linesPerSecondMax = 2_000;
const recentMax = 500;
const flushMs = 1_000;

/**
 * Counts every verdict. Those of one certificate, stream and reason within a second are one line: refusals are kept with their
 * reason, admissions are shown to whoever watches. Memory is bounded, whatever a flood does (FIELD-NOTES C7).
 */
export class Verdicts {
  admitted = 0;
  refused = 0;
  dropped = 0;
  readonly byReason = new Map<ReasonCode, number>();
  readonly #parts: Parts;
  readonly #lines = new Map<string, VerdictView>();
  readonly #followers = new Set<(line: VerdictView) => void>();
  #recent: VerdictView[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#timer = setInterval(() => void this.flush(), flushMs).unref();
  }

  say(said: Said): void {
    if (said.reason === null) this.admitted += said.readings;
    else {
      this.refused += said.readings;
      this.byReason.set(said.reason, (this.byReason.get(said.reason) ?? 0) + said.readings);
    }
    this.#gather(said);
  }

  #gather(said: Said): void {
    const key = `${said.certificate} ${said.stream} ${said.reason}`;
    const known = this.#lines.get(key);
    if (known) known.count += said.readings;
    else if (this.#lines.size >= linesPerSecondMax) this.dropped += said.readings;
    else {
      const line = this.#lineOf(said);
      this.#lines.set(key, line);
      // The first of its kind is shown at once; the rest of the second follows with the count.
      for (const follower of this.#followers) follower(line);
    }
  }

  #lineOf(said: Said): VerdictView {
    return {
      at: timestamp(this.#parts.system.now()),
      gate: this.#parts.gate as SubjectId,
      subject: said.subject,
      certificate: said.certificate as Fingerprint | null,
      stream: said.stream,
      verdict: said.reason === null ? 'admitted' : 'refused',
      reason: said.reason,
      expected: said.expected ?? null,
      found: said.found ?? null,
      revision: said.revision,
      changedBy: said.changedBy ?? null,
      changedAt: said.changedAt ?? null,
      count: said.readings,
    };
  }

  /** The last lines, admitted ones too. */
  recent(): VerdictView[] {
    return [...this.#recent, ...this.#lines.values()];
  }

  follow(follower: (line: VerdictView) => void): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  async flush(): Promise<void> {
    const lines = [...this.#lines.values()];
    this.#lines.clear();
    this.#recent = [...this.#recent, ...lines].slice(-recentMax);
    const refusals = lines.filter(({ verdict }) => verdict === 'refused');
    if (refusals.length === 0) return;
    await this.#parts.sink.keepRefusals(refusals).catch((error: unknown) => {
      this.dropped += refusals.length;
      this.#parts.log.warn({ err: error, refusals: refusals.length }, "couldn't keep refusals");
    });
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }
}
