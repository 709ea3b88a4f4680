import { PortcullisError } from '@portcullis/contract';
import { type Connections, raw } from '../../postgres/connections.ts';
import type { Looked, SinkRequest, SinkWrite, UnsettledBatch } from '../promises.ts';
import { claimsOf, keyOf, type Sorted, sortOut } from './repeats.ts';
import { noteRivals, settleRivals } from './rivals.ts';
import {
  claimKeys,
  correctKeys,
  dropOrphans,
  holdersOf,
  insertReadings,
  type Place,
  receivedIn,
  removeBatch,
} from './rows.ts';

type Db = Connections['db'];

/** Which process writes under a gate's name. */
export interface Writer {
  gate: string;
  holder: string;
}

export interface GateRow {
  looked: number;
  proven: number;
  lastBatch: number;
  lastNumber: number;
}

/** What another gate did meanwhile makes this transaction's own questions void: it is run again. */
export class Again extends Error {}

/** From then on no other process writes under the gate's name: the first statement of each of its transactions names the holder. */
export async function takeGate(db: Db, { gate, holder }: Writer): Promise<GateRow> {
  const { rows } = await db.executeQuery<GateRow>(
    raw(
      `INSERT INTO gates (gate, holder) VALUES ($1, $2) ON CONFLICT (gate) DO UPDATE SET holder = excluded.holder
       RETURNING looked, proven, greatest(last_batch, looked) AS "lastBatch", last_number AS "lastNumber"`,
      [gate, holder],
    ),
  );
  return rows[0] as GateRow;
}

interface Step extends Looked {
  /** A write, whose number no transaction that comes late may have. */
  batch?: number;
  lastNumber?: number;
}

/** Locks the gate's row, and is the first statement of each transaction. */
async function hold(db: Db, { gate, holder }: Writer, { looked, proven, batch, lastNumber }: Step): Promise<void> {
  const { rows } = await db.executeQuery(
    raw(
      `UPDATE gates SET looked = greatest(looked, $3), proven = greatest(proven, $4), last_batch = greatest(last_batch, $3, $5),
         last_number = greatest(last_number, $6)
       WHERE gate = $1 AND holder = $2 AND ($5::bigint IS NULL OR greatest(last_batch, looked) < $5) RETURNING gate`,
      [gate, holder, looked, proven, batch ?? null, lastNumber ?? 0],
    ),
  );
  if (rows.length === 0)
    throw new PortcullisError('store_locked', `another process writes to the sink as "${gate}", or has written since`);
}

/** `rivals`: there are some of this gate. */
export async function look(db: Db, writer: Writer, step: Step, rivals: boolean): Promise<void> {
  const { gate } = writer;
  const { looked, quarantine, proven, unproven } = step;
  await hold(db, writer, step);
  for (const batch of quarantine) await removeBatch(db, { gate, batch });
  if (unproven.length > 0)
    await db.executeQuery(
      raw(`UPDATE batches SET state = 'unproven' WHERE gate = $1 AND batch = ANY($2)`, [gate, unproven]),
    );
  if (rivals) await settleRivals(db, gate, looked);
  await db.executeQuery(
    raw(`DELETE FROM batches WHERE gate = $1 AND batch <= $2 AND state = 'stored'`, [gate, proven]),
  );
}

export interface Stored extends Sorted {
  /** What is to be noted of them on the gate's own disk. */
  account: SinkRequest[];
}

interface Asked {
  base: number;
  rivals: boolean;
  /** Requests and what is stored of them → what the gate's own account takes. */
  accountOf(requests: readonly SinkRequest[], stored: readonly number[][]): SinkRequest[];
}

export async function write(db: Db, writer: Writer, write: SinkWrite, asked: Asked): Promise<Stored> {
  const { requests, batch, instance, head } = write;
  const { base } = asked;
  const place = { gate: writer.gate, batch };
  const count = requests.reduce((total, { ids }) => total + ids.length, 0);
  await look(db, writer, { ...write, lastNumber: base + count }, asked.rivals);
  const sorted = await sort(db, requests, base, place);
  const account = asked.accountOf(requests, sorted.stored);
  await insertReadings(db, requests, sorted.stored, { ...place, instance, base });
  await noteBatch(db, requests, sorted.stored, { ...place, instance, head, base, count, account });
  if (sorted.rivals.size > 0) await noteRivals(db, place, [...sorted.rivals]);
  return { ...sorted, account };
}

async function sort(db: Db, requests: readonly SinkRequest[], base: number, place: Place): Promise<Sorted> {
  const claims = claimsOf(requests, base);
  const claimed = await claimKeys(db, requests, claims, place);
  const others = [...claims].flatMap(([key, claim]) => (claimed.has(key) ? [] : [claim]));
  const holders = await holdersOf(db, requests, others, place.gate);
  const missing = [...claims].filter(([key]) => !claimed.has(key) && !holders.has(key));
  if (missing.length > 0) {
    await dropOrphans(
      db,
      requests,
      missing.map(([, claim]) => claim),
    );
    const free = await claimKeys(db, requests, new Map(missing), place);
    if (free.size < missing.length) throw new Again('a key was given back meanwhile, and taken again');
    for (const key of free) claimed.add(key);
  }
  const sorted = sortOut(requests, base, (key) => holders.get(key));
  const received = new Map<string, number>();
  for (const [index, request] of requests.entries())
    for (const at of sorted.stored[index] ?? [])
      received.set(keyOf(request, request.ids[at] as string), receivedIn(request));
  const wrong = [...claimed].flatMap((key) => {
    const [number, taken] = [claims.get(key)?.number as number, sorted.taken.get(key)];
    return taken === number ? [] : [{ number, taken, received: received.get(key) ?? 0 }];
  });
  await correctKeys(db, place, wrong);
  return sorted;
}

interface Noted extends Place {
  instance: string;
  head: SinkWrite['head'];
  base: number;
  count: number;
  account: SinkRequest[];
}

async function noteBatch(
  db: Db,
  requests: readonly SinkRequest[],
  stored: readonly number[][],
  { gate, batch, instance, head, base, count, account }: Noted,
): Promise<void> {
  const kept = requests.filter((_, index) => (stored[index] ?? []).length > 0);
  if (kept.length === 0) return;
  const times = kept.map(receivedIn);
  const judgedAt = kept.reduce((least, { revision }) => Math.min(least, revision), Number.MAX_SAFE_INTEGER);
  const subjects = [...new Set(kept.map(({ subject }) => subject))];
  const least = times.reduce((one, other) => Math.min(one, other));
  const most = times.reduce((one, other) => Math.max(one, other));
  await db.executeQuery(
    raw(
      `INSERT INTO batches (gate, batch, instance, judged_at, subjects, account, first_number, last_number, first_at, last_at,
         head_revision, head_hash)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, to_timestamp($9::bigint / 1000.0), to_timestamp($10::bigint / 1000.0), $11, $12)`,
      [
        ...[gate, batch, instance, judgedAt, JSON.stringify(subjects), JSON.stringify(account), base + 1, base + count],
        ...[least, most, head?.revision ?? null, head?.hash ?? null],
      ],
    ),
  );
}

interface BatchRow {
  batch: number;
  instance: string;
  judgedAt: number;
  revision: number | null;
  hash: string | null;
  subjects: string;
}

/** Oldest first. */
export async function unsettledOf(db: Db, gate: string): Promise<UnsettledBatch[]> {
  const { rows } = await db.executeQuery<BatchRow>(
    raw(
      `SELECT batches.batch, batches.instance, judged_at AS "judgedAt", head_revision AS revision, head_hash AS hash, subjects
       FROM batches JOIN gates USING (gate)
       WHERE gate = $1 AND batch > proven AND state = 'stored' ORDER BY batch`,
      [gate],
    ),
  );
  return rows.map(({ revision, hash, subjects, ...row }) => ({
    ...row,
    ...(revision !== null && hash !== null && { head: { revision, hash } }),
    subjects: JSON.parse(subjects) as string[],
  }));
}

export async function unprovenOf(db: Db, gate: string): Promise<number[]> {
  const { rows } = await db.executeQuery<{ batch: number }>(
    raw(`SELECT batch FROM batches WHERE gate = $1 AND state = 'unproven' ORDER BY batch`, [gate]),
  );
  return rows.map(({ batch }) => batch);
}

/** Batches after this one, as the gate's account takes them. */
export async function accountsAfter(db: Db, gate: string, batch: number) {
  const { rows } = await db.executeQuery<{ batch: number; instance: string; account: string }>(
    raw('SELECT batch, instance, account FROM batches WHERE gate = $1 AND batch > $2 ORDER BY batch', [gate, batch]),
  );
  return rows.map((row) => ({ ...row, account: JSON.parse(row.account) as SinkRequest[] }));
}
