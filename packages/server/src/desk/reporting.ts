import { DeskReportAnswer, type DeskReportRequest } from '@portcullis/contract';
import { exchange, type Link, Spare, without } from '@portcullis/device';
import type { Credentials } from '../credentials/credentials.ts';
import type { Log } from '../telemetry/telemetry.ts';

interface Parts {
  authority: string;
  link(): Link;
  credentials: Pick<Credentials, 'bundle' | 'heard'>;
  figures(): Omit<DeskReportRequest, 'bundle'>;
  log: Log;
}

const everyMs = 5_000;
/** Of many revisions at once one report comes: somebody may wait for it. */
const soonMs = 100;
const answerMs = 2_000;

/** Tells the authority how the desk stands, and hears which trust bundle there is. */
export class Reporting {
  readonly #parts: Parts;
  readonly #spare = new Spare('bundle', 'verifiers');
  #soon: NodeJS.Timeout | undefined;
  #every: NodeJS.Timeout | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Until it is stopped. */
  keep(): void {
    void this.#report();
    this.#every = setInterval(() => void this.#report(), everyMs).unref();
  }

  soon(): void {
    if (!this.#every) return;
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      void this.#report();
    }, soonMs).unref();
  }

  stop(): void {
    clearInterval(this.#every);
    clearTimeout(this.#soon);
    this.#every = undefined;
  }

  async #report(): Promise<void> {
    const { authority, link, credentials, figures, log } = this.#parts;
    const { bundle } = credentials;
    const told = { ...figures(), ...(bundle !== undefined && { bundle }) };
    try {
      const answer = await this.#spare.ask((lacking) =>
        exchange(link(), `${authority}/v1/desk/report`, without(told, lacking), DeskReportAnswer, answerMs),
      );
      credentials.heard(answer.bundle);
    } catch (error) {
      // Whoever answers next may be of another version.
      this.#spare.forget();
      log.debug({ err: error }, 'the authority was not told how the desk stands');
    }
  }
}
