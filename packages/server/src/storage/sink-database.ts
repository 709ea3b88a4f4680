import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { isDeepStrictEqual } from 'node:util';
import type { ReadingView, VerdictView } from '@portcullis/contract';
import { timestamp } from '../telemetry/telemetry.ts';
import type { Looked, ReadingQuery, SinkOutcome, SinkRequest, SinkWrite, UnsettledBatch } from './sink.ts';

const refusalsMax = 100_000;
const prunedPerTurn = 500;

/** The SQL of a sink, synchronous: it runs in a thread of its own. */
export class SinkDatabase {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #channels = new Map<string, number>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  lastBatch(): number {
    const row = this.#sql('SELECT max(batch) AS last FROM requests').get() as { last: number | null };
    return Math.max(row.last ?? 0, (this.#sql('SELECT looked FROM progress').get() as { looked: number }).looked);
  }

  write({ batch, instance, requests, ...looked }: SinkWrite): SinkOutcome[] {
    return this.#transaction(() => {
      this.#look(looked);
      return requests.map((request) => this.#store(request, batch, instance));
    });
  }

  mark(looked: Looked): void {
    this.#transaction(() => this.#look(looked));
  }

  #look({ looked, quarantine }: Looked): void {
    for (const batch of quarantine) {
      this.#sql('UPDATE readings SET given = 0 WHERE request IN (SELECT number FROM requests WHERE batch = ?)').run(
        batch,
      );
      this.#sql("UPDATE requests SET state = 'quarantined' WHERE batch = ?").run(batch);
    }
    this.#sql('UPDATE progress SET looked = max(looked, ?)').run(looked);
  }

  /** All or nothing: what was given an id is compared before anything of the request is stored. */
  #store(request: SinkRequest, batch: number, instance: string): SinkOutcome {
    const channel = this.#channel(request.subject, request.stream);
    const fresh: number[] = [];
    const within = new Map<string, number>();
    for (const [index, id] of request.ids.entries()) {
      const known = request.given[index] ? this.#known(request, channel, within, id) : undefined;
      if (known === undefined) {
        fresh.push(index);
        if (request.given[index]) within.set(id, index);
      } else if (!sameReading(known, request, index)) return { reused: index };
    }
    if (fresh.length > 0) this.#insert(request, fresh, { channel, batch, instance });
    return { stored: fresh.length, repeated: request.ids.length - fresh.length };
  }

  #insert(request: SinkRequest, rows: number[], on: { channel: number; batch: number; instance: string }): void {
    const { subject, certificate, stream, receivedAt, policy, revision } = request;
    const { lastInsertRowid: number } = this.#sql(
      'INSERT INTO requests (batch, subject, certificate, stream, receivedAt, instance, policy, revision) VALUES (?,?,?,?,?,?,?,?)',
    ).run(on.batch, subject, certificate, stream, receivedAt, on.instance, policy, revision);
    const insert = this.#sql(
      'INSERT INTO readings (request, channel, id, given, deviceTime, clock, data) VALUES (?,?,?,?,?,?,?)',
    );
    for (const index of rows) {
      const [id, given, data] = [
        request.ids[index] as string,
        request.given[index] ? 1 : 0,
        request.data[index] as string,
      ];
      insert.run(
        number,
        on.channel,
        id,
        given,
        request.deviceTimes[index] ?? null,
        request.clocks[index] as string,
        data,
      );
    }
  }

  #known(request: SinkRequest, channel: number, within: Map<string, number>, id: string): Stored | undefined {
    const earlier = within.get(id);
    if (earlier !== undefined)
      return { data: request.data[earlier] as string, deviceTime: request.deviceTimes[earlier] ?? null };
    const row = this.#sql('SELECT data, deviceTime FROM readings WHERE channel = ? AND id = ? AND given = 1').get(
      channel,
      id,
    );
    return row as Stored | undefined;
  }

  #channel(subject: string, stream: string): number {
    const key = `${subject} ${stream}`;
    const known = this.#channels.get(key);
    if (known !== undefined) return known;
    this.#sql('INSERT OR IGNORE INTO channels (subject, stream) VALUES (?, ?)').run(subject, stream);
    const row = this.#sql('SELECT number FROM channels WHERE subject = ? AND stream = ?').get(subject, stream);
    const { number } = row as { number: number };
    if (this.#channels.size > 100_000) this.#channels.clear();
    this.#channels.set(key, number);
    return number;
  }

  unsettled(): UnsettledBatch[] {
    const rows = this.#sql(
      `SELECT batch, max(instance) AS instance, min(revision) AS judgedAt, json_group_array(DISTINCT subject) AS subjects
       FROM requests WHERE batch > (SELECT looked FROM progress) AND state = 'stored' GROUP BY batch`,
    ).all() as unknown as (Omit<UnsettledBatch, 'subjects'> & { subjects: string })[];
    return rows.map((row) => ({ ...row, subjects: JSON.parse(row.subjects) as string[] }));
  }

  settle(batch: number, proof: 'proven' | 'unproven'): void {
    this.#transaction(() => {
      if (proof === 'unproven') this.#sql("UPDATE requests SET state = 'unproven' WHERE batch = ?").run(batch);
      this.#look({ looked: batch, quarantine: [] });
    });
  }

  unprovenCount(): number {
    const row = this.#sql("SELECT count(DISTINCT batch) AS batches FROM requests WHERE state = 'unproven'").get();
    return (row as { batches: number }).batches;
  }

  read({ stream, subject, after, limit }: ReadingQuery): { items: ReadingView[]; next: string | null } {
    const rows = this.#sql(
      `SELECT * FROM readable_readings WHERE number > ?1 AND (?2 IS NULL OR stream = ?2) AND (?3 IS NULL OR subject = ?3)
       ORDER BY number LIMIT ?4`,
    ).all(Number(after ?? 0), stream ?? null, subject ?? null, limit) as unknown as ReadableRow[];
    return { items: rows.map(viewOf), next: rows.length === limit ? String(rows.at(-1)?.number) : null };
  }

  keepRefusals(refusals: VerdictView[]): void {
    this.#transaction(() => {
      const insert = this.#sql('INSERT INTO refusals (at, subject, verdict) VALUES (?, ?, ?)');
      for (const refusal of refusals) insert.run(Date.parse(refusal.at), refusal.subject, JSON.stringify(refusal));
      this.#sql('DELETE FROM refusals WHERE number <= (SELECT max(number) FROM refusals) - ?').run(refusalsMax);
    });
  }

  refusals({ after, limit, subject }: { after?: string | undefined; limit: number; subject?: string | undefined }) {
    const rows = this.#sql(
      'SELECT number, verdict FROM refusals WHERE number > ?1 AND (?2 IS NULL OR subject = ?2) ORDER BY number LIMIT ?3',
    ).all(Number(after ?? 0), subject ?? null, limit) as unknown as { number: number; verdict: string }[];
    const items = rows.map(({ verdict }) => JSON.parse(verdict) as VerdictView);
    return { items, next: rows.length === limit ? String(rows.at(-1)?.number) : null };
  }

  /** One slice; `more` says whether another is due. */
  prune(before: number): { removed: number; more: boolean } {
    return this.#transaction(() => {
      const rows = this.#sql('SELECT number FROM requests WHERE receivedAt < ? ORDER BY receivedAt LIMIT ?').all(
        before,
        prunedPerTurn,
      );
      const numbers = JSON.stringify(rows.map((row) => row.number));
      const { changes } = this.#sql('DELETE FROM readings WHERE request IN (SELECT value FROM json_each(?))').run(
        numbers,
      );
      this.#sql('DELETE FROM requests WHERE number IN (SELECT value FROM json_each(?))').run(numbers);
      this.#sql('DELETE FROM refusals WHERE at < ?').run(before);
      return { removed: Number(changes), more: rows.length === prunedPerTurn };
    });
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
      // A channel that was made in this transaction is gone with it.
      this.#channels.clear();
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}

interface Stored {
  data: string;
  deviceTime: number | null;
}

/** The same text is the same reading; another text of the same members is too. */
function sameReading(known: Stored, request: SinkRequest, index: number): boolean {
  const data = request.data[index] as string;
  if (known.deviceTime !== (request.deviceTimes[index] ?? null)) return false;
  return known.data === data || isDeepStrictEqual(JSON.parse(known.data), JSON.parse(data));
}

type ReadableRow = { [Key in keyof ReadingView]: string } & {
  number: number;
  receivedAt: number;
  deviceTime: number | null;
};

function viewOf({ number, ...row }: ReadableRow): ReadingView {
  return {
    ...(row as unknown as ReadingView),
    deviceTime: row.deviceTime === null ? null : timestamp(row.deviceTime),
    receivedAt: timestamp(row.receivedAt),
    data: JSON.parse(row.data) as Record<string, unknown>,
  };
}
