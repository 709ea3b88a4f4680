import { PortcullisError, type Problem, type ReasonClass } from '@portcullis/contract';
import { BackOff, type Pace, paces } from '../link/back-off.ts';
import type { System } from '../system.ts';
import { GateChoice } from './gate-choice.ts';
import type { Outbox, Waiting } from './outbox.ts';
import { Portion } from './portion.ts';
import type { Settled, Told, Way } from './way.ts';

const batchReadingsMax = 5_000;

export interface Refusal {
  stream: string;
  reason: string;
  title: string;
  detail?: string;
  expected?: unknown;
  found?: unknown;
  /** What the gate's log calls the request that was refused. */
  traceId?: string;
}

/** Readings that a gate has acknowledged together: by subject, stream and id each of them is found again. */
export interface Acknowledged {
  stream: string;
  gate: string;
  readings: number;
  /** Ids of the first and the last one. */
  first: string;
  last: string;
}

export interface Counts {
  acknowledged: number;
  refused: number;
}

export interface SenderParts {
  stream: string;
  outbox: Outbox;
  /** That of the credential in force now. */
  way(): Way;
  counts: Counts;
  system: System;
  onRefusal(refusal: Refusal): void;
  /** Not given: nobody wants to know. */
  onAcknowledged?: ((acknowledged: Acknowledged) => void) | undefined;
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
    const way = this.#parts.way();
    const gate = this.#gates.current(way.gates);
    this.#asked = gate ?? '';
    if (gate === undefined) return this.#failed(new PortcullisError('server_unreachable', way.noGate), '');
    const bytes = bytesOf(batch);
    const timeoutMs = this.#portion.patienceMs(bytes);
    const start = this.#parts.system.monotonic();
    const elapsedMs = () => this.#parts.system.monotonic() - start;
    const asked = { gate, stream: this.#parts.stream, readings: batch, timeoutMs, signal: this.#abort.signal };
    try {
      const heard = await way.send(asked);
      if ('problem' in heard) return this.#refused(batch, heard, gate);
      this.#portion.acknowledged(bytesOf(batch.slice(0, heard.settled.length)), elapsedMs());
      return this.#settle(batch, heard, gate);
    } catch (error) {
      this.#noteLoss(error, gate, () => this.#portion.failed(bytes, elapsedMs()));
      throw error;
    }
  }

  /** Whoever did not answer, or answered what is no answer: the gate behind it may have stored what it was sent. */
  #noteLoss(error: unknown, gate: string, onBegun: () => void): void {
    if (!(error instanceof PortcullisError)) return;
    if (error.detail.begun === true) onBegun();
    const isLost = error.detail.begun === true && error.detail.answered !== true;
    if (isLost || error.code === 'answer_malformed') this.#gates.lost(gate);
  }

  #failed(error: PortcullisError, gate: string): number {
    const isGone = error.code === 'server_unreachable' || error.code === 'server_not_verified';
    if (!isGone) this.#gates.passOver(gate);
    const areAllGone = isGone && this.#gates.failed(gate, this.#parts.way().gates);
    if (this.#abort.signal.aborted) return 0;
    this.#parts.onFailure(error);
    if (areAllGone) this.#missGates();
    // Never at once: what else this process does has its turn.
    return this.#backOff.next(error.code === 'not_authenticated' ? paces.certificate : paces.network, 1);
  }

  /** The first readings of the batch, in their order: stored ones go together, a refused one alone. */
  #settle(batch: Peeked, { settled, isRestLost = false }: Settled, gate: string): number {
    this.#backOff.acknowledged();
    this.#gates.acknowledged();
    if (isRestLost) this.#gates.lost(gate);
    this.#isKnownTo(gate);
    this.#limit = batchReadingsMax;
    for (let at = 0; at < settled.length; ) {
      const problem = settled[at];
      const stored = problem ? 0 : runOf(settled, at);
      if (problem) this.#parts.setAside(batch[at] as Waiting, refusalOf(this.#parts.stream, problem));
      else this.#acknowledged(batch.slice(at, at + stored), gate);
      at += Math.max(1, stored);
    }
    return 0;
  }

  #acknowledged(stored: Peeked, gate: string): void {
    const { counts, outbox, stream, onAcknowledged } = this.#parts;
    const [first, last] = [stored[0], stored.at(-1)] as [Waiting, Waiting];
    counts.acknowledged += stored.length;
    outbox.advance(last.place, stored.length);
    onAcknowledged?.({ stream, gate, readings: stored.length, first: idIn(first.line), last: idIn(last.line) });
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
  #unknown(gate: string, problem: Problem, traceId: string | undefined): number {
    const { gates } = this.#parts.way();
    const isNew = this.#gates.isNewlyIgnorant(gate);
    const byAll = this.#gates.areAllIgnorant(gates);
    if (isNew && !byAll) return 0;
    if (byAll) this.#setApart = 'stream_unknown';
    this.#parts.onRefusal(refusalOf(this.#parts.stream, problem, traceId));
    this.#missGates();
    return this.#backOff.next(byAll ? paces.stream_unknown : paces.certificate);
  }

  #refused(batch: Peeked, { problem, reasonClass, atLeastMs, traceId }: Told, gate: string): number {
    if (problem.reason === 'stream_unknown') return this.#unknown(gate, problem, traceId);
    // A gate that can not decide has not looked for the stream.
    if (reasonClass !== undefined && reasonClass !== 'gate') this.#isKnownTo(gate);
    if (reasonClass === 'reading') return this.#setAside(batch, problem, gate, traceId);
    // The gate's policy is at fault with one reading: what stands before that one need not wait for it.
    const before = (problem.line ?? 1) - 1;
    if (reasonClass === 'gate' && before > 0 && before < batch.length) return this.#sendAlone(before);
    this.#parts.onRefusal(refusalOf(this.#parts.stream, problem, traceId));
    if (reasonClass === 'gate') this.#gates.passOver(gate);
    return this.#backOff.next(paceOf(problem.reason, reasonClass), atLeastMs);
  }

  /** So many of the oldest readings, which is fewer than before. */
  #sendAlone(count: number): number {
    this.#limit = count;
    return 0;
  }

  /** Nothing of the batch was stored. What stands before the refused line is sent alone first, so that order is kept. */
  #setAside(batch: Peeked, problem: Problem, gate: string, traceId: string | undefined): number {
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
    this.#parts.setAside(refused, refusalOf(this.#parts.stream, problem, traceId));
    this.#limit = batchReadingsMax;
    return 0;
  }
}

/** As lines. */
const bytesOf = (readings: Peeked) => readings.reduce((sum, { line }) => sum + Buffer.byteLength(line) + 1, 0);

/** How many from there on are stored. */
function runOf(settled: readonly (Problem | undefined)[], from: number): number {
  const next = settled.findIndex((problem, at) => at >= from && problem !== undefined);
  return (next === -1 ? settled.length : next) - from;
}

function paceOf(reason: string, reasonClass: ReasonClass | undefined): Pace {
  if (reason === 'not_admitted') return paces.not_admitted;
  return reasonClass === 'certificate' ? paces.certificate : paces.gate;
}

function failureOf(error: unknown): PortcullisError {
  if (error instanceof PortcullisError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new PortcullisError(code === 'ENOSPC' ? 'disk_full' : 'internal', message, { cause: error });
}

/** Each line in an outbox has one. */
const idIn = (line: string) => String((JSON.parse(line) as { _id?: unknown })._id);

function refusalOf(
  stream: string,
  { reason, title, detail, expected, found }: Problem,
  traceId?: string | undefined,
): Refusal {
  const told = {
    ...(detail !== undefined && { detail }),
    ...(expected !== undefined && { expected }),
    ...(found !== undefined && { found }),
    ...(traceId !== undefined && { traceId }),
  };
  return { stream, reason, title, ...told };
}
