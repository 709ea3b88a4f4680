import type { StatementSync } from 'node:sqlite';
import { type ClockState, edgeBounds, runPauseMsMax, type Side } from '@portcullis/contract';
import type { SinkNewest, SinkRequest, Untold, UntoldEdge } from './promises.ts';

/** A clock that runs ahead of the gate's by more than this is not believed: what comes next would be late for ever. */
const aheadMsMax = 60_000;
/** Some twenty megabytes. Of more senders the rows are read again. */
const sendersKnownMax = 100_000;
const edgesPrunedPerTurn = 500;
const sendersLookedAtPerTurn = 5_000;

/** How a sender stands by a rule, as its row has it. */
interface Sender extends SinkNewest {
  /** Of the rule. */
  revision: number;
  receivedAt: number;
  /** The next reading is told, whatever it says. 0 or 1. */
  fresh: number;
  batch: number;
}

/** What a commit brings is told as newest times once the commit is proven. */
interface Moved {
  batch: number;
  senders: SinkNewest[];
}

/** What the readings of one request have in common for a rule. */
interface Place {
  rule: string;
  subject: string;
  batch: number;
  instance: string;
  revision: number;
  receivedAt: number;
}

interface Reading {
  id: string;
  at: number;
  clock: ClockState;
  /** Undefined: between the two, it stays where the sender was. */
  side: Side | undefined;
}

function sideOf(letter: string): Side | undefined {
  if (letter === 'i') return 'inside';
  return letter === 'o' ? 'outside' : undefined;
}
const keyOf = (rule: string, subject: string) => `${rule} ${subject}`;

/**
 * The edges of senders that rules watch, and how each sender stands: rows of the commits that hold their readings. A crash leaves both or
 * neither; what was not told yet is told at the next start.
 */
export class WatchedSenders {
  readonly #sql: (text: string) => StatementSync;
  /** As the transaction under way leaves them. */
  readonly #known = new Map<string, Sender>();
  readonly #touched = new Set<Sender>();
  /** Of commits that are not proven, oldest first. */
  #waiting: Moved[] = [];
  readonly #newest = new Map<string, SinkNewest>();
  /** Rows of an earlier process up to this one are told or forgotten; undefined: all. */
  #recovered: number | undefined = 0;
  #pruned = 0;

  constructor(sql: (text: string) => StatementSync) {
    this.#sql = sql;
  }

  /** Within a write. `repeats`: those of its readings that were stored before. */
  note(request: SinkRequest, repeats: ReadonlySet<number>, batch: number, instance: string): void {
    const { subject, receivedAt, ids, clocks, deviceTimes } = request;
    for (const { rule, revision, sides: letters } of request.watched) {
      const place = { rule, subject, batch, instance, revision, receivedAt };
      let sender = this.#find(rule, subject);
      for (let index = 0; index < ids.length; index++) {
        const letter = letters[index];
        if (letter === '-' || letter === undefined || (repeats.size > 0 && repeats.has(index))) continue;
        const clock = clocks[index] as ClockState;
        const at = timeOf(deviceTimes[index] ?? null, clock, receivedAt);
        const side = sideOf(letter);
        if (sender && goesOn(sender, at, side, revision)) this.#move(sender, at, place);
        else sender = this.#take(sender, { id: ids[index] as string, at, clock, side }, place);
      }
    }
  }

  #move(sender: Sender, at: number, { batch, receivedAt }: Place): void {
    sender.newest = at;
    sender.receivedAt = receivedAt;
    // A batch comes once: whoever is in it is touched already.
    if (sender.batch === batch) return;
    sender.batch = batch;
    this.#touched.add(sender);
  }

  /** A reading that is told, or of which it is not plain that it is none. */
  #take(sender: Sender | undefined, reading: Reading, place: Place): Sender | undefined {
    const { at } = reading;
    const { rule, subject, revision, receivedAt, batch } = place;
    if (sender && at < sender.newest) {
      const side = reading.side ?? this.#sideAt(rule, subject, at);
      this.#insert(place, { ...reading, side, after: sender.newest, late: 1 });
      return sender;
    }
    const side = reading.side ?? sender?.side ?? this.#sideAt(rule, subject, at);
    this.#insert(place, { ...reading, side, after: sender?.newest ?? null, late: 0 });
    const next = { rule, subject, side, newest: at, revision, receivedAt, fresh: 0, batch };
    const moved = sender ? Object.assign(sender, next) : next;
    this.#known.set(keyOf(rule, subject), moved);
    this.#touched.add(moved);
    return moved;
  }

  #find(rule: string, subject: string): Sender | undefined {
    const known = this.#known.get(keyOf(rule, subject));
    if (known) return known;
    const row = this.#sql(
      'SELECT rule, subject, side, newest, revision, receivedAt, fresh, batch FROM senders WHERE subject = ? AND rule = ?',
    ).get(subject, rule) as unknown as Sender | undefined;
    if (!row) return undefined;
    const sender = { ...row };
    this.#known.set(keyOf(rule, subject), sender);
    return sender;
  }

  /** Where its edges say that it was. Of whom nothing is known, what is not outside is inside. */
  #sideAt(rule: string, subject: string, at: number): Side {
    const row = this.#sql(
      'SELECT side FROM edges WHERE subject = ? AND rule = ? AND at <= ? ORDER BY at DESC, number DESC LIMIT 1',
    ).get(subject, rule, at) as { side: Side } | undefined;
    return row?.side ?? 'inside';
  }

  #insert(
    { rule, subject, batch, instance, revision, receivedAt }: Place,
    { id, at, clock, side, after, late }: Reading & { side: Side; after: number | null; late: 0 | 1 },
  ): void {
    this.#sql(
      `INSERT INTO edges (batch, instance, rule, revision, subject, side, reading, at, receivedAt, clock, after, late)
       VALUES (?,?,?,?,?,?,?,?,?,?,?,?)`,
    ).run(batch, instance, rule, revision, subject, side, id, at, receivedAt, clock, after, late);
  }

  /** The last thing in a transaction: one row for each sender that it moved. */
  flush(): void {
    const upsert = this.#sql(
      `INSERT INTO senders (rule, subject, side, newest, revision, receivedAt, fresh, batch) VALUES (?,?,?,?,?,?,?,?)
       ON CONFLICT (subject, rule) DO UPDATE SET side = excluded.side, newest = excluded.newest, revision = excluded.revision,
         receivedAt = excluded.receivedAt, fresh = excluded.fresh, batch = excluded.batch`,
    );
    for (const { rule, subject, side, newest, revision, receivedAt, fresh, batch } of this.#touched)
      upsert.run(rule, subject, side, newest, revision, receivedAt, fresh, batch);
  }

  committed(batch: number): void {
    const senders = [...this.#touched].map(({ rule, subject, side, newest }) => ({ rule, subject, side, newest }));
    if (senders.length > 0) this.#waiting.push({ batch, senders });
    this.#touched.clear();
    if (this.#known.size > sendersKnownMax) this.#known.clear();
  }

  rolledBack(): void {
    this.#touched.clear();
    this.#known.clear();
  }

  /** Nothing of it counts: where its senders stood before is not known any more, and their next readings say. */
  quarantined(batch: number): void {
    this.#sql('DELETE FROM edges WHERE taken = 0 AND batch = ?').run(batch);
    this.#sql('DELETE FROM senders WHERE batch = ?').run(batch);
    this.#forget(batch);
  }

  /** What was found in it is told as such, and once more of the next readings. */
  unproven(batch: number): void {
    this.#sql('UPDATE edges SET unproven = 1 WHERE taken = 0 AND batch = ?').run(batch);
    this.#sql('UPDATE senders SET fresh = 1 WHERE subject IN (SELECT subject FROM requests WHERE batch = ?)').run(
      batch,
    );
    this.#forget(batch);
  }

  #forget(batch: number): void {
    this.#known.clear();
    this.#waiting = this.#waiting.filter((moved) => moved.batch !== batch);
  }

  /** Every batch up to this one is proven, or was named before. */
  proven(upTo: number): void {
    while (this.#waiting[0] && this.#waiting[0].batch <= upTo) {
      for (const sender of this.#waiting.shift()?.senders ?? [])
        this.#newest.set(keyOf(sender.rule, sender.subject), sender);
    }
  }

  untold({ newest: withNewest }: { newest: boolean }): Untold {
    const edges = this.#sql(
      `SELECT number, instance, rule, revision, subject, side, reading, at, receivedAt, clock, after, late, unproven FROM edges
       WHERE taken = 0 AND batch <= (SELECT proven FROM progress) ORDER BY number LIMIT ?`,
    ).all(edgeBounds.edgesMax) as unknown as UntoldEdge[];
    if (!withNewest || edges.length === edgeBounds.edgesMax) return { edges, newest: [] };
    this.#recover();
    return { edges, newest: Array.from(first(this.#newest.values(), edgeBounds.newestMax)) };
  }

  /** What an earlier process may not have told. */
  #recover(): void {
    if (this.#recovered === undefined || this.#newest.size >= edgeBounds.newestMax) return;
    const rows = this.#sql(
      `SELECT number, rule, subject, side, newest FROM senders
       WHERE number > ? AND batch <= (SELECT proven FROM progress) ORDER BY number LIMIT ?`,
    ).all(this.#recovered, edgeBounds.newestMax) as unknown as (SinkNewest & { number: number })[];
    for (const { number: _, ...sender } of rows) {
      const key = keyOf(sender.rule, sender.subject);
      if (!this.#newest.has(key)) this.#newest.set(key, sender);
    }
    this.#recovered = rows.at(-1)?.number;
  }

  /** Within a transaction: the edges with these numbers are taken, and these newest times were told. */
  told({ edges, newest }: { edges: number[]; newest: SinkNewest[] }): void {
    const take = this.#sql('UPDATE edges SET taken = 1 WHERE number = ?');
    for (const number of edges) take.run(number);
    for (const { rule, subject, newest: at } of newest) {
      const key = keyOf(rule, subject);
      if (this.#newest.get(key)?.newest === at) this.#newest.delete(key);
    }
  }

  /** One turn; true when another is due. Senders that were not heard for so long are looked for a little at a time, round and round. */
  prune(before: number): boolean {
    const { changes } = this.#sql(
      'DELETE FROM edges WHERE number IN (SELECT number FROM edges WHERE receivedAt < ? ORDER BY receivedAt LIMIT ?)',
    ).run(before, edgesPrunedPerTurn);
    const { last } = this.#sql('SELECT coalesce(max(number), 0) AS last FROM senders').get() as { last: number };
    const to = this.#pruned + sendersLookedAtPerTurn;
    this.#sql('DELETE FROM senders WHERE number > ? AND number <= ? AND receivedAt < ?').run(this.#pruned, to, before);
    this.#pruned = to < last ? to : 0;
    this.#known.clear();
    return changes === edgesPrunedPerTurn;
  }
}

/** Nothing is told of a reading that only makes the run of its sender longer. */
function goesOn(sender: Sender, at: number, side: Side | undefined, revision: number): boolean {
  const pause = at - sender.newest;
  const sameSide = side === undefined || side === sender.side;
  return sameSide && pause >= 0 && pause <= runPauseMsMax && sender.fresh === 0 && sender.revision === revision;
}

function* first<Value>(values: Iterable<Value>, many: number): Generator<Value> {
  for (const value of values) {
    if (many-- <= 0) return;
    yield value;
  }
}

/** The device's own where it says that its clock is right, and that can be. */
function timeOf(deviceTime: number | null, clock: ClockState, receivedAt: number): number {
  if (deviceTime === null || clock !== 'synchronized' || deviceTime > receivedAt + aheadMsMax) return receivedAt;
  return deviceTime;
}
