import { setTimeout as pause } from 'node:timers/promises';
import type { Recording } from '../recording/recording.ts';

/** A disk that can not be written keeps nobody from reading what is there. */
const waitMsMax = 1_000;

/**
 * A reading is acknowledged as soon as the lease was looked at after its commit, and shown once that look is on record, which takes
 * up to half a second more. Who asks for readings has it recorded now: what was acknowledged before he asked is in his answer.
 */
export class OnRecord {
  readonly #recording: Pick<Recording<never>, 'afterCommitInFlight'>;
  /** One for all who ask meanwhile. */
  #waiting: Promise<void> | undefined;

  constructor(recording: Pick<Recording<never>, 'afterCommitInFlight'>) {
    this.#recording = recording;
  }

  async soon(): Promise<void> {
    this.#waiting ??= new Promise<void>((resolve) => this.#recording.afterCommitInFlight(resolve)).then(() => {
      this.#waiting = undefined;
    });
    const over = new AbortController();
    await Promise.race([this.#waiting, pause(waitMsMax, undefined, { signal: over.signal }).catch(() => undefined)]);
    over.abort();
  }
}
