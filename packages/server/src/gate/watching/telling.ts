import {
  type Edge,
  EdgesAnswer,
  type EdgesReport,
  edgeBounds,
  type Gap,
  type Newest,
  PortcullisError,
  type SubjectId,
} from '@portcullis/contract';
import { exchange, type Link } from '@portcullis/device';
import type { Sink, SinkNewest, Untold, UntoldEdge } from '../../storage/sink.ts';
import { type Log, type System, timestamp } from '../../telemetry/telemetry.ts';
import type { Gaps } from './gaps.ts';

interface Parts {
  authority: string;
  instance: string;
  /** A connection of its own: never before the feed or a lease. */
  link(): Link;
  sink: Pick<Sink, 'untold' | 'told'>;
  gaps: Gaps;
  system: System;
  log: Log;
  /** Edges are told so soon, newest times and gaps each few seconds. */
  every?: { turnMs: number; newestMs: number };
}

const usual = { turnMs: 200, newestMs: 4_000 };
const firstPauseMs = 500;
const longestPauseMs = 30_000;
const answerMsMax = 10_000;
const lastTryMs = 1_000;

/**
 * Tells the authority of edges until it names them. One that was told and not heard to be taken is told again, which changes nothing there;
 * newest times and gaps are told once more where an answer was lost.
 */
export class Telling {
  readonly #parts: Parts;
  readonly #every: { turnMs: number; newestMs: number };
  /** Something was proven since it was last asked for. At the start: what an earlier process left. */
  #edgesDue = true;
  #newestDue = true;
  #newestAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #pauseEnds = Number.NEGATIVE_INFINITY;
  #said = '';
  #told = 0;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#every = parts.every ?? usual;
  }

  /** Edges that the authority has taken, since the start. */
  get told(): number {
    return this.#told;
  }

  /** A batch with watched readings may be proven. */
  wake(): void {
    this.#edgesDue = this.#newestDue = true;
  }

  start(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#turn = this.#look().finally(() => this.start());
    }, this.#every.turnMs).unref();
  }

  /** What is told now does not wait for the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#turn;
    this.wake();
    this.#newestAt = Number.NEGATIVE_INFINITY;
    await this.#tell(lastTryMs).catch(() => undefined);
  }

  async #look(): Promise<void> {
    if (this.#parts.system.monotonic() < this.#pauseEnds) return;
    try {
      while (!this.#stopped && (await this.#tell(answerMsMax)));
      this.#failures = 0;
      this.#said = '';
    } catch (error) {
      this.#failed(error as Error);
    }
  }

  /** One report; true: there may be more. */
  async #tell(limitMs: number): Promise<boolean> {
    const { authority, instance, link, sink, gaps, system } = this.#parts;
    const isSlowTurn = system.monotonic() - this.#newestAt >= this.#every.newestMs;
    const causes = isSlowTurn ? gaps.first() : [];
    const withNewest = isSlowTurn && this.#newestDue;
    const untold = this.#edgesDue || withNewest ? await this.#untold(withNewest) : { edges: [], newest: [] };
    const isFull = untold.edges.length === edgeBounds.edgesMax || untold.newest.length === edgeBounds.newestMax;
    if (isSlowTurn && !isFull) this.#newestAt = system.monotonic();
    if (untold.edges.length + untold.newest.length + causes.length === 0) return false;
    const report = reportOf(instance, untold, causes);
    const { taken } = await exchange(link(), `${authority}/v1/edges`, report, EdgesAnswer, limitMs);
    const edges = untold.edges.filter((edge) => taken.includes(idOf(edge))).map(({ number }) => number);
    await sink.told({ edges, newest: untold.newest });
    gaps.told(causes);
    this.#told += edges.length;
    if (edges.length < untold.edges.length) throw new PortcullisError('answer_malformed', 'not every edge was taken');
    return isFull;
  }

  async #untold(withNewest: boolean): Promise<Untold> {
    // What is proven from here on asks for another look.
    this.#edgesDue = false;
    if (withNewest) this.#newestDue = false;
    const untold = await this.#parts.sink.untold({ newest: withNewest });
    if (untold.edges.length === edgeBounds.edgesMax) this.#edgesDue = this.#newestDue = true;
    if (untold.newest.length === edgeBounds.newestMax) this.#newestDue = true;
    return untold;
  }

  #failed(error: Error): void {
    const { system, log } = this.#parts;
    this.wake();
    const ceiling = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(this.#failures++, 10));
    const pauseMs = (system.random(4).readUInt32BE() / 2 ** 32) * ceiling;
    this.#pauseEnds = system.monotonic() + pauseMs;
    if (error.message === this.#said) return;
    this.#said = error.message;
    const code = error instanceof PortcullisError ? error.code : 'internal';
    log.warn({ code }, `edges were not told, and are kept: ${error.message}`);
  }
}

function reportOf(instance: string, { edges, newest }: Untold, gaps: Gap[]): EdgesReport {
  return { instance, edges: edges.map(edgeOf), newest: newest.map(newestOf), gaps };
}

const idOf = ({ instance, number }: UntoldEdge) => `${instance}:${number}`;

function edgeOf(edge: UntoldEdge): Edge {
  const { rule, revision: ruleRevision, subject, side, reading, clock } = edge;
  return {
    ...{ id: idOf(edge), rule, ruleRevision, subject: subject as SubjectId, side, reading },
    ...{ at: timestamp(edge.at), receivedAt: timestamp(edge.receivedAt), clock },
    after: edge.after === null ? null : timestamp(edge.after),
    late: edge.late === 1,
    unproven: edge.unproven === 1,
  };
}

const newestOf = ({ rule, subject, newest, side }: SinkNewest): Newest => ({
  ...{ rule, subject: subject as SubjectId, side },
  at: timestamp(newest),
});
