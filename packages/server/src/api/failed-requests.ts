import type { FailureCode } from '@portcullis/contract';
import type { Log, System } from '../telemetry/telemetry.ts';

/** Of one code: while a database is away each request fails alike. */
const lineEveryMs = 10_000;

/**
 * Requests that failed by no fault of who asked, as lines of the log. What this program did not foresee is told each time, with where it came from; what it
 * has a word for as often as `lineEveryMs`, with how many there were.
 */
export class FailedRequests {
  readonly #log: Log;
  readonly #system: Pick<System, 'monotonic'>;
  readonly #last = new Map<FailureCode, { at: number; more: number }>();

  constructor(log: Log, system: Pick<System, 'monotonic'>) {
    this.#log = log;
    this.#system = system;
  }

  note(error: unknown, code: FailureCode, why: string): void {
    if (code === 'internal') {
      this.#log.error({ err: error, code }, 'a request failed');
      return;
    }
    const now = this.#system.monotonic();
    const last = this.#last.get(code);
    if (last && now - last.at < lineEveryMs) {
      last.more++;
      return;
    }
    this.#last.set(code, { at: now, more: 0 });
    const more = last !== undefined && last.more > 0 && { notWritten: last.more };
    this.#log.error({ err: error, code, why, ...more }, 'a request failed');
  }
}
