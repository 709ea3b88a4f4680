import type { DeskReportRequest, DeskView, SubjectId } from '@portcullis/contract';
import type { Store } from '../storage/storage.ts';

interface Parts {
  store: Store;
  monotonic(): number;
}

/** What desks last said of themselves. It decides nothing, and ends with the process: a desk that lives says it again. */
export class DeskReports {
  readonly #parts: Parts;
  /** One each: only a subject that is there can report. */
  readonly #heard = new Map<SubjectId, { at: number; report: DeskReportRequest }>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  heard(desk: SubjectId, report: DeskReportRequest): void {
    this.#heard.set(desk, { at: this.#parts.monotonic(), report });
  }

  async list(): Promise<DeskView[]> {
    const rows = await this.#parts.store.read((db) =>
      db
        .selectFrom('subjects')
        .select('id')
        .where('kind', '=', 'desk')
        .where('retired', '=', 0)
        .orderBy('id')
        .limit(64)
        .execute(),
    );
    return rows.map(({ id }) => {
      const known = this.#heard.get(id as SubjectId);
      const lastHeardMs = known ? Math.round(this.#parts.monotonic() - known.at) : null;
      return { desk: id as SubjectId, lastHeardMs, report: known?.report ?? null };
    });
  }
}
