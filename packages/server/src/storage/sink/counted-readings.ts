import type { StatementSync } from 'node:sqlite';
import type { CountedRun, MissingQuery, MissingRange, OldMissing, Page, SinkRequest } from './promises.ts';

/** Some thirty megabytes. Of more runs the rows are read again. */
const runsKnownMax = 100_000;
/** Of one sender and stream; whoever begins to count anew more often loses the account of the run that was heard the longest ago. */
const runsOfOneMax = 16;
/** Of one run; of more the oldest is forgotten, and it is told how many numbers that were. */
const rangesOfOneMax = 64;
const prunedPerTurn = 500;

type Range = [first: number, last: number];

/** What one request counts. */
interface Counted {
  channel: number;
  run: string;
  receivedAt: number;
  ranges: Range[];
}

interface Run {
  number: number;
  lowest: number;
  highest: number;
}

interface RunKey {
  number: number;
  channel: number;
  run: string;
}

const keyOf = (channel: number, run: string) => `${channel} ${run}`;

/**
 * Which numbers of a sender's own counting are here, and which before the highest are not: told of rows that are readable alone, so they are
 * counted in the transaction that makes their batch so. A crash leaves both or neither.
 */
export class CountedReadings {
  readonly #sql: (text: string) => StatementSync;
  readonly #known = new Map<string, Run>();
  /** Of the write under way, and of those that are not readable yet, by batch. */
  #noted: Counted[] = [];
  readonly #waiting = new Map<number, Counted[]>();
  /** Batches that the transaction under way counts or drops. */
  #ended: number[] = [];
  /** Batches of an earlier process up to `last` are read from their rows, and were up to `counted`. */
  #earlier: { counted: number; last: number } | undefined;

  constructor(sql: (text: string) => StatementSync) {
    this.#sql = sql;
  }

  /** Within a write. `repeats`: those of its readings that were stored before. */
  note({ sequences, runs, receivedAt }: SinkRequest, repeats: ReadonlySet<number>, channel: number): void {
    let counted: Counted | undefined;
    for (let index = 0; index < sequences.length; index++) {
      const [number, run] = [sequences[index], runs[index]];
      if (number === null || number === undefined || typeof run !== 'string' || repeats.has(index)) continue;
      if (counted?.run !== run) {
        counted = { channel, run, receivedAt, ranges: [] };
        this.#noted.push(counted);
      }
      const last = counted.ranges.at(-1);
      if (last && last[1] + 1 === number) last[1] = number;
      else counted.ranges.push([number, number]);
    }
  }

  /** Within a transaction: none of its rows will be readable. */
  quarantined(batch: number): void {
    this.#waiting.delete(batch);
  }

  /** Within a transaction that makes every batch up to this one readable. */
  readable(looked: number): void {
    const counted = [...this.#earlierOnes(looked)];
    for (const [batch, noted] of this.#waiting) {
      if (batch > looked) continue;
      this.#ended.push(batch);
      counted.push(...noted);
    }
    for (const one of counted) this.#count(one);
  }

  /** `batch`: what was written, where something was. */
  committed(batch?: number): void {
    for (const ended of this.#ended.splice(0)) this.#waiting.delete(ended);
    if (batch !== undefined && this.#noted.length > 0) this.#waiting.set(batch, this.#noted);
    this.#noted = [];
  }

  rolledBack(): void {
    [this.#noted, this.#ended, this.#earlier] = [[], [], undefined];
    this.#known.clear();
  }

  *#earlierOnes(looked: number): Generator<Counted> {
    this.#earlier ??= this.#sql(
      'SELECT counted, (SELECT coalesce(max(batch), 0) FROM requests) AS last FROM progress',
    ).get() as unknown as { counted: number; last: number };
    const { counted, last } = this.#earlier;
    const until = Math.min(looked, last);
    if (counted >= until) return;
    const rows = this.#sql(
      `SELECT readings.channel, readings.run, readings.sequence, requests.receivedAt, requests.batch
       FROM requests JOIN readings ON readings.request = requests.number
       WHERE requests.batch > ? AND requests.batch <= ? AND requests.state <> 'quarantined' AND readings.sequence IS NOT NULL
       ORDER BY readings.number`,
    ).iterate(counted, until) as unknown as Iterable<Omit<Counted, 'ranges'> & { sequence: number; batch: number }>;
    for (const { sequence, batch, ...row } of rows) {
      if (!this.#waiting.has(batch)) yield { ...row, ranges: [[sequence, sequence]] };
    }
    this.#earlier = { counted: until, last };
  }

  #count({ channel, run: name, receivedAt, ranges }: Counted): void {
    const run = this.#find(channel, name) ?? this.#begin(channel, name, receivedAt, ranges[0] as Range);
    for (const [first, last] of ranges) {
      if (first > run.highest + 1) this.#miss(run, [run.highest + 1, first - 1], receivedAt);
      else if (last < run.lowest - 1) this.#miss(run, [last + 1, run.lowest - 1], receivedAt);
      if (first <= run.highest && last >= run.lowest) this.#fill(run, [first, last]);
      run.highest = Math.max(run.highest, last);
      run.lowest = Math.min(run.lowest, first);
    }
    this.#sql('UPDATE runs SET lowest = ?, highest = ?, receivedAt = max(receivedAt, ?) WHERE number = ?').run(
      ...[run.lowest, run.highest, receivedAt, run.number],
    );
  }

  #find(channel: number, name: string): Run | undefined {
    const key = keyOf(channel, name);
    const known = this.#known.get(key);
    if (known) return known;
    const row = this.#sql('SELECT number, lowest, highest FROM runs WHERE channel = ? AND run = ?').get(channel, name);
    return row && this.#keep(key, row as unknown as Run);
  }

  #keep(key: string, run: Run): Run {
    if (this.#known.size >= runsKnownMax) this.#known.clear();
    this.#known.set(key, run);
    return run;
  }

  /** What was before the first number of it that came is not known to be missing: it may be elsewhere, or be gone. */
  #begin(channel: number, name: string, receivedAt: number, [first]: Range): Run {
    const { lastInsertRowid } = this.#sql(
      'INSERT INTO runs (channel, run, lowest, highest, receivedAt) VALUES (?,?,?,?,?)',
    ).run(channel, name, first, first, receivedAt);
    const begun = Number(lastInsertRowid);
    // The clock may have been set back: the one that begins is never the one that goes.
    const surplus = this.#sql(
      `SELECT number, channel, run FROM runs WHERE channel = ? AND number <> ?
       ORDER BY receivedAt DESC, number DESC LIMIT -1 OFFSET ?`,
    ).all(channel, begun, runsOfOneMax - 1) as unknown as RunKey[];
    for (const run of surplus) this.#remove(run);
    return this.#keep(keyOf(channel, name), { number: begun, lowest: first, highest: first });
  }

  #remove({ number, channel, run }: RunKey): void {
    this.#sql('DELETE FROM missing WHERE run = ?').run(number);
    this.#sql('DELETE FROM runs WHERE number = ?').run(number);
    this.#known.delete(keyOf(channel, run));
  }

  #miss({ number }: Run, [first, last]: Range, since: number): void {
    this.#sql('INSERT INTO missing (run, first, last, since) VALUES (?,?,?,?)').run(number, first, last, since);
    const surplus = this.#sql(
      'SELECT first, last FROM missing WHERE run = ? ORDER BY since DESC, first DESC LIMIT -1 OFFSET ?',
    ).all(number, rangesOfOneMax) as unknown as { first: number; last: number }[];
    for (const range of surplus) {
      this.#sql('DELETE FROM missing WHERE run = ? AND first = ?').run(number, range.first);
      this.#sql('UPDATE runs SET forgotten = forgotten + ? WHERE number = ?').run(range.last - range.first + 1, number);
    }
  }

  /** Late ones have come: of each range that they touch what is left on either side is still missing. */
  #fill({ number }: Run, [first, last]: Range): void {
    const touched = this.#sql('SELECT first, last, since FROM missing WHERE run = ? AND first <= ? AND last >= ?').all(
      ...[number, last, first],
    ) as unknown as (MissingRange & { since: number })[];
    for (const range of touched) {
      this.#sql('DELETE FROM missing WHERE run = ? AND first = ?').run(number, range.first);
      if (range.first < first) this.#miss({ number } as Run, [range.first, first - 1], range.since);
      if (range.last > last) this.#miss({ number } as Run, [last + 1, range.last], range.since);
    }
  }

  page({ subject, stream, after, limit, all }: MissingQuery): Page<CountedRun> {
    const [of, on] = [subject ?? null, stream ?? null];
    const rows = this.#sql(
      `SELECT runs.number, subject, stream, run, lowest, highest, receivedAt, forgotten
       FROM runs JOIN channels ON channels.number = runs.channel
       WHERE runs.number > ? AND (? OR forgotten > 0 OR runs.number IN (SELECT run FROM missing))
         AND (? IS NULL OR subject = ?) AND (? IS NULL OR stream = ?) ORDER BY runs.number LIMIT ?`,
    ).all(Number(after ?? 0), all ? 1 : 0, of, of, on, on, limit) as unknown as (Omit<CountedRun, 'missing'> & {
      number: number;
    })[];
    const ranges = this.#sql('SELECT first, last, since FROM missing WHERE run = ? ORDER BY first');
    const items = rows.map(({ number, ...row }) => ({
      ...row,
      missing: (ranges.all(number) as unknown as MissingRange[]).map((range) => ({ ...range })),
    }));
    return { items, next: rows.length === limit ? String(rows.at(-1)?.number) : null };
  }

  /** Of whom readings have been missing for longest, if since before. A sender chooses its numbers: what no number of JavaScript holds is told as the largest. */
  oldest(before: number, limit: number): OldMissing[] {
    return this.#sql(
      `SELECT subject, CAST(min(total(last - first + 1), ${Number.MAX_SAFE_INTEGER}) AS INTEGER) AS readings, min(since) AS since
       FROM missing JOIN runs ON runs.number = missing.run JOIN channels ON channels.number = runs.channel
       WHERE since < ? GROUP BY subject ORDER BY min(since) LIMIT ?`,
    ).all(before, limit) as unknown as OldMissing[];
  }

  /** One turn, within a transaction; true: another is due. */
  prune(before: number): boolean {
    const { changes } = this.#sql(
      'DELETE FROM missing WHERE number IN (SELECT number FROM missing WHERE since < ? ORDER BY since LIMIT ?)',
    ).run(before, prunedPerTurn);
    const silent = this.#sql(
      'SELECT number, channel, run FROM runs WHERE receivedAt < ? ORDER BY receivedAt LIMIT ?',
    ).all(before, prunedPerTurn) as unknown as RunKey[];
    for (const run of silent) this.#remove(run);
    return Number(changes) === prunedPerTurn || silent.length === prunedPerTurn;
  }
}
