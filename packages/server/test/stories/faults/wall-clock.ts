/** The wall clock of a process as a test sets it while the process runs; its monotonic clock goes on as it is. */
import { globSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Of the Debian package `faketime`. */
export const fakeTimeLibrary = globSync('/usr/lib/*/faketime/libfaketime.so.1')[0];

export class WallClock {
  readonly environment: Record<string, string>;
  readonly #file: string;

  constructor(directory = mkdtempSync(join(tmpdir(), 'portcullis-clock-'))) {
    this.#file = join(directory, 'clock');
    this.step(0);
    this.environment = {
      LD_PRELOAD: fakeTimeLibrary ?? '',
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    };
  }

  /** From now on it is so far ahead of the true time. */
  step(seconds: number): void {
    writeFileSync(this.#file, `${seconds < 0 ? '' : '+'}${seconds}\n`);
  }
}
