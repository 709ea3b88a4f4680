/**
 * One authority after another, three gates and whoever takes their place, and a network that is late: the real book of leases,
 * lease, replica, decision and recording under a schedule of faults. What each rule does is in those classes; the world only carries
 * messages, stops clocks and kills processes.
 */
import type { FeedMessage } from '@portcullis/contract';
import { LeaseBook, type LeaseTerms } from '../../src/feed/lease-book.ts';
import { type Ground, judge } from '../../src/gate/admit.ts';
import { Bearer } from '../../src/gate/bearer.ts';
import { compilePolicy } from '../../src/gate/policy.ts';
import { type Looked, Recording, type RecordingParts } from '../../src/gate/recording.ts';
import { type Clocks, Lease, Replica } from '../../src/replica/replica.ts';
import { fingerprintNamed } from '../fed-replica.ts';
import { deviceTime, History } from './history.ts';
import { Schedule } from './schedule.ts';

const leaseMs = 1_000;
const patienceMs = 400;
const renewMs = leaseMs / 4;
const endMs = 20_000;

/** The parts under test; a canary gives one with a rule switched off. */
export interface Assembly {
  makeBook(terms: LeaseTerms): LeaseBook;
  makeLease(clocks: Clocks): Lease;
  makeRecording(parts: RecordingParts<Row>): Recording<Row>;
  /** Clocks run fast or slow by up to this share. */
  drift: number;
}

export const realAssembly: Assembly = {
  makeBook: (terms) => new LeaseBook(terms),
  makeLease: (clocks) => new Lease(clocks),
  makeRecording: (parts) => new Recording(parts),
  drift: 0.009,
};

/** A reading on its way to the store. */
export interface Row {
  /** The revision that it was judged at. */
  revision: number;
  batch: number;
  /** When it became readable; undefined: it never did, or its process died before that was on record. */
  readableAt: number | undefined;
  acknowledgedAt: number | undefined;
  /** Readers are told that it became readable in time; else it is named unproven. */
  proven: boolean;
}

export interface Given {
  revision: number;
  at: number;
  waitedMs: number;
}

interface Authority {
  alive: boolean;
  book: LeaseBook;
  since: Map<number, number>;
}

interface Gate {
  name: string;
  instance: string;
  alive: boolean;
  pausedUntil: number;
  /** What it has told to be applied, or may tell. */
  reportable: number;
  replica: Replica;
  bearer: Bearer;
  ground: Ground;
  lease: Lease;
  recording: Recording<Row>;
  feed: Authority | undefined;
  connection: number;
  lastDue: number;
}

const latest = (one = 0, other = 0) => Math.max(one, other) || undefined;
const policy = compilePolicy({ telemetry: { kinds: ['device'], expect: { status: 'active' } } }, 1);
const stream = policy.streams.get('telemetry');
const leaf = Buffer.from(fingerprintNamed('leaf'), 'hex');

export class World {
  readonly rows: Row[] = [];
  readonly receipts: Given[] = [];
  readonly #history = new History();
  readonly #schedule: Schedule;
  readonly #assembly: Assembly;
  readonly #gates: Gate[] = [];
  readonly #given = new Set<number>();
  #authority: Authority;
  #instances = 0;

  constructor(seed: number, assembly: Assembly) {
    this.#schedule = new Schedule(seed);
    this.#assembly = assembly;
    this.#authority = this.#startAuthority(0);
    for (const name of ['gate-1', 'gate-2', 'gate-3']) this.#startGate(name);
    this.#schedule.after(100, () => this.#flip());
    this.#schedule.after(500, () => this.#trouble());
    this.#schedule.after(300, () => this.#ask());
  }

  run(): this {
    this.#schedule.runUntil(endMs);
    return this;
  }

  /** Rows that became readable, or were acknowledged, after a receipt that forbade them (P7). */
  violations(): { row: Row; receipt: Given }[] {
    return this.rows.flatMap((row) => {
      const broken = this.receipts.find((receipt) => this.#forbids(receipt, row));
      return broken ? [{ row, receipt: broken }] : [];
    });
  }

  longestReceiptMs(): number {
    return Math.max(0, ...this.receipts.map(({ waitedMs }) => waitedMs));
  }

  #forbids(receipt: Given, row: Row): boolean {
    const shown = row.proven ? latest(row.readableAt, row.acknowledgedAt) : row.acknowledgedAt;
    if (shown === undefined || receipt.at >= shown || receipt.revision <= row.revision) return false;
    return this.#history.forbidsFrom(row.revision + 1, receipt.revision);
  }

  /** A message's time on its way; some are very late. */
  #link(): number {
    return this.#schedule.chance() < 0.03 ? this.#schedule.between(300, 4_000) : this.#schedule.between(0.5, 15);
  }

  #clock(): () => number {
    const born = this.#schedule.now;
    const rate = 1 + this.#schedule.between(-this.#assembly.drift, this.#assembly.drift);
    return () => (this.#schedule.now - born) * rate;
  }

  #startAuthority(horizonMs: number): Authority {
    const terms = { leaseMs, patienceMs, horizonMs, receipted: this.#history.head, monotonic: this.#clock() };
    const authority: Authority = { alive: true, book: this.#assembly.makeBook(terms), since: new Map() };
    for (const gate of this.#gates) this.#schedule.after(this.#link(), () => gate.alive && this.#connect(gate));
    const look = () => {
      if (!authority.alive) return;
      this.#settle(authority);
      this.#schedule.after(20, look);
    };
    look();
    return authority;
  }

  #settle(authority: Authority): void {
    for (const { revision } of authority.book.confirm()) {
      const since = authority.since.get(revision) ?? this.#schedule.now;
      this.#give(revision, this.#schedule.now - since);
    }
  }

  #flip(): void {
    const authority = this.#authority;
    if (authority.alive) {
      this.#change();
      const { head } = this.#history;
      authority.since.set(head, this.#schedule.now);
      authority.book.changed(head);
      for (const gate of this.#gates) if (gate.feed === authority) this.#deliver(gate, this.#history.since(head - 1));
      this.#settle(authority);
    }
    this.#schedule.after(this.#schedule.between(20, 500), () => this.#flip());
  }

  /** Half of the changes change nothing that a gate looks at; the others cut the device one way or the other, or let it in again. */
  #change(): void {
    if (this.#schedule.chance() < 0.5) return this.#history.append({});
    if (!this.#history.isAdmitted()) return this.#history.append({ status: 'active', standing: 'valid' });
    this.#history.append(this.#schedule.chance() < 0.5 ? { status: 'off' } : { standing: 'suspended' });
  }

  /** Somebody asks how far a change is in force: an answer that says everywhere is a receipt too, whenever it is given. */
  #ask(): void {
    const { alive, book } = this.#authority;
    const revision = Math.ceil(this.#schedule.chance() * this.#history.head);
    if (alive && book.isConfirmed(revision) && !this.#given.has(revision)) this.#give(revision, 0);
    this.#schedule.after(this.#schedule.between(20, 400), () => this.#ask());
  }

  #give(revision: number, waitedMs: number): void {
    this.#given.add(revision);
    this.receipts.push({ revision, at: this.#schedule.now, waitedMs });
  }

  #startGate(name: string): void {
    const clock = this.#clock();
    const lease = this.#assembly.makeLease({ monotonic: clock, now: clock });
    const gate = { name, instance: `${name} ${this.#instances++}`, alive: true, pausedUntil: 0 } as Gate;
    const recording = this.#assembly.makeRecording(this.#sinkOf(gate));
    const replica = new Replica();
    const judging = { replica, lease, policy, recording: recording as unknown as Ground['recording'] };
    const ground: Ground = { ...judging, validityTime: () => deviceTime };
    const fresh = { reportable: 0, feed: undefined, connection: 0, lastDue: 0 };
    Object.assign(gate, fresh, { replica, bearer: new Bearer(leaf), ground, lease, recording });
    this.#gates.push(gate);
    this.#connect(gate);
    this.#repeat(gate, renewMs * 0.8, renewMs * 1.2, () => this.#renew(gate));
    this.#repeat(gate, 1, 25, () => this.#reading(gate));
  }

  /** What a process does happens at once, or when it is resumed, or never. */
  #inProcess(gate: Gate, work: () => void): void {
    if (!gate.alive) return;
    if (gate.pausedUntil > this.#schedule.now) this.#schedule.at(gate.pausedUntil, () => this.#inProcess(gate, work));
    else work();
  }

  #repeat(gate: Gate, least: number, most: number, work: () => void): void {
    this.#schedule.after(this.#schedule.between(least, most), () => {
      if (!gate.alive) return;
      this.#inProcess(gate, work);
      this.#repeat(gate, least, most, work);
    });
  }

  /** A write ends on disk whether or not the process is paused by then; its callback waits until it is resumed. */
  #sinkOf(gate: Gate): RecordingParts<Row> {
    const stored: Row[] = [];
    const later = (onDisk: () => void, done: () => void) => {
      const takesMs =
        this.#schedule.chance() < 0.02 ? this.#schedule.between(100, 1_500) : this.#schedule.between(0.2, 5);
      this.#schedule.after(takesMs, () => {
        onDisk();
        this.#inProcess(gate, done);
      });
    };
    return {
      write: ({ requests, batch, ...looked }, done) => {
        const onDisk = () => {
          this.#record(stored, looked);
          for (const row of requests) stored.push(Object.assign(row, { batch }));
        };
        later(onDisk, () =>
          done(
            undefined,
            requests.map(() => ({ stored: 1, repeated: 0 })),
          ),
        );
      },
      mark: (looked, done) =>
        later(
          () => this.#record(stored, looked),
          () => done(undefined),
        ),
      term: () => gate.lease.term(),
      markSoon: () => this.#schedule.after(500, () => this.#inProcess(gate, () => gate.recording.markNow())),
      onOverrun: () => undefined,
      onUnproven: () => undefined,
      lastBatch: 0,
      bounds: { readingsMax: 1_000, bytesMax: 1_000_000 },
    };
  }

  /** As a sink does: readable is what was looked at and is not quarantined. */
  #record(stored: Row[], { looked, quarantine, proven, unproven }: Looked): void {
    const shown = stored.filter(({ batch }) => !quarantine.includes(batch));
    for (const row of shown) {
      if (row.batch <= looked) row.readableAt ??= this.#schedule.now;
      if (row.batch <= proven && !unproven.includes(row.batch)) row.proven = true;
    }
    stored.splice(0, stored.length, ...shown.filter(({ batch }) => batch > proven));
  }

  #reading(gate: Gate): void {
    if (this.#refusedAt(gate)) return;
    const { revision } = gate.replica;
    const row: Row = { revision, batch: 0, readableAt: undefined, acknowledgedAt: undefined, proven: false };
    this.rows.push(row);
    gate.recording.submit({
      request: row,
      readings: 1,
      bytes: 1,
      judgeAgain: () => {
        row.revision = gate.replica.revision;
        return this.#refusedAt(gate);
      },
      answer: (result) => {
        if ('outcome' in result) row.acknowledgedAt = this.#schedule.now;
      },
    });
  }

  #refusedAt({ bearer, ground }: Gate) {
    return judge({ bearer, stream, data: [] }, ground);
  }

  #connect(gate: Gate): void {
    const authority = this.#authority;
    if (!authority.alive) return;
    gate.feed = authority;
    gate.lastDue = this.#schedule.now;
    gate.connection++;
    const { complete, revision } = gate.replica;
    this.#deliver(gate, this.#history.since(complete ? revision : undefined));
  }

  /** One ordered stream: nothing overtakes, and what an earlier one still carried is not read once there is another. */
  #deliver(gate: Gate, messages: FeedMessage[]): void {
    gate.lastDue = Math.max(gate.lastDue, this.#schedule.now + this.#link());
    const { connection } = gate;
    const receive = (message: FeedMessage) => connection === gate.connection && this.#receive(gate, message);
    this.#schedule.at(gate.lastDue, () => this.#inProcess(gate, () => messages.forEach(receive)));
  }

  /** As the gate's follower does: where something is missing, it connects anew and asks for a snapshot. */
  #receive(gate: Gate, message: FeedMessage): void {
    const { outcome } = gate.replica.receive(message);
    if (outcome === 'resync' && gate.replica.complete) {
      gate.replica.complete = false;
      this.#connect(gate);
    }
    if (outcome === 'applied' || outcome === 'loaded') this.#applied(gate, gate.replica.revision);
  }

  #applied(gate: Gate, revision: number): void {
    gate.recording.changeApplied();
    gate.recording.afterCommitInFlight(() => {
      gate.reportable = Math.max(gate.reportable, revision);
      const authority = gate.feed;
      this.#schedule.after(this.#link(), () => {
        if (!authority?.alive) return;
        authority.book.reported({ gate: gate.name, instance: gate.instance }, revision, 0);
        this.#settle(authority);
      });
    });
  }

  #renew(gate: Gate): void {
    if (!gate.replica.complete) return;
    const sent = gate.lease.sending();
    const { reportable } = gate;
    const authority = this.#authority;
    this.#schedule.after(this.#link(), () => {
      if (authority !== this.#authority || !authority.alive) return;
      const answer = authority.book.renew({ gate: gate.name, instance: gate.instance }, reportable);
      if (answer.granted) {
        this.#schedule.after(this.#link(), () => this.#inProcess(gate, () => gate.lease.granted(sent, answer.leaseMs)));
      }
      this.#settle(authority);
    });
  }

  /** Pauses, restarts, copies, broken feeds, restarted authorities. */
  #trouble(): void {
    const living = this.#gates.filter(({ alive }) => alive);
    const gate = living[Math.floor(this.#schedule.chance() * living.length)];
    const kind = this.#schedule.chance();
    if (gate && kind < 0.45) gate.pausedUntil = this.#schedule.now + this.#schedule.between(50, 3_500);
    else if (gate && kind < 0.65) this.#replace(gate);
    else if (gate && kind < 0.75) this.#breakFeed(gate);
    else if (kind < 0.87 && this.#authority.alive) this.#restartAuthority();
    this.#schedule.after(this.#schedule.between(200, 2_500), () => this.#trouble());
  }

  /** It dies and comes back, or lives on beside a second process with its identity. */
  #replace(gate: Gate): void {
    if (gate.pausedUntil < this.#schedule.now) gate.alive = this.#schedule.chance() < 0.3;
    this.#schedule.after(this.#schedule.between(1, 1_500), () => this.#startGate(gate.name));
  }

  /** Renewals go on meanwhile. */
  #breakFeed(gate: Gate): void {
    gate.feed = undefined;
    this.#schedule.after(this.#schedule.between(10, 3_000), () => gate.alive && this.#connect(gate));
  }

  #restartAuthority(): void {
    this.#authority.alive = false;
    this.#schedule.after(this.#schedule.between(1, 2_500), () => {
      this.#authority = this.#startAuthority(leaseMs);
    });
  }
}

/** No receipt waits longer: a restarted authority's wait or the patience, then one lease running out, by clocks that drift. */
export const receiptMsMax = Math.round(2 * leaseMs * 1.02 * 1.01) + 60;
