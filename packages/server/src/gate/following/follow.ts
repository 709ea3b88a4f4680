import { setTimeout as pause } from 'node:timers/promises';
import { type FeedMessage, PortcullisError, type SnapshotSoFar, type ToldRules } from '@portcullis/contract';
import type { Link } from '@portcullis/device';
import { Replica, type Touched } from '../../replica/replica.ts';
import type { Log, System } from '../../telemetry/telemetry.ts';
import { FeedConnection, garbled } from './feed-connection.ts';
import type { Position } from './position.ts';
import type { ValidityClock } from './validity-clock.ts';

interface Parts {
  authority: string;
  instance: string;
  /** Names that the feed is to carry; those of them that the gate decides by, and follows nothing without. */
  attributes(): readonly string[];
  decidesBy(): readonly string[];
  replica: Replica;
  position: Position;
  clock: Pick<ValidityClock, 'heard'>;
  link(): Link;
  system: System;
  log: Log;
  /** A change was applied, or a snapshot loaded (`touched` undefined: everything). */
  onApplied(touched: Touched | undefined): void;
  /** Rules on readings, in the place of those before. */
  onRules(rules: ToldRules): void;
  /** A bulk change is wholly here, and not in force. */
  onPrepared(): void;
  /** What is here may not be what is in force: nothing is to be decided by it. */
  onDistrusted(): void;
  /** The gate ends, and this follower soon. */
  isStopping(): boolean;
}

const firstPauseMs = 100;
const longestPauseMs = 5_000;
/** Some milliseconds of work. */
const mergedPerTurn = 2_000;
const restoreAdvice =
  'nothing is decided; if the authority was restored on purpose, run "portcullis gate accept-restore" on this directory';

interface Successor {
  connection: FeedConnection;
  replica: Replica;
  /** What came beside its snapshot, until it takes over. */
  rules: ToldRules | undefined;
}

/**
 * Keeps the replica fed: connects, applies in order, asks for a snapshot where something is missing, and comes back. Where other
 * attributes are wanted, a second connection reads a snapshot beside the first, and takes its place once it is not behind it.
 */
export class FeedFollower {
  readonly #parts: Parts;
  readonly #stop = new AbortController();
  #tries = 0;
  #said = '';
  /** What the authority refused to tell of, as it was logged. */
  #refused = '';
  #regressed = false;
  #current: FeedConnection | undefined;
  #successor: Successor | undefined;
  #preparing: Promise<void> = Promise.resolve();
  #prepares = false;
  #wake = new AbortController();
  /** The attributes whose changes the replica has followed without a gap. */
  #carried: ReadonlySet<string> = new Set();
  /** The attributes that a snapshot in the replica's making was asked with. */
  #loads: readonly string[] = [];
  #authorityTime: number | undefined;
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

  /** As the authority said it last: a beat comes each second. */
  get authorityTime(): number | undefined {
    return this.#authorityTime;
  }

  /** The replica knows these attributes. */
  carries(names: readonly string[]): boolean {
    return names.every((name) => this.#carried.has(name));
  }

  /** Other attributes are wanted than the replica knows. What it knows is followed meanwhile. */
  askFurther(): void {
    if (this.#prepares) return;
    this.#prepares = true;
    this.#preparing = this.#prepare().finally(() => {
      this.#prepares = false;
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.running;
    await this.#preparing;
    this.#successor?.connection.close();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#follow();
      } catch (error) {
        await this.#brokeOff(error as Error);
      }
      if (!this.#successor) await this.#pause(this.#wake.signal);
    }
  }

  async #follow(): Promise<void> {
    const connection = (await this.#succeed()) ?? (await this.#connect());
    this.#current = connection;
    try {
      while (!this.#successor) {
        const message = await connection.next();
        if (!message) return;
        this.#receive(message, connection.names);
      }
    } finally {
      this.#current = undefined;
      this.#parts.replica.dropStaged();
      connection.close();
    }
  }

  async #connect(): Promise<FeedConnection> {
    const { attributes, decidesBy } = this.#parts;
    try {
      return await this.#connectWith(attributes());
    } catch (error) {
      // What only a rule looks at keeps no gate from deciding.
      if (!isNotAllowed(error) || covers(decidesBy(), attributes())) throw error;
      this.#notFurther(error as Error);
      return this.#connectWith(decidesBy());
    }
  }

  async #connectWith(names: readonly string[]): Promise<FeedConnection> {
    const { replica } = this.#parts;
    const snapshot = !replica.complete || !this.carries(names);
    const connection = await this.#open(names, snapshot, this.#soFarOf(names));
    // From here on no other attribute is told of.
    if (!snapshot) this.#carried = new Set(names);
    return connection;
  }

  #open(names: readonly string[], snapshot: boolean, soFar?: SnapshotSoFar): Promise<FeedConnection> {
    const asked = { url: this.#url(names, snapshot), names, soFar };
    return FeedConnection.open(this.#parts.link(), asked, this.#stop.signal);
  }

  /** Of a snapshot that broke off: with the same attributes it is gone on with. */
  #soFarOf(names: readonly string[]): SnapshotSoFar | undefined {
    const { replica } = this.#parts;
    if (this.#loads.length === names.length && covers(this.#loads, names)) return replica.soFar();
    this.#loads = names;
    replica.dropLoading();
    return undefined;
  }

  async #prepare(): Promise<void> {
    const { attributes } = this.#parts;
    while (!this.#stop.signal.aborted && !this.#successor && !this.carries(attributes())) {
      try {
        if (await this.#prepareSuccessor()) return;
      } catch (error) {
        this.#notFurther(error as Error);
        await this.#pause(this.#stop.signal);
      }
    }
  }

  /** What was refused is told once: somebody has to allow it. The policy before stays in force until then. */
  #notFurther(error: Error): void {
    const { log } = this.#parts;
    if (isNotAllowed(error) && this.#refused !== error.message) {
      this.#refused = error.message;
      log.warn({ code: error.code }, `what names them can not come into force: ${error.message}`);
    } else log.debug({ err: error }, 'a snapshot with further attributes could not be read; trying again');
  }

  /** True once it has handed over. */
  async #prepareSuccessor(): Promise<boolean> {
    const { replica, attributes } = this.#parts;
    const connection = await this.#open(attributes(), true);
    const successor: Successor = { connection, replica: new Replica(), rules: undefined };
    const { replica: next } = successor;
    try {
      while (!next.complete || next.revision < replica.revision) await feed(successor);
    } catch (error) {
      connection.close();
      throw error;
    }
    if (this.carries(attributes()) || !covers(connection.names, attributes())) {
      connection.close();
      return false;
    }
    this.#successor = successor;
    this.#current?.close();
    this.#wake.abort();
    this.#wake = new AbortController();
    return true;
  }

  /** What was read beside takes the place of what is here. */
  async #succeed(): Promise<FeedConnection | undefined> {
    const { replica, position, onApplied, onRules } = this.#parts;
    const successor = this.#successor;
    if (!successor) return undefined;
    this.#successor = undefined;
    try {
      while (successor.replica.revision < replica.revision) await feed(successor);
      this.#requireForward(successor.replica);
    } catch (error) {
      successor.connection.close();
      throw error;
    }
    replica.succeed(successor.replica);
    this.#carried = new Set(successor.connection.names);
    position.move({ fleet: replica.fleet ?? '', revision: replica.revision, hash: replica.hash });
    if (successor.rules) onRules(successor.rules);
    onApplied(undefined);
    this.#merge();
    return successor.connection;
  }

  async #brokeOff(error: Error): Promise<void> {
    const { position, replica, onDistrusted, isStopping, log } = this.#parts;
    if (this.#stop.signal.aborted) return;
    const code = error instanceof PortcullisError ? error.code : 'internal';
    // Nothing of what is not what was sent, or can not be read, is gone on with.
    if (code === garbled || code === 'answer_malformed') replica.dropLoading();
    if (code === garbled) {
      replica.complete = false;
      onDistrusted();
    }
    const regressed = code === 'revision_regressed';
    if (regressed) {
      this.#regressed = true;
      onDistrusted();
      if (await position.isForgotten()) replica.complete = false;
    }
    if (error.message === this.#said) return;
    this.#said = error.message;
    if (regressed) log.error({ code }, `${error.message}; ${restoreAdvice}`);
    // An authority that stops with its gate is first at times: nothing is wrong.
    else if (!isStopping()) log.warn({ code }, `the feed broke off: ${error.message}`);
  }

  async #pause(wake: AbortSignal): Promise<void> {
    const { system } = this.#parts;
    const ceiling = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(this.#tries++, 10));
    const milliseconds = (system.random(4).readUInt32BE() / 2 ** 32) * ceiling;
    const signal = AbortSignal.any([this.#stop.signal, wake]);
    await pause(milliseconds, undefined, { signal }).catch(() => undefined);
  }

  #url(names: readonly string[], snapshot: boolean): string {
    const { authority, instance, replica, position, system } = this.#parts;
    const query = new URLSearchParams({
      instance,
      attributes: names.join(','),
      clock: String(Math.floor(system.now())),
    });
    const { held } = position;
    const from = replica.complete ? { revision: replica.revision, hash: replica.hash } : held;
    if (from) {
      query.set('after', String(from.revision));
      query.set('hash', from.hash);
    }
    if (snapshot) query.set('snapshot', '1');
    return `${authority}/v1/feed?${query}`;
  }

  #receive(message: FeedMessage, names: readonly string[]): void {
    const { replica, position, clock } = this.#parts;
    if (message.type === 'complete') {
      this.#requireForward(message);
      if (!covers(names, this.#parts.decidesBy()))
        throw new PortcullisError('answer_malformed', 'other attributes are wanted by now');
    }
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
      this.#authorityTime = time;
      if (clock.heard(time)) replica.tend(time);
    }
    if (message.type === 'prepared') return this.#parts.onPrepared();
    if (message.type === 'rules') return this.#parts.onRules(message);
    if (outcome !== 'applied' && outcome !== 'loaded') return;
    if (outcome === 'loaded') this.#carried = new Set(names);
    position.move({ fleet: replica.fleet ?? '', revision: replica.revision, hash: replica.hash });
    this.#parts.onApplied(outcome === 'loaded' ? undefined : touched);
    if (message.type === 'change' && message.draft) this.#merge();
  }

  /** What was put in force at once gets into its place a little at a time. */
  #merge(): void {
    if (this.#parts.replica.mergeSome(mergedPerTurn)) setImmediate(() => this.#merge());
  }

  /** The authority checks this too; a gate does not take its word for it (E8). */
  #requireForward({ revision, hash }: { revision: number; hash: string }): void {
    const { held } = this.#parts.position;
    if (!held || revision > held.revision || (revision === held.revision && hash === held.hash)) return;
    throw new PortcullisError(
      'revision_regressed',
      revision === held.revision
        ? `the authority has another history: this gate has seen another revision ${revision}`
        : `the authority is at revision ${revision}, this gate has seen ${held.revision}`,
    );
  }
}

/** @throws {PortcullisError} `answer_malformed` */
async function feed(successor: Successor): Promise<void> {
  const { replica, connection } = successor;
  const message = await connection.next();
  if (message?.type === 'rules') successor.rules = message;
  if (message && replica.receive(message).outcome !== 'resync') return;
  throw new PortcullisError('answer_malformed', 'the feed ended or left something out');
}

const covers = (names: readonly string[], wanted: readonly string[]) => wanted.every((name) => names.includes(name));

const isNotAllowed = (error: unknown): error is PortcullisError =>
  error instanceof PortcullisError && error.code === 'attributes_not_allowed';
