/**
 * One authority after another, three gates and whoever takes their place, and a network that is late: the real book of leases,
 * lease, replica, decision and recording under a schedule of faults. What each rule does is in those classes; the world only carries
 * messages, stops clocks and kills processes.
 */
import assert from 'node:assert/strict';
import type { FeedMessage } from '@portcullis/contract';
import type { Ground } from '../../src/gate/admission/admit.ts';
import { Bearer } from '../../src/gate/connections/bearer.ts';
import type { Connection } from '../../src/gate/connections/connections.ts';
import { compilePolicy } from '../../src/gate/policy/policy.ts';
import type { RecordingParts } from '../../src/gate/recording/recording.ts';
import type { Replica } from '../../src/replica/replica.ts';
import { fingerprintNamed } from '../fed-replica.ts';
import type { Assembly, Authority, Gate, Head } from './assembly.ts';
import { Disk, type Row } from './disk.ts';
import { type Bulk, bulkParts, deviceTime, History, partsOf } from './history.ts';
import { Schedule } from './schedule.ts';

const leaseMs = 1_000;
const patienceMs = 400;
const renewMs = leaseMs / 4;
const endMs = 20_000;
/** How long a commit waits for gates that are slow. */
const heldMsMax = 800;

export interface Given {
  revision: number;
  at: number;
  waitedMs: number;
}

/** A change in parts that is prepared: how many of them each connection carried, and which instances hold all. */
interface Draft {
  bulk: Bulk;
  sent: Map<Gate, number>;
  holding: Set<string>;
}

const latest = (one = 0, other = 0) => Math.max(one, other) || undefined;
const expected = { kinds: ['device' as const], expect: { status: 'active' } };
const policy = compilePolicy({ telemetry: expected }, 1, expected);
const stream = policy.streams.get('telemetry');
/** As one that the registry has made: here nothing is closed, and all that is decided is who may send. */
const connectionNamed = (name: string) => new Bearer(Buffer.from(fingerprintNamed(name), 'hex')) as Connection;

/** Who a reading is of, and who brings it: the device by itself, sealed and carried by the other one, or the other's carried by the device. */
const roles = ['alone', 'carried', 'carries'] as const;
type Role = (typeof roles)[number];

export class World {
  readonly rows: Row[] = [];
  readonly receipts: Given[] = [];
  readonly #history = new History();
  readonly #schedule: Schedule;
  readonly #assembly: Assembly;
  readonly #gates: Gate[] = [];
  readonly #given = new Set<number>();
  #authority: Authority;
  /** On the authority's disk: how long the leases that it granted may last. */
  #horizonMs = 0;
  #instances = 0;
  #drafts = 0;
  /** Ends with its authority. */
  #draft: Draft | undefined;

  constructor(seed: number, assembly: Assembly) {
    this.#schedule = new Schedule(seed);
    this.#assembly = assembly;
    this.#authority = this.#startAuthority();
    for (const name of ['gate-1', 'gate-2', 'gate-3']) this.#startGate(name);
    this.#schedule.after(100, () => this.#flip());
    this.#schedule.after(200, () => this.#prepare());
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
      const shown = row.proven ? latest(row.readableAt, row.acknowledgedAt) : row.acknowledgedAt;
      if (shown === undefined) return [];
      const broken = this.receipts.find(({ at, revision }) => at < shown && this.#forbids(revision, row));
      return broken ? [{ row, receipt: broken }] : [];
    });
  }

  /** Rows that became readable and were judged by what was in force at no revision: a part ahead of its commit, or half of a change. */
  misjudged(): Row[] {
    return this.rows.filter(
      ({ readableAt, revision }) => readableAt !== undefined && !this.#history.isAdmitted(revision),
    );
  }

  longestReceiptMs(): number {
    return Math.max(0, ...this.receipts.map(({ waitedMs }) => waitedMs));
  }

  #forbids(receipted: number, { revision }: Row): boolean {
    return receipted > revision && this.#history.forbidsFrom(revision + 1, receipted);
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

  #startAuthority(): Authority {
    const horizonMs = this.#horizonMs;
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
    for (const { revision } of authority.book.giveReceipts()) {
      const since = authority.since.get(revision) ?? this.#schedule.now;
      this.#give(revision, this.#schedule.now - since);
    }
  }

  #flip(): void {
    if (this.#authority.alive) {
      this.#change();
      this.#tell(() => [this.#history.change(this.#history.head)]);
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
    if (alive && book.isReceipted(revision) && !this.#given.has(revision)) this.#give(revision, 0);
    this.#schedule.after(this.#schedule.between(20, 400), () => this.#ask());
  }

  /** Now and then somebody changes many at once: some gates are sent all parts before the revision, others a few or none. */
  #prepare(): void {
    const authority = this.#authority;
    if (!authority.alive) return void this.#schedule.after(100, () => this.#prepare());
    const bulk = {
      id: String(++this.#drafts).padStart(32, '0'),
      status: this.#schedule.chance() < 0.5 ? 'off' : 'active',
    } as const;
    const draft = { bulk, sent: new Map<Gate, number>(), holding: new Set<string>() };
    this.#draft = draft;
    for (const gate of this.#gates) if (gate.feed === authority) this.#sendParts(gate, draft);
    this.#schedule.after(heldMsMax, () => this.#commit(draft));
    this.#schedule.after(this.#schedule.between(heldMsMax, 3 * heldMsMax), () => this.#prepare());
  }

  #sendParts(gate: Gate, { bulk, sent }: Draft): void {
    const parts = this.#schedule.chance() < 0.6 ? bulkParts : Math.floor(this.#schedule.chance() * bulkParts);
    for (const part of partsOf(bulk).slice(0, parts)) this.#deliver(gate, [part]);
    if (parts > 0) sent.set(gate, parts);
    if (parts === bulkParts) this.#deliver(gate, [{ type: 'prepared', draft: bulk.id, parts } as FeedMessage]);
  }

  /** An instance holds it. */
  #holds(draft: Draft, instance: string): void {
    draft.holding.add(instance);
    const deciding = this.#authority.book.instances().filter(({ remainingMs }) => remainingMs > 0);
    if (deciding.every((one) => draft.holding.has(one.instance))) this.#commit(draft);
  }

  /** Once, unless its process died; one in five comes to nothing. */
  #commit(draft: Draft): void {
    if (this.#draft !== draft) return;
    this.#draft = undefined;
    const { bulk, sent } = draft;
    if (this.#schedule.chance() < 0.2) {
      for (const gate of sent.keys()) this.#deliver(gate, [{ type: 'dropped', draft: bulk.id } as FeedMessage]);
      return;
    }
    this.#history.commit(bulk);
    this.#tell((gate) => [...partsOf(bulk).slice(sent.get(gate) ?? 0), this.#history.change(this.#history.head)]);
  }

  /** The head is new. */
  #tell(told: (gate: Gate) => FeedMessage[]): void {
    const authority = this.#authority;
    const { head } = this.#history;
    authority.since.set(head, this.#schedule.now);
    authority.book.changed(head);
    for (const gate of this.#gates) if (gate.feed === authority) this.#deliver(gate, told(gate));
    this.#settle(authority);
  }

  #give(revision: number, waitedMs: number): void {
    this.#given.add(revision);
    this.receipts.push({ revision, at: this.#schedule.now, waitedMs });
  }

  /** `disk`: that of an earlier process of this directory. */
  #startGate(name: string, disk = new Disk()): void {
    const clock = this.#clock();
    const lease = this.#assembly.makeLease({ monotonic: clock, now: clock });
    const gate = { name, instance: `${name} ${this.#instances++}`, alive: true, pausedUntil: 0, disk } as Gate;
    disk.owner = gate.instance;
    const recording = this.#assembly.makeRecording(this.#sinkOf(gate));
    const replica = this.#assembly.makeReplica();
    const judging = { replica, lease, policy, recording: recording as unknown as Ground['recording'] };
    const ground: Ground = { ...judging, validityTime: () => deviceTime };
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
  #write(gate: Gate, onDisk: (now: number) => void, done: () => void): void {
    const slow = this.#schedule.chance() < 0.02;
    this.#schedule.after(slow ? this.#schedule.between(100, 1_500) : this.#schedule.between(0.2, 5), () => {
      if (gate.disk.owner !== gate.instance) return;
      onDisk(this.#schedule.now);
      this.#inProcess(gate, done);
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
      markSoon: () => this.#schedule.after(500, () => this.#inProcess(gate, () => gate.recording.markNow())),
      onOverrun: () => undefined,
      onUnproven: () => undefined,
      lastBatch: disk.lastBatch,
      bounds: { readingsMax: 1_000, bytesMax: 1_000_000 },
    };
  }

  #reading(gate: Gate): void {
    const role = roles[this.rows.length % roles.length] as Role;
    if (gate.stopping || gate.settled !== 'yes' || this.#refusedAt(gate, role)) return;
    const { revision } = gate.replica;
    const row: Row = { revision, batch: 0, readableAt: undefined, acknowledgedAt: undefined, proven: false };
    this.rows.push(row);
    gate.recording.submit({
      request: row,
      readings: 1,
      bytes: 1,
      judgeAgain: () => {
        row.revision = gate.replica.revision;
        return this.#refusedAt(gate, role);
      },
      answer: (result) => {
        if ('outcome' in result) row.acknowledgedAt = this.#schedule.now;
      },
    });
  }

  #refusedAt({ device, other, ground }: Gate, role: Role) {
    const who = { alone: [device], carried: [device, other], carries: [other, device] } as const;
    const [bearer, carrier] = who[role];
    return this.#assembly.judge({ bearer, carrier, stream, data: [] }, ground);
  }

  #connect(gate: Gate): void {
    const authority = this.#authority;
    if (!authority.alive) return;
    gate.feed = authority;
    gate.lastDue = this.#schedule.now;
    gate.connection++;
    this.#draft?.sent.delete(gate);
    gate.replica.dropStaged();
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
    if (outcome === 'applied' || outcome === 'loaded') this.#applied(gate);
    if (outcome === 'applied') this.#merge(gate);
    const draft = this.#draft;
    if (message.type === 'prepared' && outcome === 'prepared' && draft?.bulk.id === message.draft)
      this.#schedule.after(this.#link(), () => this.#draft === draft && this.#holds(draft, gate.instance));
  }

  #merge(gate: Gate): void {
    this.#schedule.after(this.#schedule.between(1, 60), () =>
      this.#inProcess(gate, () => gate.replica.mergeSome(1) && this.#merge(gate)),
    );
  }

  #applied(gate: Gate): void {
    gate.recording.changeApplied();
    if (gate.settled === 'yes') this.#reportApplied(gate, gate.replica);
  }

  #reportApplied(gate: Gate, { revision, hash }: Replica): void {
    gate.recording.afterCommitInFlight(() => {
      if (revision > gate.reportable.revision) gate.reportable = { revision, hash };
      const authority = gate.feed;
      this.#schedule.after(this.#link(), () => {
        if (!authority?.alive) return;
        this.#requireOurs({ revision, hash });
        authority.book.reported({ gate: gate.name, instance: gate.instance }, revision, 0);
        this.#settle(authority);
      });
    });
  }

  /** Whatever a gate tells to be applied is of the one history that there is here, whichever way it came there. */
  #requireOurs({ revision, hash }: Head): void {
    assert.equal(hash, this.#history.hashAt(revision), `what was applied at revision ${revision}`);
  }

  #renew(gate: Gate): void {
    if (!gate.replica.complete) return;
    const sent = gate.lease.sending();
    if (gate.settled !== 'yes' && !gate.lease.holds())
      gate.reportable = { revision: gate.replica.revision, hash: gate.replica.hash };
    const { reportable } = gate;
    const authority = this.#authority;
    this.#schedule.after(this.#link(), () => {
      if (authority !== this.#authority || !authority.alive) return;
      this.#requireOurs(reportable);
      this.#horizonMs = leaseMs;
      const answer = authority.book.renew({ gate: gate.name, instance: gate.instance }, reportable.revision);
      if (answer.granted) {
        const granted = () => {
          gate.lease.granted(sent, answer.leaseMs);
          if (gate.settled === 'not yet' && gate.lease.holds()) this.#askSettlement(gate);
        };
        this.#schedule.after(this.#link(), () => this.#inProcess(gate, granted));
      }
      this.#settle(authority);
    });
  }

  /** As a gate does under its first lease; one that gets no answer gives up, and is started again. */
  #askSettlement(gate: Gate): void {
    gate.settled = 'asked';
    const term = gate.lease.term();
    const authority = this.#authority;
    const name = { gate: gate.name, instance: gate.instance };
    this.#schedule.after(this.#link(), () => {
      if (!authority.alive) return;
      const upTo = Math.min(this.#history.head, authority.book.receiptableUpTo(name));
      const answers = gate.disk.unsettled().map(({ batch, judgedAt }) => {
        return { batch, proven: !this.#history.touches(judgedAt, upTo) };
      });
      this.#schedule.after(this.#link(), () => this.#inProcess(gate, () => this.#settleNext(gate, answers, term)));
    });
    this.#schedule.after(5_000, () => gate.settled !== 'yes' && gate.alive && this.#startAgain(gate));
  }

  #settleNext(gate: Gate, [first, ...others]: { batch: number; proven: boolean }[], term: number | undefined): void {
    if (!first) {
      gate.settled = 'yes';
      return this.#reportApplied(gate, gate.replica);
    }
    const { batch } = first;
    const unbroken = () => term !== undefined && gate.lease.term() === term;
    const proven = first.proven && unbroken();
    const next = () => this.#settleNext(gate, others, term);
    const settle = (as: boolean, done: () => void) =>
      this.#write(gate, (now) => gate.disk.settle(batch, as, now), done);
    settle(proven, () => (proven && !unbroken() ? settle(false, next) : next()));
  }

  /** Pauses, restarts, copies, broken feeds, restarted authorities. */
  #trouble(): void {
    const living = this.#gates.filter(({ alive }) => alive);
    const gate = living[Math.floor(this.#schedule.chance() * living.length)];
    const kind = this.#schedule.chance();
    if (gate && kind < 0.45) gate.pausedUntil = this.#schedule.now + this.#schedule.between(50, 3_500);
    else if (gate && kind < 0.65) this.#replace(gate);
    else if (gate && kind < 0.75) this.#breakFeed(gate);
    else if (kind < 0.85 && this.#authority.alive) this.#restartAuthority();
    else if (kind < 0.9 && this.#authority.alive) this.#restartAll(living);
    this.#schedule.after(this.#schedule.between(200, 2_500), () => this.#trouble());
  }

  /** It dies and comes back, or lives on beside a second process with its identity. */
  #replace(gate: Gate): void {
    if (gate.pausedUntil > this.#schedule.now || this.#schedule.chance() < 0.3) {
      this.#schedule.after(this.#schedule.between(1, 1_500), () => this.#startGate(gate.name));
    } else this.#startAgain(gate);
  }

  #startAgain(gate: Gate): void {
    if (!gate.alive) return;
    gate.alive = false;
    this.#schedule.after(this.#schedule.between(1, 1_500), () => this.#startGate(gate.name, gate.disk));
  }

  /** Takes nothing more, ends what is under way, gives its lease back, and only then ends. */
  #stop(gate: Gate): void {
    gate.stopping = true;
    gate.recording.afterCommitInFlight(() => {
      gate.lease.end();
      const authority = this.#authority;
      this.#schedule.after(this.#link(), () => {
        if (!authority.alive) return;
        authority.book.release({ gate: gate.name, instance: gate.instance });
        this.#settle(authority);
      });
      this.#startAgain(gate);
    });
  }

  /** Cleanly, as an operator would: gates first. One that is paused does not hear of it. */
  #restartAll(gates: Gate[]): void {
    for (const gate of gates) this.#inProcess(gate, () => this.#stop(gate));
    this.#schedule.after(this.#schedule.between(0, 600), () => this.#authority.alive && this.#stopAuthority());
  }

  /** As the feed does when it is closed: a horizon that is over is not waited for. */
  #stopAuthority(): void {
    if (!this.#authority.book.anyRunning()) this.#horizonMs = 0;
    this.#restartAuthority();
  }

  /** Renewals go on meanwhile. */
  #breakFeed(gate: Gate): void {
    gate.feed = undefined;
    this.#schedule.after(this.#schedule.between(10, 3_000), () => gate.alive && this.#connect(gate));
  }

  #restartAuthority(): void {
    this.#authority.alive = false;
    this.#draft = undefined;
    this.#schedule.after(this.#schedule.between(1, 2_500), () => {
      this.#authority = this.#startAuthority();
    });
  }
}

/** No receipt waits longer: a restarted authority's wait or the patience, then one lease running out, by clocks that drift. */
export const receiptMsMax = Math.round(2 * leaseMs * 1.02 * 1.01) + 60;
