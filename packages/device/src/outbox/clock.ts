import type { ClockState } from '@portcullis/contract';
import type { System } from '../system.ts';

/** How far from a server's time a clock may be and still count as right. The header `Date` has whole seconds. */
const toleranceMs = 5_000;

interface Parts {
  system: System;
  /** What readings are dated by: the system's clock, or the time that the authority told where that is wrong. */
  time: { now(): number; readonly isCorrected: boolean };
  /** When the device's own certificate was made. */
  notBefore(): number;
}

/**
 * What is known of the time that readings carry, for `_clock`. The authority's own is right. Before the certificate's own making it is wrong
 * (FIELD-NOTES D7). Otherwise a verified server's time tells, until the clock is set again or stands still with the machine.
 */
export class Clock {
  readonly #parts: Parts;
  #heard: { right: boolean; startMs: number } | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The header `Date` of an answer of a verified server. */
  heard(date: string | undefined): void {
    const told = Date.parse(date ?? '');
    if (Number.isNaN(told)) return;
    const right = Math.abs(told + 500 - this.#parts.time.now()) <= toleranceMs;
    this.#heard = { right, startMs: this.#startMs() };
  }

  get state(): ClockState {
    const { system, time, notBefore } = this.#parts;
    if (time.isCorrected) return 'synchronized';
    if (system.now() < notBefore()) return 'unsynchronized';
    if (!this.#heard || Math.abs(this.#heard.startMs - this.#startMs()) > toleranceMs) return 'unknown';
    return this.#heard.right ? 'synchronized' : 'unsynchronized';
  }

  /** Where the wall clock says the monotonic one began: it moves when the clock is set and when the machine has slept. */
  #startMs(): number {
    return this.#parts.system.now() - this.#parts.system.monotonic();
  }
}
