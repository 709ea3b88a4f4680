import { Acknowledgement, PortcullisError, Problem, type ReasonCode, reasons } from '@portcullis/contract';
import { BackOff, type Pace, paces } from '../link/back-off.ts';
import { parseAnswer } from '../link/exchange.ts';
import type { Link, LinkAnswer } from '../link/link.ts';
import { type System, timerMsMax } from '../system.ts';
import type { Clock } from './clock.ts';
import type { Place } from './cursor.ts';
import type { Outbox, Waiting } from './outbox.ts';

const batchReadingsMax = 500;
const batchBytesMax = 1024 * 1024;

export interface Refusal {
  stream: string;
  reason: string;
  title: string;
  detail?: string;
  expected?: unknown;
  found?: unknown;
}

export interface Counts {
  acknowledged: number;
  refused: number;
}

export interface SenderParts {
  stream: string;
  outbox: Outbox;
  /** The link and the gates of the credential in force now. */
  route(): { link: Link; gates: readonly string[] };
  counts: Counts;
  system: System;
  clock: Clock;
  onRefusal(refusal: Refusal): void;
  /** Takes the oldest reading, which will never pass, out of the outbox. */
  setAside(refused: Waiting, refusal: Refusal): void;
  onFailure(error: PortcullisError): void;
}

type Peeked = Waiting[];

/**
 * Sends the readings of one stream in order. Only an application's acknowledgement takes a reading out (P8); a refusal of the
 * certificate or of the gate keeps it, a refusal of the reading itself moves that one aside.
 */
export class Sender {
  readonly #parts: SenderParts;
  readonly #backOff: BackOff;
  readonly #abort = new AbortController();
  #wake: () => void = () => undefined;
  /** Which of the gates: each device begins with another, so that a fleet spreads. */
  #gate: number;
  #limit = batchReadingsMax;

  constructor(parts: SenderParts) {
    this.#parts = parts;
    this.#backOff = new BackOff(parts.system);
    this.#gate = parts.system.random(2).readUInt16BE();
  }

  /** Something was put. */
  wake(): void {
    this.#wake();
  }

  stop(): void {
    this.#abort.abort();
    this.#wake();
  }

  async run(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      const pauseMs = await this.#step();
      if (pauseMs !== 0) await this.#pause(pauseMs);
    }
  }

  /** How long to wait: 0 to go on, undefined when nothing waits. Also a disk that fails is tried again. */
  async #step(): Promise<number | undefined> {
    try {
      const batch = this.#parts.outbox.peek(this.#limit, batchBytesMax);
      return batch.length === 0 ? undefined : await this.#send(batch);
    } catch (error) {
      return this.#failed(failureOf(error));
    }
  }

  /** Until the time is over, or, without one, until something is put. */
  #pause(milliseconds: number | undefined): Promise<void> {
    if (this.#abort.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = milliseconds === undefined ? undefined : setTimeout(resolve, milliseconds);
      this.#wake = () => {
        if (milliseconds !== undefined && !this.#abort.signal.aborted) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #send(batch: Peeked): Promise<number> {
    const { link, gates } = this.#parts.route();
    const gate = gates[this.#gate % gates.length];
    if (gate === undefined) return this.#failed(new PortcullisError('server_unreachable', 'no gate is known'));
    const answer = await link.request({
      url: `${gate}/v1/streams/${this.#parts.stream}/readings`,
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: batch.map(({ line }) => line).join('\n'),
      signal: this.#abort.signal,
    });
    return this.#answered(batch, answer);
  }

  #failed(error: PortcullisError): number {
    this.#gate++;
    if (this.#abort.signal.aborted) return 0;
    this.#parts.onFailure(error);
    return this.#backOff.next(error.code === 'not_authenticated' ? paces.certificate : paces.network);
  }

  #answered(batch: Peeked, answer: LinkAnswer): number {
    this.#parts.clock.heard(answer.headers.date);
    if (answer.status === 202) {
      const parsed = Acknowledgement.safeParse(parseAnswer(answer));
      if (parsed.success && parsed.data.acknowledged === batch.length) return this.#acknowledged(batch);
      return this.#failed(new PortcullisError('answer_malformed', 'the acknowledgement is not one of this batch'));
    }
    const parsed = Problem.safeParse(parseAnswer(answer));
    if (!parsed.success)
      return this.#failed(new PortcullisError('answer_malformed', `the gate answered ${answer.status}`));
    return this.#refused(batch, parsed.data, retryAfterMs(answer.headers['retry-after']));
  }

  #acknowledged(batch: Peeked): number {
    this.#backOff.acknowledged();
    this.#parts.counts.acknowledged += batch.length;
    this.#parts.outbox.advance(batch.at(-1)?.place as Place, batch.length);
    this.#limit = batchReadingsMax;
    return 0;
  }

  #refused(batch: Peeked, problem: Problem, atLeastMs: number): number {
    const reason = Object.hasOwn(reasons, problem.reason) ? reasons[problem.reason as ReasonCode] : undefined;
    if (reason?.class === 'reading') return this.#setAside(batch, problem);
    this.#parts.onRefusal(refusalOf(this.#parts.stream, problem));
    if (reason?.class === 'gate') this.#gate++;
    return this.#backOff.next(paceOf(problem.reason, reason?.class), atLeastMs);
  }

  /** Nothing of the batch was stored. What stands before the refused line is sent alone first, so that order is kept. */
  #setAside(batch: Peeked, problem: Problem): number {
    const index = (problem.line ?? 1) - 1;
    const refused = batch[index];
    if (refused === undefined) {
      const message = `the gate refused line ${problem.line} of ${batch.length}`;
      return this.#failed(new PortcullisError('answer_malformed', message));
    }
    if (index > 0) {
      this.#limit = index;
      return 0;
    }
    if (problem.line === undefined && batch.length > 1) {
      // The whole body was refused and no line was named: find the one by sending fewer.
      this.#limit = Math.floor(batch.length / 2);
      return 0;
    }
    this.#parts.setAside(refused, refusalOf(this.#parts.stream, problem));
    this.#limit = batchReadingsMax;
    return 0;
  }
}

/** RFC 9110 §10.2.3. Our servers give seconds; a date, or more than a timer takes, is not followed. */
function retryAfterMs(value: string | undefined): number {
  return /^\d{1,9}$/.test(value ?? '') ? Math.min(Number(value) * 1000, timerMsMax) : 0;
}

function paceOf(reason: string, reasonClass: string | undefined): Pace {
  if (reason === 'not_admitted') return paces.not_admitted;
  return reasonClass === 'certificate' ? paces.certificate : paces.gate;
}

function failureOf(error: unknown): PortcullisError {
  if (error instanceof PortcullisError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new PortcullisError(code === 'ENOSPC' ? 'disk_full' : 'internal', message, { cause: error });
}

function refusalOf(stream: string, { reason, title, detail, expected, found }: Problem): Refusal {
  const told = {
    ...(detail !== undefined && { detail }),
    ...(expected !== undefined && { expected }),
    ...(found !== undefined && { found }),
  };
  return { stream, reason, title, ...told };
}
