import type { Looked } from '../../src/gate/recording/recording.ts';

/** A reading on its way to the store. */
export interface Row {
  /** The revision that it was judged at. */
  revision: number;
  hash: string;
  batch: number;
  /** When it became readable; undefined: it never did, or its process died before that was on record. */
  readableAt: number | undefined;
  acknowledgedAt: number | undefined;
  /** Readers are told that it became readable in time; else it is named unproven. */
  proven: boolean;
}

/** A batch of which it is not known whether it was readable in time, and the newest history that something of it was judged by. */
export interface Left {
  batch: number;
  judgedAt: number;
  head: Pick<Row, 'revision' | 'hash'>;
}

/** What a sink holds that is not proven yet. It outlives the process that writes it. */
export class Disk {
  lastBatch = 0;
  /** The process that runs on it: what an earlier one had under way is on it by then, or never. */
  owner = '';
  #rows: Row[] = [];
  /** Up to this batch each row is proven, or named. */
  #proven = 0;

  write(rows: readonly Row[], batch: number): void {
    this.lastBatch = batch;
    for (const row of rows) this.#rows.push(Object.assign(row, { batch }));
  }

  /** As a sink does: readable is what was looked at and is not quarantined. */
  record({ looked, quarantine, proven, unproven }: Looked, now: number): void {
    this.#rows = this.#rows.filter(({ batch }) => batch > this.#proven && !quarantine.includes(batch));
    for (const row of this.#rows) {
      if (row.batch <= looked) row.readableAt ??= now;
      if (row.batch <= proven && !unproven.includes(row.batch)) row.proven = true;
    }
    this.#proven = proven;
  }

  /** What an earlier process left, oldest first. */
  unsettled(): Left[] {
    const left = this.#rows.filter(({ batch }) => batch > this.#proven);
    const judged = Map.groupBy(left, ({ batch }) => batch);
    const batches = [...judged].map(([batch, rows]) => ({
      batch,
      judgedAt: Math.min(...rows.map(({ revision }) => revision)),
      head: rows.reduce((newest, row) => (row.revision > newest.revision ? row : newest)),
    }));
    return batches.toSorted((one, other) => one.batch - other.batch);
  }

  settle(batch: number, proven: boolean, now: number): void {
    for (const row of this.#rows.filter((one) => one.batch === batch)) {
      row.readableAt ??= now;
      row.proven = proven;
    }
    this.#proven = batch;
  }
}
