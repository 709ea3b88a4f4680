import { type Asked, PortcullisError, SignedAnswer, TimeTold } from '@portcullis/contract';
import { exchange } from '../link/exchange.ts';
import { Link } from '../link/link.ts';
import type { Moment } from '../link/moment.ts';
import { isByClock } from '../link/strict-connector.ts';
import type { System } from '../system.ts';
import { type AnswerTrust, newChallenge, sha256Hex, verifiedPayload } from './answer.ts';

/** How far the system's clock may be off before it is judged by another: certificates are back-dated by an hour. */
const offMsMax = 60_000;
/** How far wall clock and monotonic clock may part before one of them was set, or the machine has slept. */
const driftMsMax = 5_000;
const answerMsMax = 10_000;

export interface Authority extends AnswerTrust {
  /** Where the authority, or a desk, is asked. */
  enrolment: string;
  /** All of its addresses, where it has several. */
  addresses?: readonly string[] | undefined;
  /** Milliseconds since 1970: before that it can not be. */
  floor: number;
}

/**
 * The right time where the system's clock is wrong, from the authority's own signature over a challenge of this device (FIELD-NOTES D7).
 * It runs with the system's clock, and is forgotten when that is set, or the machine has slept.
 * - Nothing is believed that the authority did not sign now, with a certificate that is valid at the time it tells, or that is before
 *   what the device knows by itself: when its own certificate was made, or the root that it enrols by.
 * - What carries the question is judged whole but for the exact time: all of its chain is valid together at some time not before that.
 */
export class KnownTime {
  readonly #system: System;
  #told: { offsetMs: number; startMs: number } | undefined;

  constructor(system: System) {
    this.#system = system;
  }

  /** Milliseconds since 1970: the authority's time where that is known to be another than the system's. */
  now(): number {
    return this.#system.now() + (this.#offsetMs() ?? 0);
  }

  /** The system's clock is wrong, and the right time is known. */
  get isCorrected(): boolean {
    return this.#offsetMs() !== undefined;
  }

  /** What servers are judged by; undefined: the system's clock. */
  readonly moment = (): Moment | undefined => {
    if (!this.isCorrected) return undefined;
    const now = this.now();
    return { from: now, until: now };
  };

  /**
   * @throws {PortcullisError} `answer_not_verified`, `server_unreachable`, `server_not_verified`, and what an authority that knows
   * no such question answers
   */
  async ask({ enrolment, floor, ...trust }: Authority, signal?: AbortSignal): Promise<void> {
    const moment = { from: floor, until: Number.MAX_SAFE_INTEGER };
    const link = new Link({ ...trust, role: 'enroller', moment: () => moment });
    const close = () => link.close();
    signal?.addEventListener('abort', close);
    try {
      const asked = {
        purpose: 'time' as const,
        challenge: newChallenge(this.#system),
        about: sha256Hex(Buffer.alloc(0)),
      };
      const sentAt = this.#system.monotonic();
      const { challenge } = asked;
      const answer = await exchange(link, `${enrolment}/v1/time`, { challenge }, SignedAnswer, answerMsMax);
      const tookMs = this.#system.monotonic() - sentAt;
      this.#believe(timeIn(answer, asked, trust, moment) + tookMs / 2);
    } finally {
      signal?.removeEventListener('abort', close);
      link.close();
    }
  }

  /** Does the work; where servers fail it by the clock alone, asks for the time and does it once more. */
  async withIt<Value>(authority: () => Authority, work: () => Promise<Value>): Promise<Value> {
    try {
      return await work();
    } catch (error) {
      if (!isByClock(error)) throw error;
      await this.ask(authority());
      return await work();
    }
  }

  #believe(now: number): void {
    const offsetMs = now - this.#system.now();
    this.#told = Math.abs(offsetMs) <= offMsMax ? undefined : { offsetMs, startMs: this.#startMs() };
  }

  #offsetMs(): number | undefined {
    const told = this.#told;
    return told && Math.abs(told.startMs - this.#startMs()) <= driftMsMax ? told.offsetMs : undefined;
  }

  /** Where the wall clock says the monotonic one began. */
  #startMs(): number {
    return this.#system.now() - this.#system.monotonic();
  }
}

/** Signed by a certificate that is valid when it says it is, and no earlier than what is known. */
function timeIn(answer: SignedAnswer, asked: Asked, trust: AnswerTrust, known: Moment): number {
  const told = TimeTold.safeParse(verifiedPayload(answer, asked, trust, known));
  if (!told.success) throw new PortcullisError('answer_malformed', 'what the authority signed names no time');
  const at = Date.parse(told.data.at);
  if (at < known.from)
    throw new PortcullisError('answer_not_verified', `${told.data.at} is before what this device knows`);
  verifiedPayload(answer, asked, trust, { from: at, until: at });
  return at;
}
