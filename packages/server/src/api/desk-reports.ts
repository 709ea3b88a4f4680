import type { DeskOutcome, DeskReportRequest, DeskView, SubjectId } from '@portcullis/contract';
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

  readonly #waiters = new Set<() => void>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  heard(desk: SubjectId, report: DeskReportRequest): void {
    this.#heard.set(desk, { at: this.#parts.monotonic(), report });
    for (const wake of this.#waiters) wake();
  }

  /** What each said last. */
  get last(): readonly (readonly [SubjectId, DeskReportRequest])[] {
    return [...this.#heard].map(([desk, { report }]) => [desk, report] as const);
  }

  /** Resolves once each desk that lives tells strangers by this revision, or after the limit, to what each does. */
  async applied(revision: number, limitMs: number): Promise<DeskOutcome[]> {
    const { monotonic } = this.#parts;
    const begun = monotonic();
    const found = new Map<SubjectId, DeskOutcome>();
    for (;;) {
      const views = await this.list();
      const ms = Math.round(monotonic() - begun);
      for (const view of views) {
        if (found.get(view.desk)?.outcome === 'applied') continue;
        const outcome = outcomeOf(view, revision);
        found.set(view.desk, { desk: view.desk, outcome, ms: outcome === 'applied' ? ms : null });
      }
      const outcomes = [...found.values()];
      if (ms >= limitMs || outcomes.every(({ outcome }) => outcome !== 'not_applied')) return outcomes;
      await this.#next(limitMs - ms);
    }
  }

  /** Resolves with the next report, or after the limit. */
  #next(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiters.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, limitMs).unref();
      this.#waiters.add(wake);
    });
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

/** A desk says each 5 s how it stands. */
const silentMs = 20_000;

function outcomeOf({ lastHeardMs, report }: DeskView, revision: number): DeskOutcome['outcome'] {
  if (!report || (lastHeardMs ?? 0) > silentMs) return 'silent';
  const { lookUps, verifiers } = report;
  const told = [lookUps, verifiers?.standings ?? null].filter((one) => one !== null);
  if (told.length === 0) return verifiers ? 'not_applied' : 'tells_nothing';
  return told.every((one) => one.revision >= revision) ? 'applied' : 'not_applied';
}
