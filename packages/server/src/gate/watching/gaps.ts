import { edgeBounds, type Gap, type ReasonCode, type StreamName, type SubjectId } from '@portcullis/contract';
import { timestamp } from '../../telemetry/telemetry.ts';

/** Of more senders the oldest causes are forgotten: a flood of refusals takes no more memory than this. */
const sendersMax = 10_000;

interface Cause {
  subject: string;
  stream: string;
  reason: ReasonCode;
  at: number;
}

/** Why nothing comes of senders: the last reason of each, until it was told. In memory alone, since a reason that lasts comes again. */
export class Gaps {
  readonly #causes = new Map<string, Cause>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#causes.size;
  }

  note(subject: string, stream: string, reason: ReasonCode): void {
    const key = `${subject} ${stream}`;
    this.#causes.delete(key);
    this.#causes.set(key, { subject, stream, reason, at: this.#now() });
    if (this.#causes.size <= sendersMax) return;
    const [[oldest] = ['']] = this.#causes;
    this.#causes.delete(oldest);
  }

  /** The oldest of them; they stay until `told`. */
  first(): Gap[] {
    return [...this.#causes.values()].slice(0, edgeBounds.gapsMax).map(({ subject, stream, reason, at }) => ({
      subject: subject as SubjectId,
      stream: stream as StreamName,
      reason,
      at: timestamp(at),
    }));
  }

  /** What came since stays. */
  told(gaps: readonly Gap[]): void {
    for (const { subject, stream, at, reason } of gaps) {
      const key = `${subject} ${stream}`;
      const cause = this.#causes.get(key);
      if (cause && cause.reason === reason && timestamp(cause.at) === at) this.#causes.delete(key);
    }
  }
}
