/** The gate's listeners over real TLS and a real sink, with a replica and a lease that the test owns. */
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { type KeyAlgorithm, PortcullisError, type Problem, type SubjectId } from '@portcullis/contract';
import { patienceMs } from '../../../test/patience.ts';
import { type Ground, isAdmissible } from '../src/gate/admission/admit.ts';
import { Connections } from '../src/gate/connections/connections.ts';
import type { GateLimits, GateSettings } from '../src/gate/gate.ts';
import { Advice } from '../src/gate/listeners/decide/advice.ts';
import { Cuts } from '../src/gate/listeners/decide/cuts.ts';
import { DoorNotes } from '../src/gate/listeners/door-notes.ts';
import { Intake } from '../src/gate/listeners/intake.ts';
import { Listeners } from '../src/gate/listeners/listeners.ts';
import { gateFigures } from '../src/gate/listeners/metrics.ts';
import { gateStatus } from '../src/gate/listeners/status.ts';
import { compilePolicy, type StreamConfig } from '../src/gate/policy/policy.ts';
import { SinkRecording } from '../src/gate/recording/sink-recording.ts';
import { Verdicts } from '../src/gate/recording/verdicts.ts';
import { Gaps } from '../src/gate/watching/gaps.ts';
import { Watching } from '../src/gate/watching/watching.ts';
import { Lease } from '../src/replica/replica.ts';
import { readAll } from '../src/storage/sink/sink.contract.ts';
import { openSqliteSink, type Sink } from '../src/storage/sink.ts';
import { createLog, type LogDestination, realSystem, timestamp } from '../src/telemetry/telemetry.ts';
import { type Delta, FedReplica } from './fed-replica.ts';
import { FleetCertificates, type Leaf } from './fleet-certificates.ts';

const usual: GateLimits = {
  ...{ handshakeMs: 5_000, pendingHandshakesMax: 64, connectionsMax: 1_000, connectionsPerCertificateMax: 16 },
  ...{ unfinishedBytesPerAddressMax: 1_048_576, unfinishedBytesMax: 1_048_576 },
  ...{
    idleMs: 60_000,
    requestMs: 10_000,
    bodyBytesPerSecondMin: 1_024,
    queueReadingsMax: 10_000,
    queueBytesMax: 8 * 1024 * 1024,
  },
};
const telemetry: StreamConfig = { kinds: ['device'], expect: { status: 'active' } };

export interface FrontOptions {
  limits?: Partial<GateLimits>;
  streams?: Record<string, StreamConfig>;
  retainDays?: number;
  carry?: StreamConfig;
  ask?: StreamConfig;
  /** Stands between the gate and its real sink. */
  sink?: (real: Sink) => Sink;
  /** Of all keys; not given: P-256. */
  algorithm?: KeyAlgorithm;
  /** Where its log goes, from `debug` on; else nowhere. */
  logTo?: LogDestination;
}

export interface Told {
  status: number;
  headers: IncomingHttpHeaders;
  body: Record<string, unknown> & Partial<Problem>;
}

export class OpenFront {
  readonly fed = new FedReplica();
  readonly certificates: FleetCertificates;
  readonly lease: Lease;
  readonly connections: Connections;
  readonly recording: SinkRecording;
  readonly intake: Intake;
  readonly verdicts: Verdicts;
  readonly gaps = new Gaps(realSystem.now);
  readonly watching: Watching;
  readonly advice = new Advice(realSystem.monotonic);
  readonly cuts = new Cuts();
  readonly ground: Ground;
  readonly sink: Sink;
  readonly notes: DoorNotes;
  readonly listeners: Listeners;
  /** What the authority would answer of a certificate, in DER; and how often it was asked. */
  readonly leaves = new Map<string, Buffer>();
  leavesAsked = 0;
  /** Certificates by which readings were admitted over connections of their own. */
  readonly used: string[] = [];
  /** The version of the bundle that the authority says devices should have. */
  bundleDue: number | undefined;
  port = 0;
  mqttPort = 0;

  private constructor(
    certificates: FleetCertificates,
    sink: Sink,
    { limits, streams = { telemetry }, retainDays = 0, carry, ask, logTo }: FrontOptions,
  ) {
    this.certificates = certificates;
    this.sink = sink;
    const { replica } = this.fed;
    const system = realSystem;
    const log = createLog({ role: 'gate', level: logTo ? 'debug' : 'silent' }, logTo);
    const instance = 'c'.repeat(32);
    const gate = 'gate-1' as SubjectId;
    this.lease = new Lease(system);
    const settings: GateSettings = {
      ...{
        authority: 'https://localhost:1',
        authorities: ['https://localhost:1'],
        url: 'https://localhost:2',
        listen: { host: '127.0.0.1', port: 0, mqttPort: 0 },
      },
      ...{ retainDays, streams, limits: { ...usual, ...limits } },
    };
    const bounds = { readingsMax: settings.limits.queueReadingsMax, bytesMax: settings.limits.queueBytesMax };
    const head = () => ({ revision: replica.revision, hash: replica.hash });
    const kept = { sink, isSpooled: false, now: system.now, monotonic: system.monotonic, log };
    this.recording = new SinkRecording({ ...kept, instance, head, lease: this.lease, bounds });
    const policy = compilePolicy(streams, 1, carry, ask);
    const { recording, lease } = this;
    const ground = {
      replica,
      lease,
      policy,
      recording,
      validityTime: system.now,
      presentTime: () => ground.validityTime(),
    };
    this.ground = ground;
    this.connections = new Connections({ ...ground, isAdmissible: (bearer) => isAdmissible(bearer, ground) });
    this.verdicts = new Verdicts({ gate, sink, system, log });
    this.watching = new Watching({ replica, gaps: this.gaps, log, carries: () => true, onWaiting: () => undefined });
    const { connections, verdicts, watching } = this;
    const told = {
      ...{ gate, instance, ground, connections, verdicts, policies: { refused: false }, now: system.now },
      ...{ watching, advice: this.advice, edgesTold: () => 0 },
      ...{
        pruneWaiting: () => 0,
        clockAheadMs: () => 0,
        recordingWaits: () => 0,
        unproven: () => 0,
        storesNothing: () => undefined,
        overruns: () => recording.overruns,
      },
      crowd: () => this.listeners.crowd,
      inUse: () => this.listeners.inUse,
      handshakes: () => this.listeners.handshakes,
      certificateEnds: () => timestamp(system.now() + 1_000_000),
      diskSpace: async () => ({ freeBytes: 1_000, totalBytes: 5_000 }),
    };
    const metrics = gateFigures(told);
    this.intake = new Intake(instance, bounds.bytesMax);
    const twoPlaces = { opened: () => undefined };
    this.notes = new DoorNotes({
      ...{ ground, connections, verdicts, twoPlaces, system, log },
      limits: settings.limits,
    });
    this.listeners = new Listeners({
      instance,
      leafOf: (fingerprint) => this.leafOf(fingerprint),
      gate,
      ground,
      connections,
      verdicts,
      watching,
      uses: { note: ({ name }) => this.used.push(name) },
      metrics,
      figures: metrics,
      fellows: undefined,
      status: gateStatus(told),
      bundleDue: () => this.bundleDue,
      heads: async () => ({ items: [], holds: { revision: this.fed.replica.revision, hash: this.fed.replica.hash } }),
      sink,
      system,
      log,
      settings,
      intake: this.intake,
      advice: this.advice,
      cuts: this.cuts,
      contextOf: async () => undefined,
    });
    this.grant();
  }

  static async open(context: TestContext, options: FrontOptions = {}): Promise<OpenFront> {
    const directory = mkdtempSync(join(tmpdir(), 'portcullis-front-'));
    const real = await openSqliteSink(directory);
    const certificates = await FleetCertificates.make('test-fleet', options.algorithm);
    const opened = new OpenFront(certificates, options.sink?.(real) ?? real, options);
    const { key, cert } = await certificates.leaf({ subject: 'gate-1', kind: 'gate', purpose: 'server' });
    const ports = await opened.listeners.listen({ key, certificate: cert, trust: certificates.trust });
    [opened.port, opened.mqttPort] = [ports.https, ports.mqtt ?? 0];
    context.after(async () => {
      await opened.listeners.close();
      await opened.recording.stop();
      await opened.verdicts.flush();
      await real[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    });
    return opened;
  }

  /** A test may answer in its own way. */
  async leafOf(fingerprint: string): Promise<Buffer> {
    this.leavesAsked++;
    const leaf = this.leaves.get(fingerprint);
    if (!leaf) throw new PortcullisError('server_unreachable', 'the authority does not answer');
    return leaf;
  }

  grant(leaseMs = 60_000): void {
    this.lease.granted(this.lease.sending(), leaseMs);
  }

  /** As the feed would: deny first, then judge the queue again. */
  change(...deltas: Delta[]): void {
    this.connections.changed(this.fed.change(deltas));
    this.recording.changeApplied();
  }

  /** A device that is known and admitted, unless `delta` says otherwise. */
  async device(subject: string, delta: Partial<Delta> = {}): Promise<Leaf> {
    const leaf = await this.certificates.leaf({ subject, ...(delta.kind && { kind: delta.kind }) });
    this.leaves.set(leaf.fingerprint, new X509Certificate(leaf.cert).raw);
    this.change({ subject, attributes: { status: { value: 'active' } }, certificates: [leaf], ...delta });
    return leaf;
  }

  agent(leaf: Partial<Leaf>, maxSockets = 1): Agent {
    const { key, cert } = leaf;
    const identity = key && cert ? { key, cert } : {};
    return new Agent({ ...identity, ca: this.certificates.rootPem, keepAlive: true, maxSockets, maxCachedSessions: 0 });
  }

  /** Handshake done; nothing asked yet. */
  async socket(leaf: Partial<Leaf>): Promise<TLSSocket> {
    const { key, cert } = leaf;
    const identity = key && cert ? { key, cert } : {};
    const socket = connect({ host: '127.0.0.1', port: this.port, ca: this.certificates.rootPem, ...identity });
    socket.on('error', () => undefined);
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    });
    return socket;
  }

  post(agent: Agent, body: string | Buffer, { stream = 'telemetry', headers = {} }: PostOptions = {}): Promise<Told> {
    return this.ask(agent, 'POST', `/v1/streams/${stream}/readings`, body, headers);
  }

  get(agent: Agent, path: string): Promise<Told> {
    return this.ask(agent, 'GET', path);
  }

  async ask(agent: Agent, method: string, path: string, body?: string | Buffer, headers = {}): Promise<Told> {
    const { answer, text } = await this.#answer(agent, method, path, body, headers);
    const json = /json$/.test(answer.headers['content-type'] ?? '');
    const parsed = (json ? JSON.parse(text) : { text }) as Told['body'];
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: parsed };
  }

  /** The answer as it came: its media type and its text. */
  async text(agent: Agent, path: string, headers = {}): Promise<[type: string | undefined, text: string]> {
    const { answer, text } = await this.#answer(agent, 'GET', path, undefined, headers);
    return [answer.headers['content-type'], text];
  }

  async #answer(agent: Agent, method: string, path: string, body: string | Buffer | undefined, headers: object) {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const type = body === undefined ? {} : { 'content-type': 'application/json' };
      const options = { host: '127.0.0.1', port: this.port, agent, method, path, headers: { ...type, ...headers } };
      const sent = request(options, resolve);
      sent.on('error', reject);
      sent.end(body);
    });
    let text = '';
    for await (const chunk of answer.setEncoding('utf8')) text += chunk as string;
    return { answer, text };
  }

  async stored(): Promise<Record<string, unknown>[]> {
    this.recording.markNow();
    await new Promise<void>((resolve) => this.recording.afterCommitInFlight(resolve));
    return (await readAll(this.sink)).map(({ data }) => data);
  }
}

/** A sink that does some of it otherwise. */
export function sinkWith(real: Sink, other: Partial<Sink>): Sink {
  const get = (sink: Sink, name: string | symbol): unknown => {
    const value: unknown = Reflect.get(Object.hasOwn(other, name) ? other : sink, name);
    return typeof value === 'function' ? value.bind(sink) : value;
  };
  return new Proxy(real, { get });
}

interface PostOptions {
  stream?: string;
  headers?: Record<string, string>;
}

/** Polls until it is so, or fails with the words. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  words: string,
  withinMs = patienceMs,
): Promise<void> {
  const end = performance.now() + withinMs;
  while (performance.now() < end) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`not within ${withinMs} ms: ${words}`);
}
