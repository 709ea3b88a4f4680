import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import type { StatementSync } from 'node:sqlite';
import type { KeptRefused, RefusedReading, RefusedReadingPage, RefusedReadingQuery } from './promises.ts';

/** Whoever sends what is refused pushes out his own, long before anybody else's. */
const ofOneMax = 1_000;
const ofOneBytesMax = 16 * 1_048_576;
const ofAllMax = 100_000;
const ofAllBytesMax = 256 * 1_048_576;
/** What a row takes beside its payload. */
const rowBytes = 512;
/** A page ends with the row in which it becomes so long. */
const pageBytesMax = 4 * 1_048_576;
const prunedPerTurn = 500;

interface Size {
  rows: number;
  bytes: number;
}

type Row = Omit<KeptRefused, 'payload' | 'encoding'> & { number: number; payload: Uint8Array };

/** Messages that were acknowledged and not stored as readings: bounded, the oldest go first. */
export class RefusedReadings {
  readonly #sql: (text: string) => StatementSync;
  /** Of all of them, once it was looked up; what is rolled back is looked up again. */
  #all: Size | undefined;

  constructor(sql: (text: string) => StatementSync) {
    this.#sql = sql;
  }

  rolledBack(): void {
    this.#all = undefined;
  }

  /** Within a transaction. A repeat is there already. */
  keep(refused: readonly RefusedReading[]): void {
    for (const one of refused) this.#insert(one);
    for (const subject of new Set(refused.map((one) => one.subject))) this.#boundOne(subject);
    this.#boundAll();
  }

  #insert({ at, subject, certificate, topic, stream, id, reason, told, contentType, payload }: RefusedReading): void {
    const { rows, bytes } = this.#size();
    const taken = payload.length + rowBytes;
    const { changes } = this.#sql(
      `INSERT INTO refusedReadings (at, subject, certificate, topic, stream, id, reason, told, contentType, digest, bytes, payload)
       VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING`,
    ).run(
      ...([at, subject, certificate, topic, stream, id, reason, told, contentType] as const),
      hash('sha256', payload, 'buffer'),
      taken,
      payload,
    );
    if (changes === 1) this.#all = { rows: rows + 1, bytes: bytes + taken };
  }

  #size(): Size {
    this.#all ??= this.#sql(
      'SELECT count(*) AS rows, coalesce(sum(bytes), 0) AS bytes FROM refusedReadings',
    ).get() as unknown as Size;
    return this.#all;
  }

  #boundOne(subject: string): void {
    const size = this.#sql(
      'SELECT count(*) AS rows, coalesce(sum(bytes), 0) AS bytes FROM refusedReadings WHERE subject = ?',
    ).get(subject) as unknown as Size;
    const oldest = () =>
      this.#sql('SELECT number, bytes FROM refusedReadings WHERE subject = ? ORDER BY number LIMIT 1').get(subject);
    this.#bound(size, { rows: ofOneMax, bytes: ofOneBytesMax }, oldest);
  }

  #boundAll(): void {
    const oldest = () => this.#sql('SELECT number, bytes FROM refusedReadings ORDER BY number LIMIT 1').get();
    this.#bound({ ...this.#size() }, { rows: ofAllMax, bytes: ofAllBytesMax }, oldest);
  }

  #bound(size: Size, most: Size, oldest: () => unknown): void {
    while (size.rows > most.rows || size.bytes > most.bytes) {
      const { number, bytes } = oldest() as { number: number; bytes: number };
      this.#sql('DELETE FROM refusedReadings WHERE number = ?').run(number);
      [size.rows, size.bytes] = [size.rows - 1, size.bytes - bytes];
      const all = this.#size();
      this.#all = { rows: all.rows - 1, bytes: all.bytes - bytes };
    }
  }

  page({ subject, stream, after, limit }: RefusedReadingQuery): RefusedReadingPage {
    const items: KeptRefused[] = [];
    let [last, bytes] = [Number(after ?? 0), 0];
    const next = this.#sql(
      `SELECT number, at, subject, certificate, topic, stream, id, reason, told, contentType, payload FROM refusedReadings
       WHERE number > ? AND (? IS NULL OR subject = ?) AND (? IS NULL OR stream = ?) ORDER BY number LIMIT 1`,
    );
    while (items.length < limit && bytes < pageBytesMax) {
      const [of, on] = [subject ?? null, stream ?? null];
      const row = next.get(last, of, of, on, on) as unknown as Row | undefined;
      if (!row) return { items, next: null };
      const { number, payload, ...rest } = row;
      [last, bytes] = [number, bytes + payload.length + rowBytes];
      const encoding = isUtf8(payload) ? 'utf8' : 'base64';
      items.push({ ...rest, encoding, payload: Buffer.from(payload).toString(encoding), bytes: payload.length });
    }
    return { items, next: String(last) };
  }

  /** One turn, within a transaction; true: another is due. */
  prune(before: number): boolean {
    const { changes } = this.#sql(
      'DELETE FROM refusedReadings WHERE number IN (SELECT number FROM refusedReadings ORDER BY number LIMIT ?) AND at < ?',
    ).run(prunedPerTurn, before);
    if (changes > 0) this.#all = undefined;
    return changes === prunedPerTurn;
  }
}
