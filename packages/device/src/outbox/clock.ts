import type { ClockState } from '@portcullis/contract';
import type { System } from '../system.ts';

/** How far from a server's time a clock may be and still count as right. The header `Date` has whole seconds. */
const toleranceMs = 5_000;

/**
 * What is known of this machine's clock, for `_clock`. Before the certificate's own making it is wrong (FIELD-NOTES D7). Otherwise a
 * verified server's time tells, until the clock is set again or stands still with the machine.
 */
export class Clock {
  readonly #system: System;
  readonly #notBefore: () => number;
  #heard: { right: boolean; startMs: number } | undefined;

  constructor(system: System, notBefore: () => number) {
    this.#system = system;
    this.#notBefore = notBefore;
  }

  /** The header `Date` of an answer of a verified server. */
  heard(date: string | undefined): void {
    const told = Date.parse(date ?? '');
    if (Number.isNaN(told)) return;
    const right = Math.abs(told + 500 - this.#system.now()) <= toleranceMs;
    this.#heard = { right, startMs: this.#startMs() };
  }

  get state(): ClockState {
    if (this.#system.now() < this.#notBefore()) return 'unsynchronized';
    if (!this.#heard || Math.abs(this.#heard.startMs - this.#startMs()) > toleranceMs) return 'unknown';
    return this.#heard.right ? 'synchronized' : 'unsynchronized';
  }

  /** Where the wall clock says the monotonic one began: it moves when the clock is set and when the machine has slept. */
  #startMs(): number {
    return this.#system.now() - this.#system.monotonic();
  }
}
