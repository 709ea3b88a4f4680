/**
 * What gates do in a simulated world: the real lease, replica, decision and recording of each, on a disk that outlives its process. How they
 * reach who leads is the world's.
 */
import type { FeedMessage } from '@portcullis/contract';
import type { Ground } from '../../src/gate/admission/admit.ts';
import { Bearer } from '../../src/gate/connections/bearer.ts';
import type { Connection } from '../../src/gate/connections/connections.ts';
import { compilePolicy } from '../../src/gate/policy/policy.ts';
import type { RecordingParts } from '../../src/gate/recording/recording.ts';
import type { Replica } from '../../src/replica/replica.ts';
import { fingerprintNamed } from '../fed-replica.ts';
import type { Assembly, Gate, Head } from './assembly.ts';
import { Disk, type Row } from './disk.ts';
import { deviceTime } from './history.ts';
import type { Schedule } from './schedule.ts';

export const leaseMs = 1_000;
export const patienceMs = 400;
const renewMs = leaseMs / 4;

const expected = { kinds: ['device' as const], expect: { status: 'active' } };
const policy = compilePolicy({ telemetry: expected }, 1, expected);
const stream = policy.streams.get('telemetry');
/** As one that the registry has made: here nothing is closed, and all that is decided is who may send. */
const connectionNamed = (name: string) => new Bearer(Buffer.from(fingerprintNamed(name), 'hex')) as Connection;

/** Who a reading is of, and who brings it: the device by itself, sealed and carried by the other one, or the other's carried by the device. */
const roles = ['alone', 'carried', 'carries'] as const;
type Role = (typeof roles)[number];

/** Of a message of the feed. */
export type Outcome = ReturnType<Replica['receive']>['outcome'];

export interface Settled {
  batch: number;
  proven: boolean;
}

/** Anything that stands still now and then, or dies. */
export interface Living {
  alive: boolean;
  pausedUntil: number;
}

export abstract class WorldOfGates {
  readonly rows: Row[] = [];
  protected readonly schedule: Schedule;
  protected readonly assembly: Assembly;
  protected readonly gates: Gate[] = [];
  /** A reading comes at least so often. */
  protected readonly readingsMs: number = 25;
  #instances = 0;

  constructor(schedule: Schedule, assembly: Assembly) {
    this.schedule = schedule;
    this.assembly = assembly;
  }

  /** Asks for the feed, from what it holds. */
  protected abstract connect(gate: Gate): void;
  protected abstract askLease(gate: Gate, told: Head, granted: (leaseMs: number) => void): void;
  protected abstract report(gate: Gate, head: Head): void;
  protected abstract askSettled(gate: Gate, answered: (answers: Settled[]) => void): void;
  /** It decides nothing any more, and says so. */
  protected abstract giveBack(gate: Gate): void;
  /** It has taken a message of its feed. */
  protected onReceived(_gate: Gate, _message: FeedMessage, _outcome: Outcome): void {}

  /** A message's time on its way; some are very late. */
  protected link(): number {
    return this.schedule.chance() < 0.03 ? this.schedule.between(300, 4_000) : this.schedule.between(0.5, 15);
  }

  protected clock(): () => number {
    const born = this.schedule.now;
    const rate = 1 + this.schedule.between(-this.assembly.drift, this.assembly.drift);
    return () => (this.schedule.now - born) * rate;
  }

  /** `disk`: that of an earlier process of this directory. */
  protected startGate(name: string, disk = new Disk()): Gate {
    const clock = this.clock();
    const lease = this.assembly.makeLease({ monotonic: clock, now: clock });
    const gate = { name, instance: `${name} ${this.#instances++}`, alive: true, pausedUntil: 0, disk } as Gate;
    disk.owner = gate.instance;
    const recording = this.assembly.makeRecording(this.#sinkOf(gate));
    const replica = this.assembly.makeReplica();
    const judging = { replica, lease, policy, recording: recording as unknown as Ground['recording'] };
    const ground: Ground = { ...judging, validityTime: () => deviceTime, presentTime: () => deviceTime };
    const fresh = {
      reportable: { revision: 0, hash: '' },
      settled: 'not yet',
      stopping: false,
      feed: undefined,
      connection: 0,
      lastDue: 0,
    };
    const [device, other] = [connectionNamed('leaf'), connectionNamed('steady')];
    Object.assign(gate, fresh, { replica, device, other, ground, lease, recording });
    this.gates.push(gate);
    this.connect(gate);
    this.repeat(gate, renewMs * 0.8, renewMs * 1.2, () => this.#renew(gate));
    this.repeat(gate, 1, this.readingsMs, () => this.#reading(gate));
    return gate;
  }

  /** What a process does happens at once, or when it is resumed, or never. */
  protected inProcess(process: Living, work: () => void): void {
    if (!process.alive) return;
    const { pausedUntil } = process;
    if (pausedUntil > this.schedule.now) this.schedule.at(pausedUntil, () => this.inProcess(process, work));
    else work();
  }

  protected repeat(process: Living, least: number, most: number, work: () => void): void {
    this.schedule.after(this.schedule.between(least, most), () => {
      if (!process.alive) return;
      this.inProcess(process, work);
      this.repeat(process, least, most, work);
    });
  }

  /** A write ends on disk whether or not the process is paused by then; its callback waits until it is resumed. */
  #write(gate: Gate, onDisk: (now: number) => void, done: () => void): void {
    const slow = this.schedule.chance() < 0.02;
    this.schedule.after(slow ? this.schedule.between(100, 1_500) : this.schedule.between(0.2, 5), () => {
      if (gate.disk.owner !== gate.instance) return;
      onDisk(this.schedule.now);
      this.inProcess(gate, done);
    });
  }

  #sinkOf(gate: Gate): RecordingParts<Row> {
    const { disk } = gate;
    return {
      write: ({ requests, batch, ...looked }, done) => {
        const onDisk = (now: number) => {
          disk.record(looked, now);
          disk.write(requests, batch);
        };
        const outcomes = requests.map(() => ({ stored: 1, repeated: 0 }));
        this.#write(gate, onDisk, () => done(undefined, outcomes));
      },
      mark: (looked, done) => {
        const onDisk = (now: number) => disk.record(looked, now);
        this.#write(gate, onDisk, () => done(undefined));
      },
      term: () => gate.lease.term(),
      markSoon: () => this.schedule.after(500, () => this.inProcess(gate, () => gate.recording.markNow())),
      onOverrun: () => undefined,
      onUnproven: () => undefined,
      lastBatch: disk.lastBatch,
      bounds: { readingsMax: 1_000, bytesMax: 1_000_000 },
    };
  }

  #reading(gate: Gate): void {
    const role = roles[this.rows.length % roles.length] as Role;
    if (gate.stopping || gate.settled !== 'yes' || this.#refusedAt(gate, role)) return;
    const { revision, hash } = gate.replica;
    const row: Row = { revision, hash, batch: 0, readableAt: undefined, acknowledgedAt: undefined, proven: false };
    this.rows.push(row);
    gate.recording.submit({
      request: row,
      readings: 1,
      bytes: 1,
      judgeAgain: () => {
        row.revision = gate.replica.revision;
        row.hash = gate.replica.hash;
        return this.#refusedAt(gate, role);
      },
      answer: (result) => {
        if ('outcome' in result) row.acknowledgedAt = this.schedule.now;
      },
    });
  }

  #refusedAt({ device, other, ground }: Gate, role: Role) {
    const who = { alone: [device], carried: [device, other], carries: [other, device] } as const;
    const [bearer, carrier] = who[role];
    return this.assembly.judge({ bearer, carrier, stream, data: [] }, ground);
  }

  /** One ordered stream: nothing overtakes, and what an earlier one still carried is not read once there is another. */
  protected deliver(gate: Gate, messages: FeedMessage[], heldUpUntil = 0): void {
    gate.lastDue = Math.max(gate.lastDue, heldUpUntil, this.schedule.now + this.link());
    const { connection } = gate;
    const receive = (message: FeedMessage) => connection === gate.connection && this.#receive(gate, message);
    this.schedule.at(gate.lastDue, () => this.inProcess(gate, () => messages.forEach(receive)));
  }

  /** As the gate's follower does: where something is missing, it connects anew and asks for a snapshot. */
  #receive(gate: Gate, message: FeedMessage): void {
    const { outcome } = gate.replica.receive(message);
    if (outcome === 'resync' && gate.replica.complete) {
      gate.replica.complete = false;
      this.connect(gate);
    }
    if (outcome === 'applied' || outcome === 'loaded') this.#applied(gate);
    if (outcome === 'applied') this.#merge(gate);
    this.onReceived(gate, message, outcome);
  }

  #merge(gate: Gate): void {
    this.schedule.after(this.schedule.between(1, 60), () =>
      this.inProcess(gate, () => gate.replica.mergeSome(1) && this.#merge(gate)),
    );
  }

  #applied(gate: Gate): void {
    gate.recording.changeApplied();
    if (gate.settled === 'yes') this.#reportApplied(gate);
  }

  #reportApplied(gate: Gate): void {
    const { revision, hash } = gate.replica;
    gate.recording.afterCommitInFlight(() => {
      if (revision > gate.reportable.revision) gate.reportable = { revision, hash };
      this.report(gate, { revision, hash });
    });
  }

  #renew(gate: Gate): void {
    if (!gate.replica.complete) return;
    const sent = gate.lease.sending();
    if (gate.settled !== 'yes' && !gate.lease.holds())
      gate.reportable = { revision: gate.replica.revision, hash: gate.replica.hash };
    this.askLease(gate, gate.reportable, (grantedMs) =>
      this.inProcess(gate, () => {
        gate.lease.granted(sent, grantedMs);
        if (gate.settled === 'not yet' && gate.lease.holds()) this.#askSettlement(gate);
      }),
    );
  }

  /** As a gate does under its first lease; one that gets no answer gives up, and is started again. */
  #askSettlement(gate: Gate): void {
    gate.settled = 'asked';
    const term = gate.lease.term();
    this.askSettled(gate, (answers) => this.inProcess(gate, () => this.#settleNext(gate, answers, term)));
    this.schedule.after(5_000, () => gate.settled !== 'yes' && gate.alive && this.startAgain(gate));
  }

  #settleNext(gate: Gate, [first, ...others]: Settled[], term: number | undefined): void {
    if (!first) {
      gate.settled = 'yes';
      return this.#reportApplied(gate);
    }
    const { batch } = first;
    const unbroken = () => term !== undefined && gate.lease.term() === term;
    const proven = first.proven && unbroken();
    const next = () => this.#settleNext(gate, others, term);
    const settle = (as: boolean, done: () => void) =>
      this.#write(gate, (now) => gate.disk.settle(batch, as, now), done);
    settle(proven, () => (proven && !unbroken() ? settle(false, next) : next()));
  }

  /** It dies and comes back, or lives on beside a second process with its identity. */
  protected replace(gate: Gate): void {
    if (gate.pausedUntil > this.schedule.now || this.schedule.chance() < 0.3) {
      this.schedule.after(this.schedule.between(1, 1_500), () => this.startGate(gate.name));
    } else this.startAgain(gate);
  }

  protected startAgain(gate: Gate): void {
    if (!gate.alive) return;
    gate.alive = false;
    this.schedule.after(this.schedule.between(1, 1_500), () => this.startGate(gate.name, gate.disk));
  }

  /** Takes nothing more, ends what is under way, gives its lease back, and only then ends. */
  protected stop(gate: Gate): void {
    gate.stopping = true;
    gate.recording.afterCommitInFlight(() => {
      gate.lease.end();
      this.giveBack(gate);
      this.startAgain(gate);
    });
  }
}
