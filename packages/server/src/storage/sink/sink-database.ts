import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { VerdictView } from '@portcullis/contract';
import { CountedReadings } from './counted-readings.ts';
import type {
  CountedRun,
  Looked,
  MissingQuery,
  OldMissing,
  Page,
  ReadingPage,
  ReadingQuery,
  RefusalQuery,
  RefusedReading,
  RefusedReadingPage,
  RefusedReadingQuery,
  SinkNewest,
  SinkOutcome,
  SinkRequest,
  SinkWrite,
  UnsettledBatch,
  Untold,
} from './promises.ts';
import { RefusedReadings } from './refused-readings.ts';
import { isSameReading, type StoredReading } from './sink-rows.ts';
import { StoredReadings } from './stored-readings.ts';
import { WatchedSenders } from './watched-senders.ts';
import { WrittenHeads } from './written-heads.ts';

const refusalsMax = 100_000;
const channelsKnownMax = 100_000;
/** Commits wait behind a turn of pruning, and receipts behind commits: each is a few milliseconds. */
const readingsCountedPerTurn = 50_000;
const readingsPrunedPerTurn = 2_000;
const rowsPrunedPerTurn = 500;

export interface AgeTurn {
  older: number;
  present: number;
  /** After which the next turn goes on; null at the end. */
  next: number | null;
}

/** The SQL of a sink, synchronous: it runs in a thread of its own. */
export class SinkDatabase {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #channels = new Map<string, number>();
  readonly #readings = new StoredReadings((text) => this.#sql(text));
  readonly #refused = new RefusedReadings((text) => this.#sql(text));
  readonly #senders = new WatchedSenders((text) => this.#sql(text));
  readonly #counted = new CountedReadings((text) => this.#sql(text));
  /** The number of the next reading, once it was looked up. */
  #next: number | undefined;
  readonly #heads = new WrittenHeads((text) => this.#sql(text));

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  lastBatch(): number {
    const row = this.#sql('SELECT max(batch) AS last FROM requests').get() as { last: number | null };
    return Math.max(row.last ?? 0, (this.#sql('SELECT looked FROM progress').get() as { looked: number }).looked);
  }

  write({ batch, instance, head, requests, ...looked }: SinkWrite): SinkOutcome[] {
    const outcomes = this.#transaction(() => {
      this.#look(looked);
      this.#heads.note(batch, head);
      const stored = requests.map((request) => this.#store(request, batch, instance));
      this.#senders.flush();
      return stored;
    });
    this.#senders.committed(batch);
    this.#counted.committed(batch);
    this.#heads.committed();
    return outcomes;
  }

  mark(looked: Looked): void {
    this.#transaction(() => this.#look(looked));
    this.#counted.committed();
  }

  #look({ looked, quarantine, proven, unproven }: Looked): void {
    for (const batch of quarantine) {
      this.#sql('UPDATE readings SET given = 0 WHERE request IN (SELECT number FROM requests WHERE batch = ?)').run(
        batch,
      );
      this.#sql("UPDATE requests SET state = 'quarantined' WHERE batch = ?").run(batch);
      this.#senders.quarantined(batch);
      this.#counted.quarantined(batch);
    }
    for (const batch of unproven) {
      this.#sql("UPDATE requests SET state = 'unproven' WHERE batch = ? AND state = 'stored'").run(batch);
      this.#senders.unproven(batch);
    }
    this.#counted.readable(looked);
    this.#sql('UPDATE progress SET looked = max(looked, ?1), proven = max(proven, ?2), counted = max(counted, ?1)').run(
      looked,
      proven,
    );
    this.#senders.proven(proven);
  }

  /** All or nothing: what was stored of a request is taken back when one of its ids turns out to be another reading's. */
  #store(request: SinkRequest, batch: number, instance: string): SinkOutcome {
    const { subject, certificate, stream, receivedAt, policy, revision, carriedBy, sealed } = request;
    const channel = this.#channel(subject, stream);
    const { lastInsertRowid } = this.#sql(
      `INSERT INTO requests (batch, subject, certificate, stream, receivedAt, instance, policy, revision, carriedBy, sealed)
       VALUES (?,?,?,?,?,?,?,?,?,?)`,
    ).run(batch, subject, certificate, stream, receivedAt, instance, policy, revision, carriedBy, sealed ? 1 : 0);
    const number = Number(lastInsertRowid);
    const repeats = new Set<number>();
    const outcome = this.#insert(request, number, channel, repeats);
    if ('stored' in outcome && outcome.stored > 0) {
      this.#senders.note(request, repeats, batch, instance);
      this.#counted.note(request, repeats, channel);
    }
    if ('reused' in outcome) this.#sql('DELETE FROM readings WHERE request = ?').run(number);
    if ('reused' in outcome || outcome.stored === 0) this.#sql('DELETE FROM requests WHERE number = ?').run(number);
    return outcome;
  }

  #insert(request: SinkRequest, number: number, channel: number, repeats: Set<number>): SinkOutcome {
    const { ids, given, deviceTimes, clocks, sequences, runs, data } = request;
    const insert = this.#sql(
      `INSERT INTO readings (number, request, channel, id, given, deviceTime, clock, data, run, sequence) VALUES (?,?,?,?,?,?,?,?,?,?)
       ON CONFLICT DO NOTHING`,
    );
    const first = this.#nextReading();
    let next = first;
    for (let index = 0; index < ids.length; index++) {
      const id = ids[index] as string;
      const key = [next, number, channel, id, given[index] ? 1 : 0] as const;
      const { changes } = insert.run(
        ...key,
        deviceTimes[index] ?? null,
        clocks[index] as string,
        data[index] as string,
        runs[index] ?? null,
        sequences[index] ?? null,
      );
      if (changes === 1) next++;
      else if (isSameReading(this.#known(channel, id), request, index)) repeats.add(index);
      else return { reused: index };
    }
    this.#next = next;
    return { stored: next - first, repeated: repeats.size };
  }

  #known(channel: number, id: string): StoredReading {
    const find = this.#sql('SELECT data, deviceTime FROM readings WHERE channel = ? AND id = ? AND given = 1');
    return find.get(channel, id) as unknown as StoredReading;
  }

  #nextReading(): number {
    if (this.#next !== undefined) return this.#next;
    const row = this.#sql(
      'SELECT max(lastReading, coalesce((SELECT max(number) FROM readings), 0)) AS last FROM progress',
    ).get();
    this.#next = (row as { last: number }).last + 1;
    return this.#next;
  }

  #channel(subject: string, stream: string): number {
    const key = `${subject} ${stream}`;
    const known = this.#channels.get(key);
    if (known !== undefined) return known;
    this.#sql('INSERT OR IGNORE INTO channels (subject, stream) VALUES (?, ?)').run(subject, stream);
    const row = this.#sql('SELECT number FROM channels WHERE subject = ? AND stream = ?').get(subject, stream);
    const { number } = row as { number: number };
    if (this.#channels.size >= channelsKnownMax) this.#channels.clear();
    this.#channels.set(key, number);
    return number;
  }

  /** Oldest first: settling one says that all before it are settled. */
  unsettled(): UnsettledBatch[] {
    const rows = this.#sql(
      `SELECT batch, max(instance) AS instance, min(revision) AS judgedAt, json_group_array(DISTINCT subject) AS subjects
       FROM requests WHERE batch > (SELECT proven FROM progress) AND state = 'stored' GROUP BY batch ORDER BY batch`,
    ).all() as unknown as (Omit<UnsettledBatch, 'subjects'> & { subjects: string })[];
    return rows.map((row) => ({
      ...row,
      ...this.#heads.of(row.batch),
      subjects: JSON.parse(row.subjects) as string[],
    }));
  }

  settle(batch: number, proof: 'proven' | 'unproven'): void {
    this.#transaction(() => {
      if (proof === 'unproven') {
        this.#sql("UPDATE requests SET state = 'unproven' WHERE batch = ?").run(batch);
        this.#senders.unproven(batch);
      }
      this.#look({ looked: batch, quarantine: [], proven: batch, unproven: [] });
    });
    this.#counted.committed();
  }

  unprovenCount(): number {
    const row = this.#sql("SELECT count(DISTINCT batch) AS batches FROM requests WHERE state = 'unproven'").get();
    return (row as { batches: number }).batches;
  }

  untold(asked: { newest: boolean }): Untold {
    return this.#senders.untold(asked);
  }

  told(told: { edges: number[]; newest: SinkNewest[] }): void {
    this.#transaction(() => this.#senders.told(told));
  }

  read(query: ReadingQuery): ReadingPage {
    return this.#readings.page(query);
  }

  keepRefusals(refusals: VerdictView[]): void {
    this.#transaction(() => {
      const insert = this.#sql('INSERT INTO refusals (at, subject, verdict) VALUES (?, ?, ?)');
      for (const refusal of refusals) insert.run(Date.parse(refusal.at), refusal.subject, JSON.stringify(refusal));
      this.#sql('DELETE FROM refusals WHERE number <= (SELECT max(number) FROM refusals) - ?').run(refusalsMax);
    });
  }

  refusals({ after, limit, subject }: RefusalQuery): Page<VerdictView> {
    const of = subject === undefined ? '' : 'subject = ? AND';
    const rows = this.#sql(`SELECT number, verdict FROM refusals WHERE ${of} number > ? ORDER BY number LIMIT ?`).all(
      ...(subject === undefined ? [] : [subject]),
      Number(after ?? 0),
      limit,
    ) as unknown as {
      number: number;
      verdict: string;
    }[];
    const items = rows.map(({ verdict }) => JSON.parse(verdict) as VerdictView);
    return { items, next: rows.length === limit ? String(rows.at(-1)?.number) : null };
  }

  keepRefused(refused: RefusedReading[]): void {
    this.#transaction(() => this.#refused.keep(refused));
  }

  refused(query: RefusedReadingQuery): RefusedReadingPage {
    return this.#refused.page(query);
  }

  missing(query: MissingQuery): Page<CountedRun> {
    return this.#counted.page(query);
  }

  oldestMissing(before: number, limit: number): OldMissing[] {
    return this.#counted.oldest(before, limit);
  }

  /** One turn through the readings after a number. */
  age(before: number, after: number): AgeTurn {
    const { first, last } = this.#sql(
      'SELECT (SELECT min(number) FROM readings WHERE number > ?) AS first, (SELECT max(number) FROM readings) AS last',
    ).get(after) as { first: number | null; last: number | null };
    if (first === null || last === null) return { older: 0, present: 0, next: null };
    const end = Math.min(first - 1 + readingsCountedPerTurn, last);
    const counted = this.#sql(
      `SELECT count(*) AS present, coalesce(sum(requests.receivedAt < ?), 0) AS older
       FROM readings JOIN requests ON requests.number = readings.request WHERE readings.number BETWEEN ? AND ?`,
    ).get(before, first, end) as { older: number; present: number };
    return { ...counted, next: end === last ? null : end };
  }

  /** One turn; `more` says whether another is due. */
  prune(before: number): { removed: number; more: boolean } {
    return this.#transaction(() => {
      this.#sql(
        'UPDATE progress SET lastReading = max(lastReading, coalesce((SELECT max(number) FROM readings), 0))',
      ).run();
      const due = this.#sql('SELECT number FROM requests WHERE receivedAt < ? ORDER BY receivedAt LIMIT ?').all(
        before,
        rowsPrunedPerTurn,
      ) as { number: number }[];
      const { removed, requests } = this.#removeRequests(due.map(({ number }) => number));
      const { changes: refusals } = this.#sql(
        'DELETE FROM refusals WHERE number IN (SELECT number FROM refusals ORDER BY number LIMIT ?) AND at < ?',
      ).run(rowsPrunedPerTurn, before);
      const others = [
        refusals === rowsPrunedPerTurn,
        this.#senders.prune(before),
        this.#refused.prune(before),
        this.#counted.prune(before),
      ];
      const more = requests < due.length || due.length === rowsPrunedPerTurn || others.includes(true);
      return { removed, more };
    });
  }

  #removeRequests(numbers: number[]): { removed: number; requests: number } {
    let [removed, requests] = [0, 0];
    for (const number of numbers) {
      if (removed >= readingsPrunedPerTurn) break;
      removed += Number(this.#sql('DELETE FROM readings WHERE request = ?').run(number).changes);
      this.#sql('DELETE FROM requests WHERE number = ?').run(number);
      requests++;
    }
    return { removed, requests };
  }

  /** Only what a look can not change any more: every batch up to this one is proven, or named unproven. */
  forget(batch: number): void {
    this.#transaction(() => {
      this.#sql('DELETE FROM readings WHERE request IN (SELECT number FROM requests WHERE batch <= ?)').run(batch);
      this.#sql('DELETE FROM requests WHERE batch <= ?').run(batch);
    });
  }

  /** Folds the write-ahead log into the file. */
  close(): void {
    this.#database.close();
  }

  #sql(text: string): StatementSync {
    const known = this.#statements.get(text);
    if (known) return known;
    const statement = this.#database.prepare(text);
    this.#statements.set(text, statement);
    return statement;
  }

  #transaction<T>(work: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      // What was made in this transaction is gone with it.
      this.#channels.clear();
      this.#senders.rolledBack();
      this.#refused.rolledBack();
      this.#counted.rolledBack();
      this.#next = undefined;
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}
