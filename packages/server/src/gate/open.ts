import { setTimeout as pause } from 'node:timers/promises';
import type { LeaseRequest, SubjectId } from '@portcullis/contract';
import { Credentials } from '../credentials/credentials.ts';
import { Lease, Replica } from '../replica/replica.ts';
import type { Sink, SpoolState } from '../storage/sink.ts';
import { FiguresListener } from '../telemetry/figures.ts';
import type { DiskSpace, Log, System } from '../telemetry/telemetry.ts';
import { type Ground, isAdmissible } from './admission/admit.ts';
import { Connections } from './connections/connections.ts';
import { FeedFollower } from './following/follow.ts';
import { Heads } from './following/heads.ts';
import { askForLeaf } from './following/leaf.ts';
import { Leasing } from './following/leasing.ts';
import { Links } from './following/links.ts';
import { Position, positionIn } from './following/position.ts';
import { SensorKeys } from './following/sensor-keys.ts';
import { Uses } from './following/uses.ts';
import { ValidityClock } from './following/validity-clock.ts';
import { groundOf } from './ground.ts';
import { Advice } from './listeners/decide/advice.ts';
import { Cuts } from './listeners/decide/cuts.ts';
import { Intake } from './listeners/intake.ts';
import { Listeners, mqttUrlOf } from './listeners/listeners.ts';
import { type GateStatusParts, shownOf } from './listeners/status.ts';
import { Policies, type PolicySource } from './policy/policies.ts';
import type { Policy } from './policy/policy.ts';
import { numberPolicy } from './policy/policy-number.ts';
import type { Gate, GateSettings, Worker } from './promises.ts';
import { MissingWatch } from './recording/missing-watch.ts';
import { Retention } from './recording/retention.ts';
import { settleLastBatches } from './recording/settlement.ts';
import { SinkRecording } from './recording/sink-recording.ts';
import { Unproven } from './recording/unproven.ts';
import { Verdicts } from './recording/verdicts.ts';
import { Gaps } from './watching/gaps.ts';
import { Telling } from './watching/telling.ts';
import { Watching } from './watching/watching.ts';

export interface GateParts {
  /** Of this process alone. */
  directory: string;
  /** Where it is one of several. */
  worker?: Worker | undefined;
  settings: GateSettings;
  policies: PolicySource;
  sink: Sink;
  /** Where readings may wait on the gate's disk for a sink that is away. */
  spool?: (() => SpoolState) | undefined;
  /** What is left of the disk that readings are stored on. */
  diskSpace(): Promise<DiskSpace>;
  system: System;
  log: Log;
}

/** Resolves once it listens: after the first snapshot and the first lease. `signal` gives up waiting for them. */
export async function openGate(parts: GateParts, signal: AbortSignal): Promise<Gate> {
  let gate: RunningGate | undefined;
  const onNext = (policy: Policy) => gate?.changePolicy(policy);
  const { directory, policies: source, worker, log } = parts;
  const numberOf = (digest: string) =>
    worker ? worker.alone(() => numberPolicy(worker.home, digest)) : numberPolicy(directory, digest);
  const policies = await Policies.open({ numberOf, source, log, onNext });
  gate = new RunningGate(parts, policies);
  try {
    await gate.start(signal);
    return gate;
  } catch (error) {
    await gate[Symbol.asyncDispose]();
    throw error;
  }
}

const readyLookMs = 10;
const pruneEveryMs = 60_000;

class RunningGate implements Gate {
  readonly instance: string;
  readonly subject: string;
  port = 0;
  mqttPort: number | undefined;
  coapPort: number | undefined;
  readonly #parts: GateParts;
  readonly #policies: Policies;
  /** In force: the last accepted one, as soon as the replica has what it looks at. */
  #policy: Policy;
  readonly #ground: Ground;
  readonly #credentials: Credentials;
  readonly #links: Links;
  readonly #connections: Connections;
  readonly #recording: SinkRecording;
  readonly #verdicts: Verdicts;
  readonly #feed: FeedFollower;
  readonly #leasing: Leasing;
  readonly #watching: Watching;
  readonly #telling: Telling;
  readonly #uses: Uses;
  readonly #position: Position;
  readonly #clock: ValidityClock;
  readonly #heads: Heads;
  readonly #listeners: Listeners;
  readonly #advice: Advice;
  readonly #cuts = new Cuts();
  readonly #retention: Retention;
  readonly #missing: MissingWatch;
  #figures: FiguresListener | undefined;
  #pruning: NodeJS.Timeout | undefined;
  /** The last revision that every commit in flight is behind: what is told to the authority (rule 8). */
  #reportable: Pick<LeaseRequest, 'applied' | 'hash'> = { applied: 0, hash: '' };
  /** What an earlier process left is settled; before that, nothing that it could have to wait for is reported (rule 9). */
  #settled = false;
  #stopping = false;
  readonly #unproven: Unproven;

  constructor(parts: GateParts, policies: Policies) {
    const { directory, settings, sink, worker, system, log } = parts;
    const { limits, authority, authorities } = settings;
    this.#parts = parts;
    [this.#policies, this.#policy] = [policies, policies.accepted];
    const instance = system.random(16).toString('hex');
    this.instance = instance;
    this.#position = new Position(positionIn(directory), log);
    const replica = new Replica();
    const lease = new Lease(system);
    const bounds = { readingsMax: limits.queueReadingsMax, bytesMax: limits.queueBytesMax };
    const head = () => ({ revision: replica.revision, hash: replica.hash });
    const onProven = () => this.#watching.hasWatched && this.#telling.wake();
    const kept = { sink, isSpooled: parts.spool !== undefined, now: system.now, monotonic: system.monotonic, log };
    const recording = new SinkRecording({ ...kept, instance, head, lease, bounds, onProven });
    const clock = new ValidityClock({ directory, position: this.#position, now: system.now, log });
    const ground = groundOf({ replica, lease, recording }, clock, () => this.#policy);
    [this.#recording, this.#ground, this.#clock] = [recording, ground, clock];
    this.#credentials = new Credentials({
      ...{ kind: 'gate' as const, directory: worker?.home ?? directory, authorities, system, log },
      keptBy: worker === undefined || worker.number === 1 ? 'this' : 'another',
      link: () => this.#links.feed,
      onRenewed: (credential) => this.#links.renew(credential),
    });
    this.subject = this.#credentials.client.subject;
    this.#links = new Links(this.#credentials.client, authorities);
    const gate = this.subject as SubjectId;
    const connections = new Connections({
      replica,
      validityTime: ground.presentTime,
      isAdmissible: (bearer) => isAdmissible(bearer, ground),
    });
    const verdicts = new Verdicts({ gate, sink, system, log });
    this.#unproven = new Unproven({ sink, named: () => recording.unproven + (parts.spool?.().named ?? 0), log });
    const gaps = new Gaps(system.now);
    const watching = this.#makeWatching(replica, gaps);
    this.#telling = new Telling({ authority, instance, link: () => this.#links.edges, sink, gaps, system, log });
    const advice = new Advice(system.monotonic);
    [this.#connections, this.#verdicts, this.#watching, this.#advice] = [connections, verdicts, watching, advice];
    const told: GateStatusParts = {
      ...{ gate, instance, ground, connections, verdicts, policies, watching, advice, now: system.now },
      ...{ diskSpace: parts.diskSpace, spool: parts.spool, edgesTold: () => this.#telling.told },
      ...{ overruns: () => recording.overruns, recordingWaits: () => recording.waits },
      ...{ unproven: () => this.#unproven.count, storesNothing: () => recording.fails },
      ...{ pruneWaiting: () => this.#retention.waiting, clockAheadMs: () => clock.aheadMs() },
      ...{ crowd: () => this.#listeners.crowd, inUse: () => this.#listeners.inUse },
      handshakes: () => this.#listeners.handshakes,
      ...{ certificateEnds: () => this.#credentials.client.notAfter },
    };
    const shown = shownOf(told, worker);
    if (settings.metrics) this.#figures = new FiguresListener(settings.metrics, shown.figures, () => this.#hindrance());
    this.#retention = new Retention({
      ...{ directory, retainDays: settings.retainDays, sink, lease, log },
      authorityTime: () => this.#feed.authorityTime,
      now: () => system.now(),
    });
    this.#missing = new MissingWatch({ sink, now: system.now, log });
    const intake = new Intake(instance, limits.queueBytesMax);
    this.#heads = this.#makeHeads();
    this.#uses = this.#makeUses();
    const sensorKeys = new SensorKeys({ authority, link: () => this.#links.keys });
    this.#listeners = new Listeners({
      ...{ gate, instance, ground, connections, verdicts, watching, sink, system, log, ...shown },
      ...{ settings, intake, advice, cuts: this.#cuts, uses: this.#uses },
      heads: () => this.#headsHeld(),
      bundleDue: () => this.#leasing.bundleDue,
      contextOf: (keyId, idContext) => sensorKeys.contextOf(keyId, idContext),
      leafOf: (fingerprint) => askForLeaf(this.#links.leaves, authority, fingerprint),
    });
    this.#feed = this.#makeFeed();
    this.#leasing = this.#makeLeasing(lease);
  }

  async start(signal: AbortSignal): Promise<void> {
    const { settings, sink, log } = this.#parts;
    const { replica, lease } = this.#ground;
    const { authority } = settings;
    // A gate that waits for the authority is looked at too.
    await this.#figures?.listen();
    await this.#credentials.renewWhenDue(signal);
    this.#feed.start();
    await until(() => replica.complete, signal);
    this.#leasing.start();
    await until(() => lease.holds(), signal);
    // A sink that is not there yet names what is left there itself: nobody waits for it.
    if (sink.awaited === undefined)
      await settleLastBatches({ authority, instance: this.instance, link: this.#links.feed, sink, log, lease });
    await this.#unproven.start();
    this.#settled = true;
    this.#reportApplied({ applied: replica.revision, hash: replica.hash });
    const held = await this.#credentials.obtainFirstServer(signal);
    const { https, mqtt, coap } = await this.#listeners.listen(held);
    [this.port, this.mqttPort, this.coapPort] = [https, mqtt, coap];
    this.#credentials.keepServer(held, (next) => this.#listeners.swapCredential(next));
    this.#credentials.keepClient();
    this.#policies.watch();
    this.#heads.start();
    this.#telling.start();
    this.#missing.start();
    this.#pruning = setInterval(() => void this.#retention.look(), pruneEveryMs).unref();
  }

  #makeUses(): Uses {
    const { settings, system, log } = this.#parts;
    const { replica, validityTime } = this.#ground;
    const { authority } = settings;
    return new Uses({
      ...{ authority, replica, validityTime, random: system.random, log },
      link: () => this.#links.uses,
    });
  }

  #makeHeads(): Heads {
    const { directory, log, system } = this.#parts;
    const { replica } = this.#ground;
    return new Heads({ directory, log, now: system.now, applied: () => (this.#follows() ? replica : undefined) });
  }

  #makeLeasing(lease: Lease): Leasing {
    const { settings, log } = this.#parts;
    return new Leasing({
      ...{ authority: settings.authority, instance: this.instance, lease, log },
      link: () => this.#links.leases,
      beforeAsking: () => this.#joinWithAll(),
      state: () => this.#leaseState(),
      onBundle: (version) => this.#credentials.heard(version),
      follows: () => this.#follows(),
    });
  }

  #makeWatching(replica: Replica, gaps: Gaps): Watching {
    return new Watching({
      ...{ replica, gaps, log: this.#parts.log },
      carries: (names) => this.#feed.carries(names),
      onWaiting: () => this.#feed.askFurther(),
    });
  }

  #makeFeed(): FeedFollower {
    const { settings, system, log } = this.#parts;
    const { replica } = this.#ground;
    const { authority } = settings;
    return new FeedFollower({
      ...{ authority, instance: this.instance, replica, system, log },
      attributes: () => [...new Set([...this.#decidesBy(), ...this.#watching.attributes])],
      decidesBy: () => this.#decidesBy(),
      position: this.#position,
      clock: this.#clock,
      link: () => this.#links.feed,
      onApplied: (touched) => this.#applied(touched),
      onRules: (rules) => this.#watching.take(rules),
      onPrepared: () => this.#settled && this.#report(),
      onDistrusted: () => this.#ground.lease.end(),
      isStopping: () => this.#stopping,
    });
  }

  #decidesBy(): string[] {
    return [...new Set([...this.#policy.attributes, ...this.#policies.accepted.attributes])];
  }

  /** It is in force at once, or as soon as a snapshot has brought the attributes that it looks at and no earlier one did. */
  changePolicy({ attributes, number }: Policy): void {
    if (!this.#feed.carries(attributes)) {
      this.#parts.log.info({ policy: number }, `policy number ${number} waits for attributes from the authority`);
      return this.#feed.askFurther();
    }
    this.#adoptPolicy();
    this.#connections.allChanged();
    this.#cuts.allChanged();
    this.#recording.changeApplied();
  }

  /** True: another one is in force. */
  #adoptPolicy(): boolean {
    const { accepted } = this.#policies;
    if (accepted === this.#policy || !this.#feed.carries(accepted.attributes)) return false;
    this.#policy = accepted;
    this.#parts.log.info({ policy: accepted.number }, `policy number ${accepted.number} is in force`);
    return true;
  }

  /** Deny first, then say so: connections (P6), queue (rule 7), report (rule 8). */
  #applied(touched: readonly number[] | undefined): void {
    const adopted = this.#adoptPolicy();
    if (!touched) this.#watching.settle();
    const { revision: applied, hash } = this.#ground.replica;
    const report = () => this.#settled && this.#reportApplied({ applied, hash });
    this.#recording.changeApplied();
    if (touched) this.#connections.changed(touched, report);
    else this.#connections.allChanged(report);
    if (touched && !adopted) this.#cuts.changed(touched);
    else this.#cuts.allChanged();
  }

  #reportApplied({ applied, hash }: Pick<LeaseRequest, 'applied' | 'hash'>): void {
    this.#recording.afterCommitInFlight(() => {
      this.#reportable = { applied, hash };
      this.#report();
    });
  }

  #report(): void {
    // A bulk change is committed sooner when the authority knows that it is here.
    const { holds } = this.#ground.replica;
    this.#leasing.report({
      ...this.#reportable,
      connectionsClosed: this.#connections.closed,
      ...(holds !== undefined && { holds }),
    });
  }

  /** What keeps it from taking readings. */
  #hindrance(): string | undefined {
    if (this.#stopping) return 'it stops';
    if (this.port === 0) return 'it waits for the authority and does not listen yet';
    return this.#ground.lease.holds() ? undefined : 'it holds no lease';
  }

  #follows(): boolean {
    return this.#ground.replica.complete && !this.#feed.regressed;
  }

  async #headsHeld() {
    const { held } = this.#position;
    return { items: await this.#heads.kept(), holds: held ? { revision: held.revision, hash: held.hash } : null };
  }

  /** Until its first lease it decides nothing: it tells all that it has applied, or it could not join while changes go on (rule 4). */
  #joinWithAll(): void {
    const { replica, lease } = this.#ground;
    if (!this.#settled && !lease.holds()) this.#reportable = { applied: replica.revision, hash: replica.hash };
  }

  #leaseState(): Omit<LeaseRequest, 'instance'> | undefined {
    if (!this.#follows()) return undefined;
    const { admitted, refused } = this.#verdicts.counters;
    const { askers } = this.#advice;
    const { bundle } = this.#credentials;
    const clockAheadMs = this.#clock.aheadMs();
    return {
      ...this.#reportable,
      connectionsClosed: this.#connections.closed,
      clock: Math.floor(this.#parts.system.now()),
      url: this.#parts.settings.url,
      ...(this.mqttPort !== undefined && { mqtt: mqttUrlOf(this.#parts.settings.url, this.mqttPort) }),
      ...(bundle !== undefined && { bundle }),
      counters: {
        ...{ admitted, refused, connections: this.#connections.size },
        ...{ overruns: this.#recording.overruns, unproven: this.#unproven.count },
        ...{ policy: this.#policy.number, policyRefused: this.#policies.refused },
        pruneWaits: this.#retention.waiting,
        ...(clockAheadMs > 0 && { clockAheadMs }),
        ...{ refusedMost: this.#verdicts.refusedMost.most(), twoPlaces: this.#listeners.twoPlaces },
        ...(this.#missing.told.length > 0 && { missing: this.#missing.told }),
        ...(askers.length > 0 && { advised: askers }),
        ...(this.#parts.worker && { workers: this.#parts.worker.count }),
      },
    };
  }

  /** Stop taking, answer what was taken, give the lease back, then let go. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    this.#credentials.stop();
    this.#policies.stop();
    clearInterval(this.#pruning);
    this.#missing.stop();
    await this.#heads.stop();
    const recorded = this.#recording.stop();
    await this.#listeners.close();
    await recorded;
    await this.#telling.stop();
    await this.#uses.stop();
    await this.#feed.stop();
    await this.#leasing.release();
    await this.#verdicts.flush();
    await this.#figures?.[Symbol.asyncDispose]();
    this.#links.close();
    await this.#clock.settled();
    await this.#position.write();
  }
}

async function until(condition: () => boolean, signal: AbortSignal): Promise<void> {
  while (!condition()) await pause(readyLookMs, undefined, { signal });
}
