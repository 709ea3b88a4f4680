import { appendFileSync } from 'node:fs';
import { Acknowledgement, PortcullisError, Problem, type ReasonCode, reasons } from '@portcullis/contract';
import { BackOff, type Pace, paces } from './back-off.ts';
import { parseAnswer } from './exchange.ts';
import type { Link, LinkAnswer } from './link.ts';
import type { Outbox, Place, Waiting } from './outbox.ts';
import type { System } from './system.ts';

const batchReadingsMax = 500;
const batchBytesMax = 1024 * 1024;

export interface Refusal {
  stream: string;
  reason: string;
  title: string;
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
  /** Where readings go that will never pass. */
  refusedFile: string;
  counts: Counts;
  system: System;
  onRefusal(refusal: Refusal): void;
  onFailure(error: PortcullisError): void;
}

type Peeked = ReturnType<Outbox['peek']>;

/**
 * Sends the readings of one stream in order. Only an application's acknowledgement takes a reading out (P8); a refusal of the
 * certificate or of the gate keeps it, a refusal of the reading itself moves that one aside.
 */
export class Sender {
  readonly #parts: SenderParts;
  readonly #backOff: BackOff;
  readonly #abort = new AbortController();
  #wake: () => void = () => undefined;
  #gate = 0;
  #limit = batchReadingsMax;

  constructor(parts: SenderParts) {
    this.#parts = parts;
    this.#backOff = new BackOff(parts.system);
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
      const batch = this.#parts.outbox.peek(this.#limit, batchBytesMax);
      const pauseMs = batch.length === 0 ? undefined : await this.#send(batch);
      if (pauseMs !== 0) await this.#pause(pauseMs);
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

  /** Resolves to how long to wait before the next try: 0 to go on. */
  async #send(batch: Peeked): Promise<number> {
    const { link, gates } = this.#parts.route();
    const gate = gates[this.#gate % gates.length];
    if (gate === undefined) return this.#failed(new PortcullisError('server_unreachable', 'no gate is known'));
    try {
      const answer = await link.request({
        url: `${gate}/v1/streams/${this.#parts.stream}/readings`,
        method: 'POST',
        headers: { 'content-type': 'application/x-ndjson' },
        body: batch.map(({ reading }) => lineOf(reading)).join('\n'),
        signal: this.#abort.signal,
      });
      return this.#answered(batch, answer);
    } catch (error) {
      return this.#failed(error as PortcullisError);
    }
  }

  #failed(error: PortcullisError): number {
    this.#gate++;
    if (this.#abort.signal.aborted) return 0;
    this.#parts.onFailure(error);
    return this.#backOff.next(paces.network);
  }

  #answered(batch: Peeked, answer: LinkAnswer): number {
    if (answer.status === 202) {
      const parsed = Acknowledgement.safeParse(parseAnswer(answer));
      if (parsed.success && parsed.data.acknowledged === batch.length) return this.#acknowledged(batch);
      return this.#failed(new PortcullisError('answer_malformed', 'the acknowledgement is not one of this batch'));
    }
    const parsed = Problem.safeParse(parseAnswer(answer));
    if (!parsed.success)
      return this.#failed(new PortcullisError('answer_malformed', `the gate answered ${answer.status}`));
    return this.#refused(batch, parsed.data, Number(answer.headers['retry-after'] ?? 0) * 1000);
  }

  #acknowledged(batch: Peeked): number {
    this.#backOff.acknowledged();
    this.#parts.counts.acknowledged += batch.length;
    this.#parts.outbox.advance(batch.at(-1)?.place as Place, batch.length);
    this.#limit = batchReadingsMax;
    return 0;
  }

  #refused(batch: Peeked, problem: Problem, retryAfterMs: number): number {
    const reason = Object.hasOwn(reasons, problem.reason) ? reasons[problem.reason as ReasonCode] : undefined;
    if (reason?.class === 'reading') return this.#setAside(batch, problem);
    this.#parts.onRefusal(refusalOf(this.#parts.stream, problem));
    if (reason?.class === 'gate') this.#gate++;
    return this.#backOff.next(paceOf(problem.reason, reason?.class), retryAfterMs);
  }

  /** Nothing of the batch was stored. What stands before the refused line is sent alone first, so that order is kept. */
  #setAside(batch: Peeked, problem: Problem): number {
    const index = (problem.line ?? 1) - 1;
    const refused = batch[index];
    if (index > 0 || refused === undefined) {
      this.#limit = Math.max(1, index);
      return 0;
    }
    if (problem.line === undefined && batch.length > 1) {
      // The whole body was refused and no line was named: find the one by sending fewer.
      this.#limit = Math.max(1, Math.floor(batch.length / 2));
      return 0;
    }
    const note = { ...refusalOf(this.#parts.stream, problem), reading: refused.reading };
    appendFileSync(this.#parts.refusedFile, `${JSON.stringify(note)}\n`, { mode: 0o600, flush: true });
    this.#parts.counts.refused++;
    this.#parts.onRefusal(refusalOf(this.#parts.stream, problem));
    this.#parts.outbox.advance(refused.place, 1);
    this.#limit = batchReadingsMax;
    return 0;
  }
}

function paceOf(reason: string, reasonClass: string | undefined): Pace {
  if (reason === 'not_admitted') return paces.not_admitted;
  return reasonClass === 'certificate' ? paces.certificate : paces.gate;
}

function refusalOf(stream: string, { reason, title, expected, found }: Problem): Refusal {
  return { stream, reason, title, ...(expected !== undefined && { expected }), ...(found !== undefined && { found }) };
}

function lineOf({ id, time, clock, data }: Waiting): string {
  return JSON.stringify({ ...data, _id: id, _time: time, _clock: clock });
}
