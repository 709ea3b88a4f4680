import type { IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { FeedMessage, feedLineBytesMax, PortcullisError } from '@portcullis/contract';
import type { Link } from '@portcullis/device';
import { problemOf } from '@portcullis/device';
import type { Replica, Touched } from '../replica/replica.ts';
import type { Log, System } from '../telemetry/telemetry.ts';
import type { Position } from './position.ts';

interface Parts {
  authority: string;
  instance: string;
  /** Names that the feed is to carry. */
  attributes(): readonly string[];
  replica: Replica;
  position: Position;
  link(): Link;
  system: System;
  log: Log;
  /** A change was applied, or a snapshot loaded (`touched` undefined: everything). */
  onApplied(touched: Touched | undefined): void;
  onRegressed(): void;
}

/** The authority speaks at least twice a second: when it is silent for so long, the connection is dead. */
const silenceMsMax = 5_000;
const firstPauseMs = 100;
const longestPauseMs = 5_000;
/** A beat that is further off than this does not move the floor: one side's clock is wrong. */
const floorDifferenceMsMax = 300_000;
const restoreAdvice =
  'nothing is decided; if the authority was restored on purpose, run "portcullis gate accept-restore" on this directory';

/** Keeps the replica fed: connects, applies in order, asks for a snapshot where something is missing, and comes back. */
export class FeedFollower {
  readonly #parts: Parts;
  readonly #stop = new AbortController();
  #tries = 0;
  #said = '';
  #regressed = false;
  #connection: AbortController | undefined;
  /** The names that were asked for last, and those that the replica's state came with. */
  #asked: readonly string[] = [];
  #carried: ReadonlySet<string> = new Set();
  running: Promise<void> = Promise.resolve();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.running = this.#run();
  }

  /** The authority is behind this gate, or on another history: nothing may be decided. */
  get regressed(): boolean {
    return this.#regressed;
  }

  /** The replica knows these attributes. */
  carries(names: readonly string[]): boolean {
    return names.every((name) => this.#carried.has(name));
  }

  /** Other attributes are wanted: connects anew, and reads a snapshot that has them. What is known meanwhile stays. */
  askAnew(): void {
    this.#tries = 0;
    this.#connection?.abort();
  }

  stop(): Promise<void> {
    this.#stop.abort();
    return this.running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#follow();
      } catch (error) {
        await this.#brokeOff(error as Error);
      }
      await this.#pause();
    }
  }

  async #brokeOff(error: Error): Promise<void> {
    const { position, replica, onRegressed, log } = this.#parts;
    if (this.#stop.signal.aborted) return;
    const code = error instanceof PortcullisError ? error.code : 'internal';
    const regressed = code === 'revision_regressed';
    if (regressed) {
      this.#regressed = true;
      onRegressed();
      if (await position.isForgotten()) replica.complete = false;
    }
    if (error.message === this.#said) return;
    this.#said = error.message;
    if (regressed) log.error({ code }, `${error.message}; ${restoreAdvice}`);
    else log.warn({ code }, `the feed broke off: ${error.message}`);
  }

  async #pause(): Promise<void> {
    const { system } = this.#parts;
    const ceiling = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(this.#tries++, 10));
    const milliseconds = (system.random(4).readUInt32BE() / 2 ** 32) * ceiling;
    await pause(milliseconds, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }

  async #follow(): Promise<void> {
    const connection = new AbortController();
    this.#connection = connection;
    const signal = AbortSignal.any([this.#stop.signal, connection.signal]);
    const silence = setTimeout(() => connection.abort(), silenceMsMax);
    try {
      const answer = await this.#parts.link().stream({ url: this.#url(), signal });
      if (answer.statusCode !== 200) throw problemOf(await wholeOf(answer));
      for await (const line of linesOf(answer)) {
        silence.refresh();
        this.#receive(line);
      }
    } finally {
      clearTimeout(silence);
      connection.abort();
    }
  }

  #url(): string {
    const { authority, instance, attributes, replica, position, system } = this.#parts;
    this.#asked = attributes();
    const query = new URLSearchParams({
      instance,
      attributes: this.#asked.join(','),
      clock: String(Math.floor(system.now())),
    });
    const { held } = position;
    const from = replica.complete ? { revision: replica.revision, hash: replica.hash } : held;
    if (from) {
      query.set('after', String(from.revision));
      query.set('hash', from.hash);
    }
    if (!replica.complete || !this.carries(this.#asked)) query.set('snapshot', '1');
    return `${authority}/v1/feed?${query}`;
  }

  #receive(line: string): void {
    const { replica, position, system } = this.#parts;
    const message = FeedMessage.parse(JSON.parse(line));
    if (message.type === 'complete') this.#requireForward(message.revision);
    const { outcome, touched } = replica.receive(message);
    if (outcome === 'resync') {
      replica.complete = false;
      throw new PortcullisError(
        'answer_malformed',
        `the feed left something out after revision ${replica.revision}; reading a snapshot`,
      );
    }
    this.#tries = 0;
    this.#said = '';
    this.#regressed = false;
    if (message.type === 'beat') {
      const time = Date.parse(message.time);
      if (Math.abs(time - system.now()) < floorDifferenceMsMax) position.raiseFloor(time);
    }
    if (outcome !== 'applied' && outcome !== 'loaded') return;
    if (outcome === 'loaded') this.#carried = new Set(this.#asked);
    position.move({ fleet: replica.fleet ?? '', revision: replica.revision, hash: replica.hash });
    this.#parts.onApplied(outcome === 'loaded' ? undefined : touched);
  }

  /** The authority checks this too; a gate does not take its word for it (E8). */
  #requireForward(revision: number): void {
    const { held } = this.#parts.position;
    if (!held || revision >= held.revision) return;
    throw new PortcullisError(
      'revision_regressed',
      `the authority is at revision ${revision}, this gate has seen ${held.revision}`,
    );
  }
}

async function wholeOf(
  answer: IncomingMessage,
): Promise<{ status: number; headers: IncomingMessage['headers']; body: Buffer }> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) };
}

/** The lines of a stream, each bounded. */
async function* linesOf(stream: IncomingMessage): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      yield Buffer.concat([...rest, chunk.subarray(from, end)]).toString('utf8');
      rest = [];
      bytes = 0;
      from = end + 1;
    }
    if (from < chunk.length) rest.push(chunk.subarray(from));
    bytes += chunk.length - from;
    if (bytes > feedLineBytesMax) throw new PortcullisError('answer_malformed', 'a line of the feed is too long');
  }
}
