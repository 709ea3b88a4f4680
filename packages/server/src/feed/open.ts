import { join } from 'node:path';
import {
  type AppliedReport,
  type DeskFeedQuery,
  type FeedMessage,
  type FeedQuery,
  type GateView,
  type LeaseRequest,
  PortcullisError,
  type PublicFeedMessage,
  type SettlementAnswer,
  type SettlementRequest,
  type StandingsMessage,
  type SubjectId,
} from '@portcullis/contract';
import type { z } from 'zod';
import type { AlertsRaised } from '../alerts/alerts.ts';
import type { Attributes } from '../attributes/attributes.ts';
import type { ChangeRecord, Journal } from '../journal/journal.ts';
import type { Store } from '../storage/storage.ts';
import type { Log, System } from '../telemetry/telemetry.ts';
import { AbleGates } from './able-gates.ts';
import { changeLine, Follower, partLine } from './follow.ts';
import { GateAlerts } from './gate-alerts.ts';
import { GateCounters } from './gate-counters.ts';
import { Holds } from './holds.ts';
import { Horizon } from './horizon.ts';
import { LastLines } from './last-lines.ts';
import { instancesOfGateMax, LeaseBook } from './lease-book.ts';
import type { Feed, Follows, RulesToTell } from './promises.ts';
import { PublicFeed } from './public-feed.ts';
import type { CodeChanges, PublicJourneys } from './public-subjects.ts';
import { Receipts } from './receipts.ts';
import { RecentHashes } from './recent-hashes.ts';
import { Snapshots } from './snapshots.ts';
import { StandingsFeed, type ToldIssuer } from './standings-feed.ts';
import { Tally } from './tally.ts';

export interface FeedParts {
  store: Store;
  journal: Journal;
  attributes: Pick<Attributes, 'merged' | 'isBetween' | 'laidOver'>;
  system: System;
  log: Log;
  fleet: string;
  /** The authority's own: snapshots lie there while gates read them. */
  directory: string;
  leaseMs: number;
  patienceMs: number;
  alerts: AlertsRaised;
  /** So many refusals of one subject within a minute ring. */
  refusalsPerMinute: number;
  /** What has been missing for longer of what a device counted rings. */
  missingMs: number;
  /** Not given: this authority has no rules. */
  rules?: RulesToTell | undefined;
  codes: CodeChanges;
  /** Not given: this authority has no journeys. */
  journeys?: PublicJourneys | undefined;
  /** Who signed certificates. The same list for as long as it says the same. Not given: no desk is told of certificates. */
  issuers?: (() => readonly ToldIssuer[]) | undefined;
}

/** A gate whose clock is further off than this judges validity by the wrong time. */
const clockDifferenceMsMax = 300_000;
/** A settlement reads no more revisions than these; an older batch stays unproven. */
const settledRevisionsMax = 50_000;
const nobody: readonly ToldIssuer[] = [];

export async function openFeed(parts: FeedParts): Promise<Feed> {
  const horizon = await Horizon.read(parts.store, parts.leaseMs);
  const able = await AbleGates.read(parts.store);
  const { monotonic } = parts.system;
  const { leaseMs, patienceMs, journal } = parts;
  const receipted = journal.head().revision;
  const book = new LeaseBook({ leaseMs, patienceMs, monotonic, receipted, horizonMs: horizon.milliseconds });
  const alerts = await GateAlerts.open({ ...parts, book, able });
  return new AuthorityFeed(parts, { horizon, able, book, alerts });
}

/** What was read before it opens. */
interface Halves {
  horizon: Horizon;
  able: AbleGates;
  book: LeaseBook;
  alerts: GateAlerts;
}

class AuthorityFeed implements Feed {
  readonly #parts: FeedParts;
  readonly #horizon: Horizon;
  readonly #book: LeaseBook;
  readonly #receipts: Receipts;
  readonly #able: AbleGates;
  readonly #counters: GateCounters;
  readonly #alerts: GateAlerts;
  readonly #recent = new RecentHashes();
  readonly #lines = new LastLines<string>();
  readonly #partLines = new LastLines<Promise<string>>();
  readonly #holds: Holds;
  readonly #snapshots: Snapshots;
  readonly #stop: () => void;
  #isClosing = false;

  constructor(parts: FeedParts, { horizon, able, book, alerts }: Halves) {
    const { monotonic, now } = parts.system;
    const { leaseMs, journal } = parts;
    this.#parts = parts;
    this.#snapshots = new Snapshots({ ...parts, directory: join(parts.directory, 'snapshots') });
    this.#horizon = horizon;
    this.#able = able;
    this.#alerts = alerts;
    this.#book = book;
    this.#receipts = new Receipts(this.#book, {
      monotonic,
      leads: () => parts.store.leads(),
      advised: () => this.#counters.advised(),
    });
    this.#receipts.settle();
    this.#counters = new GateCounters(monotonic, leaseMs);
    this.#holds = new Holds({ leaseMs, deciding: () => this.#deciding() });
    this.#recent.add(journal.head().revision, journal.head().revisionHash);
    const stopDrafts = journal.drafts.watch({ onProgress: () => undefined, held: ({ id }) => this.#holds.all(id) });
    const stopChanges = journal.onChange(({ revision, hash, subjects }) => {
      this.#recent.add(revision, hash);
      able.apply(subjects);
      this.#receipts.changed(revision, able.at(now()));
    });
    this.#stop = () => {
      stopDrafts();
      stopChanges();
    };
  }

  get leaseMs(): number {
    return this.#parts.leaseMs;
  }

  async follow(
    query: z.infer<typeof FeedQuery>,
    { gate, inParts, withRules, packed, soFar }: Follows,
    write: (piece: string | Uint8Array) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    this.#requireClock(query.clock);
    if (query.after !== undefined) await this.#requireHistory(query.after, query.hash ?? '');
    const names = new Set(query.attributes.split(',').filter((name) => name !== ''));
    const { journal, system } = this.#parts;
    const tally = new Tally();
    const sendPiece = (piece: string | Uint8Array) => {
      signal.throwIfAborted();
      tally.add(piece);
      return write(piece);
    };
    const send = (message: FeedMessage | string) => {
      if (typeof message === 'string') return sendPiece(`${message}\n`);
      const told = message.type === 'beat' && inParts ? { ...message, sent: tally.now() } : message;
      return sendPiece(`${JSON.stringify(told)}\n`);
    };
    const snapshot = (atLeast: number, waiting: () => Promise<void>) =>
      this.#snapshots.send({ names, atLeast, packed, soFar }, sendPiece, waiting);
    const needsSnapshot = query.after === undefined || query.snapshot === '1';
    const lineOf = (record: ChangeRecord) => this.#lineOf(record, { names, inParts });
    const snapshotBytes = () => this.#snapshots.bytes;
    const ofPart = (draft: string, number: number) => this.#partLine(draft, number, names);
    const lines = { lineOf, partLine: inParts ? ofPart : undefined, rules: withRules ? this.#parts.rules : undefined };
    const follower = { journal, names, now: system.now, write: send, signal, snapshot, snapshotBytes, ...lines };
    const ends = inParts ? this.#holds.takes(nameOf({ gate, instance: query.instance })) : () => undefined;
    try {
      await new Follower(follower, query.after ?? 0).run({ snapshot: needsSnapshot });
    } finally {
      ends();
    }
  }

  async tellPublic(seen: DeskFeedQuery, write: (piece: string) => Promise<void>, signal: AbortSignal): Promise<void> {
    await this.requireSeen(seen);
    const { system } = this.#parts;
    const told = (message: PublicFeedMessage) => {
      signal.throwIfAborted();
      return write(`${JSON.stringify(message)}\n`);
    };
    await new PublicFeed({ ...this.#parts, now: system.now, write: told, signal }).run();
  }

  async tellStandings(
    seen: DeskFeedQuery,
    write: (piece: string) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    await this.requireSeen(seen);
    const { system, issuers = () => nobody } = this.#parts;
    const told = (message: StandingsMessage) => {
      signal.throwIfAborted();
      return write(`${JSON.stringify(message)}\n`);
    };
    await new StandingsFeed({ ...this.#parts, issuers, now: system.now, write: told, signal }).run();
  }

  async requireSeen({ after, hash = '' }: DeskFeedQuery): Promise<void> {
    if (after !== undefined) await this.#requireHistory(after, hash);
  }

  /** Those of gates whose lease runs. */
  #deciding(): string[] {
    return this.#book
      .instances()
      .filter(({ remainingMs }) => remainingMs > 0)
      .map(nameOf);
  }

  /** Gates with the same policies are told the same line; it is made once. */
  #lineOf(record: ChangeRecord, to: { names: ReadonlySet<string>; inParts: boolean }): string {
    const key = `${to.inParts ? 'parts' : 'whole'} ${[...to.names].join(',')}`;
    return this.#lines.of(key, String(record.revision), () => changeLine(record, to));
  }

  #partLine(draft: string, number: number, names: ReadonlySet<string>): Promise<string> {
    const make = async () => partLine(draft, number, await this.#parts.journal.part(draft, number), names);
    const key = [...names].join(',');
    const line = this.#partLines.of(key, `${draft} ${number}`, make);
    line.catch(() => this.#partLines.forget(key, line));
    return line;
  }

  async renew(gate: string, request: LeaseRequest) {
    this.#requireClock(request.clock);
    await this.#requireHistory(request.applied, request.hash);
    await this.#horizon.cover(this.#parts.leaseMs);
    // In the same turn as the lease: rule 11, and none may follow what is stored of leases at the end.
    if (!this.#parts.store.leads() || this.#isClosing) throw notLeader();
    const { instance } = request;
    const answer = this.#book.renew({ gate, instance }, request.applied);
    if (!answer.granted && answer.because === 'crowded') throw crowded(gate);
    this.#book.reported({ gate, instance }, request.applied, request.connectionsClosed);
    this.#counters.note(gate, request);
    this.#alerts.renewed(gate, answer.granted, request.counters);
    this.#receipts.settle();
    return answer;
  }

  async report(gate: string, report: AppliedReport): Promise<void> {
    if (report.hash !== undefined) await this.#requireHistory(report.applied, report.hash);
    const name = { gate, instance: report.instance };
    this.#book.reported(name, report.applied, report.connectionsClosed);
    this.#receipts.settle();
    if (report.holds !== undefined) this.#holds.holds(nameOf(name), report.holds);
  }

  release(gate: string, instance: string): void {
    this.#book.release({ gate, instance });
    this.#alerts.released(gate);
    this.#receipts.settle();
  }

  /**
   * A batch is proven when it was judged by this history, which it is not after that was restored or fell back to a copy; and when no
   * receipt was given meanwhile that touches one of its subjects (rule 9), and none can be given before the answer is on the gate's disk:
   * what its instance has not reported yet waits for it, and what it has reported counts as receipted.
   */
  async settle(gate: string, { instance, batches }: SettlementRequest): Promise<SettlementAnswer> {
    const upTo = Math.min(this.#parts.journal.head().revision, this.#book.receiptableUpTo({ gate, instance }));
    const answers = [];
    for (const { batch, judgedAt, head, subjects } of batches) {
      const isOurs =
        head !== undefined && judgedAt <= head.revision && (await this.#hashAt(head.revision)) === head.hash;
      const proven = isOurs && !(await this.#touched(judgedAt, upTo, new Set<string>(subjects)));
      answers.push({ batch, proven });
    }
    // Whoever leads by now may have given receipts that this one knows nothing of.
    if (!this.#parts.store.leads()) throw notLeader();
    return { batches: answers };
  }

  async #touched(after: number, upTo: number, subjects: ReadonlySet<string>): Promise<boolean> {
    if (upTo - after > settledRevisionsMax) return true;
    for (let cursor = after; cursor < upTo; ) {
      const records = await this.#parts.journal.changes(cursor, 500);
      for (const record of records) {
        if (record.revision <= upTo && (await this.#names(record, subjects))) return true;
      }
      cursor = records.at(-1)?.revision ?? upTo;
    }
    return false;
  }

  async #names(record: ChangeRecord, subjects: ReadonlySet<string>): Promise<boolean> {
    for await (const deltas of this.#parts.journal.deltasOf(record))
      if (deltas.some(({ subject }) => subjects.has(subject))) return true;
    return false;
  }

  async receipt(revision: number, { limitMs }: { limitMs: number }) {
    await this.#receipts.wait(revision, limitMs);
    return this.#receipts.receipt(revision, this.#able.at(this.#parts.system.now()));
  }

  async gates(): Promise<GateView[]> {
    const head = this.#parts.journal.head().revision;
    const instances = Map.groupBy(this.#book.instances(), ({ gate }) => gate);
    const rows = await this.#gateRows();
    return rows.flatMap(({ id, url }): GateView[] => {
      const gate = id as SubjectId;
      const held = (instances.get(id) ?? []).filter(({ heldBefore }) => heldBefore);
      const absent = { instance: null, lease: 'none', leaseEndsInMs: 0, appliedRevision: 0, lag: head } as const;
      if (held.length === 0) return [{ gate, url, ...absent, ...this.#counters.of(id, '') }];
      return held.map(({ instance, remainingMs, applied }) => ({
        gate,
        url,
        instance,
        lease: remainingMs > 0 ? 'held' : 'expired',
        leaseEndsInMs: Math.round(remainingMs),
        appliedRevision: applied,
        lag: Math.max(0, head - applied),
        ...this.#counters.of(id, instance),
      }));
    });
  }

  leases(): { held: number; expired: number } {
    const had = this.#book.instances().filter(({ heldBefore }) => heldBefore);
    const held = had.filter(({ remainingMs }) => remainingMs > 0).length;
    return { held, expired: had.length - held };
  }

  cuts(): ReturnType<Feed['cuts']> {
    return { times: this.#receipts.times, waiting: this.#book.waiting() };
  }

  #gateRows(): Promise<{ id: string; url: string | null }[]> {
    return this.#parts.store.read((db) =>
      db
        .selectFrom('subjects')
        .select(['id', 'url'])
        .where('kind', '=', 'gate')
        .where('retired', '=', 0)
        .orderBy('id')
        .execute(),
    );
  }

  #requireClock(clock: number): void {
    const difference = Math.abs(clock - this.#parts.system.now());
    if (difference <= clockDifferenceMsMax) return;
    throw new PortcullisError(
      'clock_too_far_off',
      `the clocks differ by ${Math.round(difference / 1000)} s; at most ${clockDifferenceMsMax / 1000} s are allowed`,
    );
  }

  async #hashAt(revision: number): Promise<string | undefined> {
    return this.#recent.at(revision) ?? (await this.#parts.journal.hashAt(revision));
  }

  async #requireHistory(revision: number, hash: string): Promise<void> {
    const head = this.#parts.journal.head();
    const ours = await this.#hashAt(revision);
    if (ours === hash) return;
    // What it lacks whoever leads may have: a gate that is told of a loss decides nothing until somebody accepts it.
    if (!this.#parts.store.leads()) throw notLeader();
    const why =
      ours === undefined ? `this authority is at revision ${head.revision}` : 'this authority has another history';
    this.#parts.log.error(
      { revision, head: head.revision },
      'revision_regressed: a gate or desk has seen what this store has not',
    );
    throw new PortcullisError('revision_regressed', `revision ${revision} was told before; ${why}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    this.#stop();
    this.#receipts.close();
    this.#snapshots.close();
    await this.#alerts.close();
    if (this.#parts.store.leads() && !this.#book.anyRunning()) await this.#horizon.write(0);
  }
}

const notLeader = () =>
  new PortcullisError('not_leader', 'this authority does not lead any more; ask the one that does');

const crowded = (gate: string) =>
  new PortcullisError(
    'instances_too_many',
    `"${gate}" has ${instancesOfGateMax} instances that may decide or did so a moment ago; are there copies of its directory?`,
  );

const nameOf = ({ gate, instance }: { gate: string; instance: string }) => `${gate} ${instance}`;
