/**
 * One authority after another, three gates and whoever takes their place, and a network that is late: the real book of leases,
 * lease, replica, decision and recording under a schedule of faults. What each rule does is in those classes; the world only carries
 * messages, stops clocks and kills processes.
 */
import assert from 'node:assert/strict';
import type { FeedMessage } from '@portcullis/contract';
import type { Assembly, Authority, Gate, Head } from './assembly.ts';
import type { Row } from './disk.ts';
import { leaseMs, type Outcome, patienceMs, type Settled, WorldOfGates } from './gates.ts';
import { type Bulk, bulkParts, History, partsOf } from './history.ts';
import { Schedule } from './schedule.ts';

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
export class World extends WorldOfGates {
  readonly receipts: Given[] = [];
  readonly #history = new History();
  readonly #given = new Set<number>();
  #authority: Authority;
  /** On the authority's disk: how long the leases that it granted may last. */
  #horizonMs = 0;
  #drafts = 0;
  /** Ends with its authority. */
  #draft: Draft | undefined;

  constructor(seed: number, assembly: Assembly) {
    super(new Schedule(seed), assembly);
    this.#authority = this.#startAuthority();
    for (const name of ['gate-1', 'gate-2', 'gate-3']) this.startGate(name);
    this.schedule.after(100, () => this.#flip());
    this.schedule.after(200, () => this.#prepare());
    this.schedule.after(500, () => this.#trouble());
    this.schedule.after(300, () => this.#ask());
  }

  run(): this {
    this.schedule.runUntil(endMs);
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

  #startAuthority(): Authority {
    const horizonMs = this.#horizonMs;
    const terms = { leaseMs, patienceMs, horizonMs, receipted: this.#history.head, monotonic: this.clock() };
    const authority: Authority = { alive: true, book: this.assembly.makeBook(terms), since: new Map() };
    for (const gate of this.gates) this.schedule.after(this.link(), () => gate.alive && this.connect(gate));
    const look = () => {
      if (!authority.alive) return;
      this.#settle(authority);
      this.schedule.after(20, look);
    };
    look();
    return authority;
  }

  #settle(authority: Authority): void {
    for (const { revision } of authority.book.giveReceipts()) {
      const since = authority.since.get(revision) ?? this.schedule.now;
      this.#give(revision, this.schedule.now - since);
    }
  }

  #flip(): void {
    if (this.#authority.alive) {
      this.#change();
      this.#tell(() => [this.#history.change(this.#history.head)]);
    }
    this.schedule.after(this.schedule.between(20, 500), () => this.#flip());
  }

  /** Half of the changes change nothing that a gate looks at; the others cut the device one way or the other, or let it in again. */
  #change(): void {
    if (this.schedule.chance() < 0.5) return this.#history.append({});
    if (!this.#history.isAdmitted()) return this.#history.append({ status: 'active', standing: 'valid' });
    this.#history.append(this.schedule.chance() < 0.5 ? { status: 'off' } : { standing: 'suspended' });
  }

  /** Somebody asks how far a change is in force: an answer that says everywhere is a receipt too, whenever it is given. */
  #ask(): void {
    const { alive, book } = this.#authority;
    const revision = Math.ceil(this.schedule.chance() * this.#history.head);
    if (alive && book.isReceipted(revision) && !this.#given.has(revision)) this.#give(revision, 0);
    this.schedule.after(this.schedule.between(20, 400), () => this.#ask());
  }

  /** Now and then somebody changes many at once: some gates are sent all parts before the revision, others a few or none. */
  #prepare(): void {
    const authority = this.#authority;
    if (!authority.alive) return void this.schedule.after(100, () => this.#prepare());
    const bulk = {
      id: String(++this.#drafts).padStart(32, '0'),
      status: this.schedule.chance() < 0.5 ? 'off' : 'active',
    } as const;
    const draft = { bulk, sent: new Map<Gate, number>(), holding: new Set<string>() };
    this.#draft = draft;
    for (const gate of this.gates) if (gate.feed === authority) this.#sendParts(gate, draft);
    this.schedule.after(heldMsMax, () => this.#commit(draft));
    this.schedule.after(this.schedule.between(heldMsMax, 3 * heldMsMax), () => this.#prepare());
  }

  #sendParts(gate: Gate, { bulk, sent }: Draft): void {
    const parts = this.schedule.chance() < 0.6 ? bulkParts : Math.floor(this.schedule.chance() * bulkParts);
    for (const part of partsOf(bulk).slice(0, parts)) this.deliver(gate, [part]);
    if (parts > 0) sent.set(gate, parts);
    if (parts === bulkParts) this.deliver(gate, [{ type: 'prepared', draft: bulk.id, parts } as FeedMessage]);
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
    if (this.schedule.chance() < 0.2) {
      for (const gate of sent.keys()) this.deliver(gate, [{ type: 'dropped', draft: bulk.id } as FeedMessage]);
      return;
    }
    this.#history.commit(bulk);
    this.#tell((gate) => [...partsOf(bulk).slice(sent.get(gate) ?? 0), this.#history.change(this.#history.head)]);
  }

  /** The head is new. */
  #tell(told: (gate: Gate) => FeedMessage[]): void {
    const authority = this.#authority;
    const { head } = this.#history;
    authority.since.set(head, this.schedule.now);
    authority.book.changed(head);
    for (const gate of this.gates) if (gate.feed === authority) this.deliver(gate, told(gate));
    this.#settle(authority);
  }

  #give(revision: number, waitedMs: number): void {
    this.#given.add(revision);
    this.receipts.push({ revision, at: this.schedule.now, waitedMs });
  }

  protected override connect(gate: Gate): void {
    const authority = this.#authority;
    if (!authority.alive) return;
    gate.feed = authority;
    gate.lastDue = this.schedule.now;
    gate.connection++;
    this.#draft?.sent.delete(gate);
    gate.replica.dropStaged();
    const { complete, revision } = gate.replica;
    this.deliver(gate, this.#history.since(complete ? revision : undefined));
  }

  protected override onReceived(gate: Gate, message: FeedMessage, outcome: Outcome): void {
    const draft = this.#draft;
    if (message.type === 'prepared' && outcome === 'prepared' && draft?.bulk.id === message.draft)
      this.schedule.after(this.link(), () => this.#draft === draft && this.#holds(draft, gate.instance));
  }

  protected override report(gate: Gate, head: Head): void {
    const authority = gate.feed;
    this.schedule.after(this.link(), () => {
      if (!authority?.alive) return;
      this.#requireOurs(head);
      authority.book.reported({ gate: gate.name, instance: gate.instance }, head.revision, 0);
      this.#settle(authority);
    });
  }

  /** Whatever a gate tells to be applied is of the one history that there is here, whichever way it came there. */
  #requireOurs({ revision, hash }: Head): void {
    assert.equal(hash, this.#history.hashAt(revision), `what was applied at revision ${revision}`);
  }

  protected override askLease(gate: Gate, told: Head, granted: (leaseMs: number) => void): void {
    const authority = this.#authority;
    this.schedule.after(this.link(), () => {
      if (authority !== this.#authority || !authority.alive) return;
      this.#requireOurs(told);
      this.#horizonMs = leaseMs;
      const answer = authority.book.renew({ gate: gate.name, instance: gate.instance }, told.revision);
      if (answer.granted) this.schedule.after(this.link(), () => granted(answer.leaseMs));
      this.#settle(authority);
    });
  }

  protected override askSettled(gate: Gate, answered: (answers: Settled[]) => void): void {
    const authority = this.#authority;
    const name = { gate: gate.name, instance: gate.instance };
    this.schedule.after(this.link(), () => {
      if (!authority.alive) return;
      const upTo = Math.min(this.#history.head, authority.book.receiptableUpTo(name));
      const answers = gate.disk.unsettled().map(({ batch, judgedAt }) => {
        return { batch, proven: !this.#history.touches(judgedAt, upTo) };
      });
      this.schedule.after(this.link(), () => answered(answers));
    });
  }

  protected override giveBack(gate: Gate): void {
    const authority = this.#authority;
    this.schedule.after(this.link(), () => {
      if (!authority.alive) return;
      authority.book.release({ gate: gate.name, instance: gate.instance });
      this.#settle(authority);
    });
  }

  /** Pauses, restarts, copies, broken feeds, restarted authorities. */
  #trouble(): void {
    const living = this.gates.filter(({ alive }) => alive);
    const gate = living[Math.floor(this.schedule.chance() * living.length)];
    const kind = this.schedule.chance();
    if (gate && kind < 0.45) gate.pausedUntil = this.schedule.now + this.schedule.between(50, 3_500);
    else if (gate && kind < 0.65) this.replace(gate);
    else if (gate && kind < 0.75) this.#breakFeed(gate);
    else if (kind < 0.85 && this.#authority.alive) this.#restartAuthority();
    else if (kind < 0.9 && this.#authority.alive) this.#restartAll(living);
    this.schedule.after(this.schedule.between(200, 2_500), () => this.#trouble());
  }

  /** Cleanly, as an operator would: gates first. One that is paused does not hear of it. */
  #restartAll(gates: Gate[]): void {
    for (const gate of gates) this.inProcess(gate, () => this.stop(gate));
    this.schedule.after(this.schedule.between(0, 600), () => this.#authority.alive && this.#stopAuthority());
  }

  /** As the feed does when it is closed: a horizon that is over is not waited for. */
  #stopAuthority(): void {
    if (!this.#authority.book.anyRunning()) this.#horizonMs = 0;
    this.#restartAuthority();
  }

  /** Renewals go on meanwhile. */
  #breakFeed(gate: Gate): void {
    gate.feed = undefined;
    this.schedule.after(this.schedule.between(10, 3_000), () => gate.alive && this.connect(gate));
  }

  #restartAuthority(): void {
    this.#authority.alive = false;
    this.#draft = undefined;
    this.schedule.after(this.schedule.between(1, 2_500), () => {
      this.#authority = this.#startAuthority();
    });
  }
}

/** No receipt waits longer: a restarted authority's wait or the patience, then one lease running out, by clocks that drift. */
export const receiptMsMax = Math.round(2 * leaseMs * 1.02 * 1.01) + 60;
