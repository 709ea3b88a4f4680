import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Lease, Replica } from '../replica/replica.ts';
import type { Sink, SinkRequest } from '../storage/sink.ts';
import type { Log, System } from '../telemetry/telemetry.ts';
import { type Ground, isAdmissible } from './admit.ts';
import { type Connection, Connections } from './connections.ts';
import { Credentials } from './credentials.ts';
import { FeedFollower } from './follow.ts';
import type { Gate, GateSettings } from './gate.ts';
import { answerFailure } from './http/answer.ts';
import { Listener } from './http/listener.ts';
import { isOperator, serveOperator } from './http/operators.ts';
import { receiveReadings } from './http/readings.ts';
import { Leasing } from './leasing.ts';
import { Links } from './links.ts';
import { Metrics } from './metrics.ts';
import { compilePolicy } from './policy.ts';
import { Position } from './position.ts';
import { Recording } from './recording.ts';
import { settleLastBatches } from './settlement.ts';
import { Verdicts } from './verdicts.ts';

export interface GateParts {
  directory: string;
  settings: GateSettings;
  sink: Sink;
  system: System;
  log: Log;
}

/** Resolves once it listens: after the first snapshot and the first lease. `signal` gives up waiting for them. */
export async function openGate(parts: GateParts, signal: AbortSignal): Promise<Gate> {
  const gate = new RunningGate(parts);
  try {
    await gate.start(signal);
    return gate;
  } catch (error) {
    await gate[Symbol.asyncDispose]();
    throw error;
  }
}

const readyLookMs = 10;
const pruneEveryMs = 600_000;
const dayMs = 86_400_000;

class RunningGate implements Gate {
  readonly instance: string;
  readonly subject: string;
  port = 0;
  readonly #parts: GateParts;
  readonly #ground: Ground;
  readonly #credentials: Credentials;
  readonly #links: Links;
  readonly #connections: Connections;
  readonly #recording: Recording<SinkRequest>;
  readonly #verdicts: Verdicts;
  readonly #metrics: Metrics;
  readonly #feed: FeedFollower;
  readonly #leasing: Leasing;
  readonly #position: Position;
  #listener: Listener | undefined;
  #pruning: NodeJS.Timeout | undefined;
  #markTimer: NodeJS.Timeout | undefined;
  /** The last revision that every commit in flight is behind: what is told to the authority (rule 8). */
  #reportable = { revision: 0, hash: '' };
  #overruns = 0;
  #unproven = 0;

  constructor(parts: GateParts) {
    const { directory, settings, sink, system, log } = parts;
    this.#parts = parts;
    this.instance = system.random(16).toString('hex');
    const replica = new Replica();
    this.#position = new Position(join(directory, 'position.json'));
    const validityTime = () => Math.max(system.now(), this.#position.held?.clockFloor ?? 0);
    this.#ground = { replica, lease: new Lease(system), policy: compilePolicy(settings.streams, 1), validityTime };
    this.#credentials = new Credentials({
      ...{ directory, authority: settings.authority, system, log },
      link: () => this.#links.feed,
      onRenewed: (credential) => this.#links.renew(credential),
    });
    this.subject = this.#credentials.client.subject;
    this.#links = new Links(this.#credentials.client);
    const admissible = (connection: Connection) =>
      isAdmissible(this.#ground, connection) || isOperator(this.#ground, connection);
    this.#connections = new Connections({ replica, now: validityTime, isAdmissible: admissible });
    this.#verdicts = new Verdicts({ gate: this.subject, sink, system, log });
    this.#recording = this.#makeRecording();
    this.#metrics = new Metrics({
      ...{ ground: this.#ground, connections: this.#connections, verdicts: this.#verdicts },
      overruns: () => this.#overruns,
    });
    this.#feed = this.#makeFeed();
    this.#leasing = new Leasing({
      ...{ authority: settings.authority, instance: this.instance, lease: this.#ground.lease, log },
      link: () => this.#links.leases,
      state: () => this.#leaseState(),
    });
  }

  async start(signal: AbortSignal): Promise<void> {
    const { settings, sink, log } = this.#parts;
    this.#feed.start();
    await until(() => this.#ground.replica.complete, signal);
    // Nothing is in flight yet: what the snapshot holds is what this instance has applied.
    this.#reportable = { revision: this.#ground.replica.revision, hash: this.#ground.replica.hash };
    this.#leasing.start();
    await until(() => this.#ground.lease.holds(), signal);
    const holds = () => this.#ground.lease.holds();
    const { authority } = settings;
    await settleLastBatches({ authority, instance: this.instance, link: this.#links.feed, sink, log, holds });
    this.#unproven = await sink.unprovenCount();
    await this.#listen();
    this.#credentials.keepClient();
    this.#pruning = setInterval(() => void this.#prune(), pruneEveryMs).unref();
  }

  async #listen(): Promise<void> {
    const { settings } = this.#parts;
    const held = await this.#credentials.obtainServer();
    const listener = new Listener({
      ...settings.listen,
      limits: settings.limits,
      trust: held.trust,
      credential: held,
      connections: this.#connections,
      handle: (connection, request, response) => this.#handle(connection, request, response),
      onHandshakeRefused: ({ remoteAddress, error }) => this.#handshakeRefused(remoteAddress, error),
    });
    this.#listener = listener;
    this.port = await listener.listen();
    this.#credentials.keepServer(held, (next) => listener.swapCredential(next, next.trust));
  }

  #handle(connection: Connection, request: IncomingMessage, response: ServerResponse): void {
    const { system } = this.#parts;
    const stream = /^\/v1\/streams\/([^/?]+)\/readings$/.exec(request.url ?? '')?.[1];
    const [ground, recording, verdicts] = [this.#ground, this.#recording, this.#verdicts];
    if (stream !== undefined && request.method === 'POST') {
      const makeId = () => `${system.now().toString(36)}-${system.random(10).toString('hex')}`;
      receiveReadings({ ground, recording, verdicts, now: system.now, makeId }, connection, stream, request, response);
      return;
    }
    const operators = { gate: this.subject, ground, sink: this.#parts.sink, verdicts, metrics: this.#metrics };
    if (serveOperator(operators, connection, request, response)) return;
    request.resume();
    answerFailure(
      response,
      'route_unknown',
      'the gate serves POST /v1/streams/{stream}/readings, and GET routes for operators',
    );
  }

  #handshakeRefused(remoteAddress: string, error: string): void {
    const nobody = {
      subject: null,
      certificate: null,
      stream: null,
      revision: this.#ground.replica.revision,
      readings: 1,
    };
    this.#verdicts.say({ ...nobody, reason: 'handshake_refused', found: { error, remoteAddress } });
  }

  #makeRecording(): Recording<SinkRequest> {
    const { sink, settings, log } = this.#parts;
    const { instance } = this;
    return new Recording<SinkRequest>({
      write: (batch, done) => {
        sink.write({ ...batch, instance }).then(
          (outcomes) => done(undefined, outcomes),
          (error: unknown) => {
            log.error({ err: error }, "couldn't store readings; nothing was acknowledged");
            done(error);
          },
        );
      },
      mark: (looked, done) => {
        sink.mark(looked).then(() => done(undefined), done);
      },
      holds: () => this.#ground.lease.holds(),
      markSoon: () => {
        this.#markTimer ??= setTimeout(() => {
          this.#markTimer = undefined;
          this.#recording.markNow();
        }, 500);
      },
      onOverrun: (batch, readings) => {
        this.#overruns++;
        log.warn({ batch, readings }, 'overrun: the lease ended while a batch was being stored; it is quarantined');
      },
      lastBatch: sink.lastBatch,
      bounds: { readingsMax: settings.limits.queueReadingsMax, bytesMax: settings.limits.queueBytesMax },
    });
  }

  #makeFeed(): FeedFollower {
    const { settings, system, log } = this.#parts;
    const { replica, policy } = this.#ground;
    return new FeedFollower({
      ...{
        authority: settings.authority,
        instance: this.instance,
        attributes: policy.attributes,
        replica,
        system,
        log,
      },
      position: this.#position,
      link: () => this.#links.feed,
      onApplied: (touched) => this.#applied(touched),
    });
  }

  /** Deny first, then say so: queue (rule 7), connections (P6), report (rule 8). */
  #applied(touched: readonly number[] | undefined): void {
    this.#recording.changeApplied();
    if (touched) this.#connections.changed(touched);
    else this.#connections.allChanged();
    const { revision, hash } = this.#ground.replica;
    this.#recording.afterCommitInFlight(() => {
      this.#reportable = { revision, hash };
      this.#leasing.report(revision, this.#connections.closed);
    });
  }

  #leaseState() {
    const { replica } = this.#ground;
    if (!replica.complete) return undefined;
    return {
      applied: this.#reportable.revision,
      hash: this.#reportable.hash,
      connectionsClosed: this.#connections.closed,
      clock: Math.floor(this.#parts.system.now()),
      url: this.#parts.settings.url,
      counters: {
        connections: this.#connections.size,
        admitted: this.#verdicts.admitted,
        refused: this.#verdicts.refused,
        overruns: this.#overruns,
        unproven: this.#unproven,
      },
    };
  }

  async #prune(): Promise<void> {
    const { settings, sink, system, log } = this.#parts;
    if (settings.retainDays === 0) return;
    await sink.prune(system.now() - settings.retainDays * dayMs).catch((error: unknown) => {
      log.warn({ err: error }, "couldn't remove readings that are old enough to go");
    });
  }

  /** Stop taking, answer what was taken, give the lease back, then let go. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#credentials.stop();
    clearInterval(this.#pruning);
    const listening = this.#listener?.close();
    await this.#recording.stop();
    await listening;
    await this.#leasing.release();
    await this.#feed.stop();
    clearTimeout(this.#markTimer);
    await this.#verdicts.stop();
    this.#links.close();
    this.#position.write();
  }
}

async function until(condition: () => boolean, signal: AbortSignal): Promise<void> {
  while (!condition()) {
    signal.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, readyLookMs));
  }
}
