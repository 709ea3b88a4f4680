import { type Connections, raw } from '../../postgres/connections.ts';
import type { Place } from './rows.ts';

type Db = Connections['db'];

/**
 * A reading that came to two gates. The first has its key, and may be gone before anybody looked at its batch: then the second must not wait for
 * it, nor call its own a repeat of what may be quarantined. So it stores the reading too, and whichever is made readable first stays.
 */
export async function noteRivals(db: Db, { gate, batch }: Place, numbers: readonly number[]): Promise<void> {
  await db.executeQuery(
    raw(
      `INSERT INTO rivals (gate, number, batch, received_at, id, subject, stream)
       SELECT gate, number, batch, received_at, id, subject, stream FROM readings WHERE gate = $1 AND batch = $2 AND number = ANY($3)`,
      [gate, batch, numbers],
    ),
  );
}

export async function hasRivals(db: Db, gate: string): Promise<boolean> {
  const { rows } = await db.executeQuery(raw('SELECT 1 FROM rivals WHERE gate = $1 LIMIT 1', [gate]));
  return rows.length > 0;
}

/** Within the transaction that makes every batch of this gate up to `looked` readable, whose row of `gates` is locked. */
export async function settleRivals(db: Db, gate: string, looked: number): Promise<void> {
  // What the others look at now waits for this, and this for them.
  await db.executeQuery(
    raw(
      `SELECT 1 FROM gates WHERE gate IN (
         SELECT keys.gate FROM rivals JOIN keys USING (id, subject, stream) WHERE rivals.gate = $1 AND rivals.batch <= $2)
       ORDER BY gate FOR UPDATE`,
      [gate, looked],
    ),
  );
  const mine = 'rivals.gate = $1 AND rivals.batch <= $2';
  const theirs = 'USING (id, subject, stream) JOIN gates ON gates.gate = keys.gate';
  // The other's was readable first: it is acknowledged as a repeat.
  await db.executeQuery(
    raw(
      `WITH lost AS (
         DELETE FROM rivals WHERE ${mine} AND EXISTS (
           SELECT 1 FROM keys JOIN gates ON gates.gate = keys.gate
           WHERE keys.id = rivals.id AND keys.subject = rivals.subject AND keys.stream = rivals.stream AND keys.batch <= gates.looked)
         RETURNING gate, number, received_at)
       DELETE FROM readings USING lost
       WHERE readings.gate = lost.gate AND readings.number = lost.number AND readings.received_at = lost.received_at`,
      [gate, looked],
    ),
  );
  await db.executeQuery(
    raw(
      `DELETE FROM readings USING rivals JOIN keys ${theirs}
       WHERE ${mine} AND readings.gate = keys.gate AND readings.number = keys.number AND readings.received_at = keys.received_at`,
      [gate, looked],
    ),
  );
  await db.executeQuery(
    raw(
      `WITH won AS (DELETE FROM rivals WHERE ${mine} RETURNING *)
       INSERT INTO keys (id, subject, stream, received_at, gate, batch, number)
       SELECT id, subject, stream, received_at, gate, batch, number FROM won ORDER BY id, subject, stream
       ON CONFLICT (id, subject, stream)
         DO UPDATE SET received_at = excluded.received_at, gate = excluded.gate, batch = excluded.batch, number = excluded.number`,
      [gate, looked],
    ),
  );
}
