import type { FailureCode } from '@portcullis/contract';
import { type Log, SparseLines, type System } from '../telemetry/telemetry.ts';

/** Of one code: while a database is away each request fails alike. */
const lineEveryMs = 10_000;

/**
 * Requests that failed by no fault of who asked, as lines of the log. What this program did not foresee is told each time, with where it came from; what it
 * has a word for as often as `lineEveryMs`, with how many there were.
 */
export class FailedRequests {
  readonly #log: Log;
  readonly #lines: SparseLines;

  constructor(log: Log, system: Pick<System, 'monotonic'>) {
    this.#log = log;
    this.#lines = new SparseLines(lineEveryMs, system);
  }

  note(err: unknown, code: FailureCode, why: string): void {
    const more = code === 'internal' ? {} : this.#lines.due(code);
    if (more) this.#log.error({ err, code, why, ...more }, 'a request failed');
  }
}
