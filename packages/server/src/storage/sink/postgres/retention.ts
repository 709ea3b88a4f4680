import type { Address } from '../../postgres/address.ts';
import { type Connections, raw } from '../../postgres/connections.ts';
import { sqlStateOf } from '../../postgres/failures.ts';
import { dropPartitions, partitionsIn } from './tables.ts';

type Db = Connections['db'];

const keysPerTurn = 5_000;
const isThere = '(received_at >= pruned_before OR number > pruned_number)';
const instant = 'to_timestamp($2::bigint / 1000.0)';

/** Day by day: one statement for all of them would take longer than a statement may. */
export async function ageOf(db: Db, gate: string, before: number): Promise<{ older: number; present: number }> {
  const counts = { older: 0, present: 0 };
  for (const day of await partitionsIn(db)) {
    const { older, present } = await ageIn(db, day, gate, before).catch((error: unknown) => {
      if (sqlStateOf(error) === droppedMeanwhile) return { older: 0, present: 0 };
      throw error;
    });
    counts.older += older;
    counts.present += present;
  }
  return counts;
}

const droppedMeanwhile = '42P01';

async function ageIn(db: Db, partition: string, gate: string, before: number) {
  const { rows } = await db.executeQuery<{ older: number; present: number }>(
    raw(
      `SELECT count(*) FILTER (WHERE received_at < ${instant}) AS older, count(*) AS present
       FROM "${partition}" JOIN gates USING (gate) WHERE gate = $1 AND ${isThere}`,
      [gate, before],
    ),
  );
  return rows[0] as { older: number; present: number };
}

/**
 * What a gate received before is not there any more, at once. Its keys are given back in turns, and a day goes when every gate has pruned it.
 * A crash between leaves rows that nobody reads, until the next time.
 */
export async function pruneGate(db: Db, address: Address, gate: string, before: number): Promise<number> {
  const { older: removed } = await ageOf(db, gate, before);
  await db.transaction().execute(async (transaction) => {
    await transaction.executeQuery(
      raw(
        `UPDATE gates SET pruned_before = greatest(pruned_before, ${instant}), pruned_number = last_number WHERE gate = $1`,
        [gate, before],
      ),
    );
    await transaction.executeQuery(
      raw(`DELETE FROM batches WHERE gate = $1 AND state = 'unproven' AND last_at < ${instant}`, [gate, before]),
    );
  });
  await giveBackKeys(db, gate, before);
  await dropPartitions(db, address);
  return removed;
}

async function giveBackKeys(db: Db, gate: string, before: number): Promise<void> {
  for (;;) {
    const { numAffectedRows } = await db.executeQuery(
      raw(
        `DELETE FROM keys WHERE ctid = ANY (ARRAY(
           SELECT ctid FROM keys WHERE gate = $1 AND received_at < ${instant} LIMIT ${keysPerTurn}))`,
        [gate, before],
      ),
    );
    if (Number(numAffectedRows ?? 0) < keysPerTurn) return;
  }
}
