/** The wall clock of a process as a test sets it while the process runs; its monotonic clock goes on as it is, unless it is to go along. */
import { globSync, mkdtempSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Of the Debian package `faketime`. */
export const fakeTimeLibrary = globSync('/usr/lib/*/faketime/libfaketime.so.1')[0];

export class WallClock {
  readonly environment: Record<string, string>;
  readonly #file: string;

  /** `isTime`: it is time that passes, and timers come due with it, as on a machine that slept. */
  constructor(directory = mkdtempSync(join(tmpdir(), 'portcullis-clock-')), { isTime = false } = {}) {
    this.#file = join(directory, 'clock');
    this.step(0);
    this.environment = {
      LD_PRELOAD: fakeTimeLibrary ?? '',
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      // The library reads the file at each call, into one place for all threads: where two read it at once, one may see a piece of it. A wall clock that is wrong for
      // a moment does no harm; of a monotonic one that goes back Node ends, so there are as few threads as can be.
      ...(isTime ? { NODE_OPTIONS: '--v8-pool-size=0', UV_THREADPOOL_SIZE: '1' } : { DONT_FAKE_MONOTONIC: '1' }),
      NO_FAKE_STAT: '1',
    };
  }

  /** From now on it is so far ahead of the true time. */
  step(seconds: number): void {
    // A process that looks meanwhile must not find it empty: that would be another step.
    writeFileSync(`${this.#file}.next`, `${seconds < 0 ? '' : '+'}${seconds}\n`);
    renameSync(`${this.#file}.next`, this.#file);
  }
}
