import type { StatementSync } from 'node:sqlite';
import type { JudgedBy, UnsettledBatch } from './promises.ts';

/** Which point of the fleet's history each batch was written by: a row where it is another one than the batch before it had. */
export class WrittenHeads {
  readonly #sql: (text: string) => StatementSync;
  /** The last one that is on disk; undefined: to be written whatever it is. */
  #last: string | undefined;
  #noted: string | undefined;

  constructor(sql: (text: string) => StatementSync) {
    this.#sql = sql;
  }

  /** In the batch's own transaction. */
  note(batch: number, head: JudgedBy | undefined): void {
    this.#noted = head ? `${head.revision} ${head.hash}` : '';
    if (this.#noted === this.#last) return;
    // A transaction that is rolled back leaves nothing of it.
    this.#last = undefined;
    this.#sql('INSERT OR REPLACE INTO heads VALUES (?, ?, ?)').run(batch, head?.revision ?? null, head?.hash ?? null);
    this.#sql(
      `DELETE FROM heads WHERE batch < (SELECT max(heads.batch) FROM heads JOIN progress ON heads.batch <= progress.proven + 1)`,
    ).run();
  }

  committed(): void {
    this.#last = this.#noted;
  }

  of(batch: number): Pick<UnsettledBatch, 'head'> {
    const find = this.#sql('SELECT revision, hash FROM heads WHERE batch <= ? ORDER BY batch DESC LIMIT 1');
    const row = find.get(batch) as { revision: number | null; hash: string | null } | undefined;
    return row && row.revision !== null && row.hash !== null
      ? { head: { revision: row.revision, hash: row.hash } }
      : {};
  }
}
