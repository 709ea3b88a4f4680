import {
  Acknowledgement,
  failures,
  PortcullisError,
  Problem,
  type ReasonClass,
  type ReasonCode,
  reasons,
} from '@portcullis/contract';
import { BackOff, type Pace, paces } from '../link/back-off.ts';
import { parseAnswer } from '../link/exchange.ts';
import type { Link, LinkAnswer } from '../link/link.ts';
import { type System, timerMsMax } from '../system.ts';
import type { Clock } from './clock.ts';
import type { Place } from './cursor.ts';
import { GateChoice } from './gate-choice.ts';
import type { Outbox, Waiting } from './outbox.ts';
import { Portion } from './portion.ts';

const batchReadingsMax = 5_000;

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
  /** None of the known gates could be asked, or none of them knows the stream: there may be others by now. */
  onGatesMissing(): void;
  /** One of them does it after all. */
  onGatesFound(): void;
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
  readonly #portion = new Portion();
  readonly #gates: GateChoice;
  #wake: () => void = () => undefined;
  #hurry: () => void = () => undefined;
  #limit = batchReadingsMax;
  #setApart: 'stream_unknown' | undefined;
  #missesGates = false;
  /** The gate that was asked last. */
  #asked = '';

  constructor(parts: SenderParts) {
    this.#parts = parts;
    this.#backOff = new BackOff(parts.system);
    this.#gates = new GateChoice(parts.system.random(2).readUInt16BE(), () => parts.system.monotonic());
  }

  /** Why what waits here is not expected to leave soon: no known gate has the stream. It is tried again slowly. */
  get setApart(): 'stream_unknown' | undefined {
    return this.#setApart;
  }

  /** Tries again now, whatever it waits for. */
  retry(): void {
    this.#gates.forget();
    this.#backOff.acknowledged();
    this.#hurry();
  }

  /** Something was put. */
  wake(): void {
    this.#wake();
  }

  stop(): void {
    this.#abort.abort();
    this.#hurry();
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
      const batch = this.#parts.outbox.peek(this.#limit, this.#portion.bytesMax);
      return batch.length === 0 ? undefined : await this.#send(batch);
    } catch (error) {
      return this.#failed(failureOf(error), this.#asked);
    }
  }

  /** Until the time is over, or, without one, until something is put. */
  #pause(milliseconds: number | undefined): Promise<void> {
    if (this.#abort.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = milliseconds === undefined ? undefined : setTimeout(resolve, milliseconds);
      this.#hurry = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#wake = milliseconds === undefined ? this.#hurry : () => undefined;
    });
  }

  async #send(batch: Peeked): Promise<number> {
    const { link, gates } = this.#parts.route();
    const gate = this.#gates.current(gates);
    this.#asked = gate ?? '';
    if (gate === undefined) return this.#failed(new PortcullisError('server_unreachable', 'no gate is known'), '');
    const body = Buffer.from(batch.map(({ line }) => line).join('\n'));
    const start = this.#parts.system.monotonic();
    const elapsedMs = () => this.#parts.system.monotonic() - start;
    try {
      const answer = await link.request({
        url: `${gate}/v1/streams/${this.#parts.stream}/readings`,
        method: 'POST',
        headers: { 'content-type': 'application/x-ndjson' },
        body,
        timeoutMs: this.#portion.patienceMs(body.length),
        signal: this.#abort.signal,
      });
      // RFC 9110 §15.5.9: the gate gave up on a body that came too slowly.
      if (answer.status === 408) throw tooSlow(gate);
      if (answer.status === 202) this.#portion.acknowledged(body.length, elapsedMs());
      return this.#answered(batch, answer, gate);
    } catch (error) {
      if (error instanceof PortcullisError && error.detail.begun === true) {
        this.#portion.failed(body.length, elapsedMs());
        if (error.detail.answered !== true) this.#gates.lost(gate);
      }
      throw error;
    }
  }

  #failed(error: PortcullisError, gate: string): number {
    const isGone = error.code === 'server_unreachable' || error.code === 'server_not_verified';
    if (!isGone) this.#gates.passOver(gate);
    const areAllGone = isGone && this.#gates.failed(gate, this.#parts.route().gates);
    if (this.#abort.signal.aborted) return 0;
    this.#parts.onFailure(error);
    if (areAllGone) this.#missGates();
    return this.#backOff.next(error.code === 'not_authenticated' ? paces.certificate : paces.network);
  }

  #answered(batch: Peeked, answer: LinkAnswer, gate: string): number {
    this.#parts.clock.heard(answer.headers.date);
    if (answer.status === 202) {
      const parsed = Acknowledgement.safeParse(parseAnswer(answer));
      if (parsed.success && parsed.data.acknowledged === batch.length) return this.#acknowledged(batch, gate);
      return this.#notUnderstood(gate, 'the acknowledgement is not one of this batch');
    }
    const parsed = Problem.safeParse(parseAnswer(answer));
    if (!parsed.success) return this.#notUnderstood(gate, `the gate answered ${answer.status}`);
    if (parsed.data.reason === 'stream_unknown') return this.#unknown(gate, parsed.data);
    return this.#refused(batch, parsed.data, gate, answer);
  }

  /** Whoever answered so, the gate behind it may have stored what it was sent. */
  #notUnderstood(gate: string, message: string): number {
    this.#gates.lost(gate);
    return this.#failed(new PortcullisError('answer_malformed', message), gate);
  }

  #acknowledged(batch: Peeked, gate: string): number {
    this.#backOff.acknowledged();
    this.#gates.acknowledged();
    this.#isKnownTo(gate);
    this.#parts.counts.acknowledged += batch.length;
    this.#parts.outbox.advance(batch.at(-1)?.place as Place, batch.length);
    this.#limit = batchReadingsMax;
    return 0;
  }

  #isKnownTo(gate: string): void {
    this.#gates.knows(gate);
    this.#setApart = undefined;
    if (this.#missesGates) this.#parts.onGatesFound();
    this.#missesGates = false;
  }

  #missGates(): void {
    this.#missesGates = true;
    this.#parts.onGatesMissing();
  }

  /** Another gate may know the stream; when none does, the readings wait apart, and are tried again slowly. */
  #unknown(gate: string, problem: Problem): number {
    const { gates } = this.#parts.route();
    const isNew = this.#gates.isNewlyIgnorant(gate);
    const byAll = this.#gates.areAllIgnorant(gates);
    if (isNew && !byAll) return 0;
    if (byAll) this.#setApart = 'stream_unknown';
    this.#parts.onRefusal(refusalOf(this.#parts.stream, problem));
    this.#missGates();
    return this.#backOff.next(byAll ? paces.stream_unknown : paces.certificate);
  }

  #refused(batch: Peeked, problem: Problem, gate: string, { status, headers }: LinkAnswer): number {
    const reasonClass = classOf(problem.reason, status);
    // A gate that can not decide has not looked for the stream.
    if (reasonClass !== undefined && reasonClass !== 'gate') this.#isKnownTo(gate);
    if (reasonClass === 'reading') return this.#setAside(batch, problem, gate);
    // The gate's policy is at fault with one reading: what stands before that one need not wait for it.
    const before = (problem.line ?? 1) - 1;
    if (reasonClass === 'gate' && before > 0 && before < batch.length) return this.#sendAlone(before);
    this.#parts.onRefusal(refusalOf(this.#parts.stream, problem));
    if (reasonClass === 'gate') this.#gates.passOver(gate);
    return this.#backOff.next(paceOf(problem.reason, reasonClass), retryAfterMs(headers['retry-after']));
  }

  /** So many of the oldest readings, which is fewer than before. */
  #sendAlone(count: number): number {
    this.#limit = count;
    return 0;
  }

  /** Nothing of the batch was stored. What stands before the refused line is sent alone first, so that order is kept. */
  #setAside(batch: Peeked, problem: Problem, gate: string): number {
    const index = (problem.line ?? 1) - 1;
    const refused = batch[index];
    if (refused === undefined) {
      const message = `the gate refused line ${problem.line} of ${batch.length}`;
      return this.#failed(new PortcullisError('answer_malformed', message), gate);
    }
    if (index > 0) return this.#sendAlone(index);
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

/** What is wrong with what was sent stays wrong: RFC 9110 §15.5.1, §15.5.14, §15.5.16, §15.5.21. */
const statusesOfReadings = new Set([400, 413, 415, 422]);

/** The code of a later gate is known by its status alone; codes of failures say nothing of the readings. */
function classOf(code: string, status: number): ReasonClass | undefined {
  if (Object.hasOwn(reasons, code)) return reasons[code as ReasonCode].class;
  return statusesOfReadings.has(status) && !Object.hasOwn(failures, code) ? 'reading' : undefined;
}

/** RFC 9110 §10.2.3. Our servers give seconds; a date, or more than a timer takes, is not followed. */
function retryAfterMs(value: string | undefined): number {
  return /^\d{1,9}$/.test(value ?? '') ? Math.min(Number(value) * 1000, timerMsMax) : 0;
}

function paceOf(reason: string, reasonClass: ReasonClass | undefined): Pace {
  if (reason === 'not_admitted') return paces.not_admitted;
  return reasonClass === 'certificate' ? paces.certificate : paces.gate;
}

function tooSlow(gate: string): PortcullisError {
  const message = `"${gate}" gave up on a request that came too slowly`;
  return new PortcullisError('server_unreachable', message, { detail: { begun: true, answered: true } });
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
