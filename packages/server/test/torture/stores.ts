/** What the gates' own files say, read beside the processes that write them. */
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Row } from './history.ts';

interface Named {
  name: string;
  directory: string;
}

/** Connections that read alone; the write-ahead log is shared with the gate. */
export class Stores {
  readonly #databases = new Map<string, { database: DatabaseSync; looked: StatementSync }>();

  constructor(gates: readonly Named[]) {
    for (const { name, directory } of gates) {
      const database = new DatabaseSync(join(directory, 'gate/readings.db'), { readOnly: true, timeout: 5_000 });
      this.#databases.set(name, { database, looked: database.prepare('SELECT looked FROM progress') });
    }
  }

  /** By gate: the last batch that is readable now. */
  looked(): Record<string, number> {
    const now: Record<string, number> = {};
    for (const [name, { looked }] of this.#databases) now[name] = (looked.get() as { looked: number }).looked;
    return now;
  }

  /** Every row, readable or not; readable is what the view shows. */
  rows(): Row[] {
    return [...this.#databases].flatMap(([gate, { database }]) => {
      const found = database
        .prepare(
          `SELECT requests.subject, requests.certificate, readings.id, requests.batch, requests.revision,
             CASE requests.state WHEN 'quarantined' THEN 'quarantined' ELSE ifnull(shown.proof, 'unproven') END AS state,
             shown.number IS NOT NULL AS readable
           FROM readings JOIN requests ON requests.number = readings.request
             LEFT JOIN readable_readings AS shown ON shown.number = readings.number`,
        )
        .all() as unknown as (Omit<Row, 'gate' | 'readable'> & { readable: number })[];
      return found.map((row) => ({ ...row, gate, readable: row.readable === 1 }));
    });
  }

  close(): void {
    for (const { database } of this.#databases.values()) database.close();
  }
}
