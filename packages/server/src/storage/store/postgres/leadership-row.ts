/**
 * What is stored of who leads: one row names the term (the fence, which each change locks first), one says that it goes on (its beat).
 * A take-over locks both, and names the row that it saw.
 */
import type { Kysely } from 'kysely';
import { raw } from '../../postgres/connections.ts';
import type { Writer } from '../promises.ts';
import type { Schema } from '../schema.ts';
import type { LeadershipRow, Row } from './leadership.ts';

/** Which cluster it is, and on which timeline: one that was promoted, or restored, is on another, and may lack what was committed. */
const historyNow = `(CASE WHEN pg_is_in_recovery() THEN 'recovery' ELSE
  (SELECT "system_identifier" FROM pg_control_system()) || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) END)`;

export const leadershipTables = `
  CREATE TABLE "fence" ("id" bigint PRIMARY KEY CHECK ("id" = 1), "term" text NOT NULL);
  CREATE TABLE "leadership" (
    "id" bigint PRIMARY KEY CHECK ("id" = 1), "term" text NOT NULL, "beat" bigint NOT NULL, "termMs" bigint NOT NULL,
    "holder" text NOT NULL, "free" boolean NOT NULL, "history" text NOT NULL
  );
  INSERT INTO "fence" VALUES (1, '');
  INSERT INTO "leadership" VALUES (1, '', 0, 0, '', true, ${historyNow});
`;

/** What is stored of leases is a lower bound until who grants them has said more: in the transaction that takes over. */
const leasesUnknown = `INSERT INTO "settings" VALUES ('leasesUnknown', '') ON CONFLICT DO NOTHING`;

export function leadershipRow(db: Kysely<Schema>): LeadershipRow {
  return {
    async look() {
      const { rows } = await db.executeQuery<Row>(
        raw(
          `SELECT "term", "beat", "termMs", "holder", "free", "history" AS "ledIn", ${historyNow} AS "history" FROM "leadership"`,
        ),
      );
      return rows[0] as Row;
    },
    take: ({ id, termMs, holder, isElsewhere }, seen) =>
      db.transaction().execute(async (transaction) => {
        await transaction.executeQuery(raw('SELECT 1 FROM "fence" FOR UPDATE'));
        const won = await transaction.executeQuery(
          raw(
            `UPDATE "leadership" SET "term" = $1, "beat" = 0, "termMs" = $2, "holder" = $3, "free" = false, "history" = $6
              WHERE "term" = $4 AND "beat" = $5 AND ${historyNow} = $6`,
            [id, termMs, holder, seen.term, seen.beat, seen.history],
          ),
        );
        if (won.numAffectedRows !== 1n) return false;
        if (isElsewhere) await transaction.executeQuery(raw(leasesUnknown));
        await transaction.executeQuery(raw('UPDATE "fence" SET "term" = $1', [id]));
        return true;
      }),
    async beat(term, least) {
      const { rows } = await db.executeQuery<{ beat: number }>(
        raw(
          `UPDATE "leadership" SET "beat" = "beat" + 1
            WHERE "term" = $1 AND "beat" >= $2 AND NOT "free" AND "history" = ${historyNow} RETURNING "beat"`,
          [term, least],
        ),
      );
      return rows[0]?.beat;
    },
    async free(term) {
      await db.executeQuery(raw('UPDATE "leadership" SET "free" = true WHERE "term" = $1', [term]));
    },
  };
}

/** Whoever takes over waits until the transaction that asks is over. */
export async function fencedTerm(db: Writer): Promise<string | undefined> {
  const { rows } = await db.executeQuery<{ term: string }>(raw('SELECT "term" FROM "fence" FOR SHARE'));
  return rows[0]?.term;
}
