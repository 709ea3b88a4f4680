import { type ApplyRequest, PortcullisError, type ReleaseRequest } from '@portcullis/contract';
import type { By, ChangeTransaction, Journal } from '../journal/journal.ts';
import type { Reader, Store } from '../storage/storage.ts';
import { aTurn, type System, timestamp } from '../telemetry/telemetry.ts';
import type { Covering } from './covering.ts';
import { claimedAfter, overdue, whyKept } from './ending.ts';
import { endHolds, type HoldRow, inPieces, live, perTurn } from './hold-rows.ts';
import type { Proven, Rings } from './promises.ts';
import { aboutOf } from './receiving.ts';

export interface LettingGoParts {
  store: Store;
  journal: Journal;
  system: System;
  covering: Covering;
  rings: Rings;
  proven: Proven;
  startedAt: number;
  inTurn<T>(work: () => Promise<T>): Promise<T>;
}

/** Why these end, and what keeps one of them by then. */
interface How {
  reason: string;
  stays(db: Reader, row: HoldRow): Promise<string | undefined>;
}

type Done = { revision: number; changed: number };

/** So long what ended is kept: a sender that repeats itself is known by it. */
const endedMsMax = 30 * 86_400_000;
const perForgetting = 500;

/** How holds end: by a person, by their time, by their alert being over. */
export class LettingGo {
  readonly #parts: LettingGoParts;
  #claimed = '';

  constructor(parts: LettingGoParts) {
    this.#parts = parts;
  }

  release(by: By, { subject, attribute, hold, reason }: ReleaseRequest): Promise<Done> {
    const named = hold ?? subject;
    if (named === undefined || (hold !== undefined && subject !== undefined)) {
      throw new PortcullisError('request_malformed', 'name either a subject or a hold');
    }
    return this.#parts.inTurn(() =>
      this.#change({ ...by, action: 'signals.release', reason }, async (change) => {
        const rows = await live(change.db)
          .$if(hold !== undefined, (select) => select.where('id', '=', hold as string))
          .$if(subject !== undefined, (select) => select.where('subject', '=', subject as string))
          .$if(attribute !== undefined, (select) => select.where('attribute', '=', attribute as string))
          .execute();
        if (rows.length === 0) throw new PortcullisError('hold_unknown', `there is no hold "${named}" that lasts`);
        await this.#end(change, rows, by.actor);
        return rows.length;
      }),
    );
  }

  apply(by: By, { subject, source, hold, reason }: ApplyRequest): Promise<Done> {
    const named = hold ?? subject ?? source;
    if (named === undefined) throw new PortcullisError('request_malformed', 'name a subject, a source or a hold');
    return this.#parts.inTurn(() =>
      this.#change({ ...by, action: 'signals.apply', reason }, async (change) => {
        const rows = await live(change.db)
          .where('waiting', '=', 1)
          .$if(hold !== undefined, (select) => select.where('id', '=', hold as string))
          .$if(subject !== undefined, (select) => select.where('subject', '=', subject as string))
          .$if(source !== undefined, (select) => select.where('source', '=', source as string))
          .execute();
        if (rows.length === 0) throw new PortcullisError('hold_unknown', `no hold of "${named}" waits`);
        await inPieces(rows, async (some) => {
          const ids = some.map(({ id }) => id);
          const set = { waiting: 0, revision: change.revision };
          await change.db
            .updateTable('holds')
            // Its time begins now.
            .set(({ eb }) => ({ ...set, endsAt: eb(eb('endsAt', '-', eb.ref('since')), '+', change.at) }))
            .where('id', 'in', ids)
            .execute();
        });
        await this.#changed(change, rows);
        return rows.length;
      }),
    );
  }

  /** Within somebody's change: what is on these names of these subjects ends with it. */
  async letGo(change: ChangeTransaction, subjects: readonly string[], names: readonly string[]): Promise<number> {
    const found: HoldRow[] = [];
    await inPieces(subjects, async (some) => {
      found.push(...(await live(change.db).where('subject', 'in', some).where('attribute', 'in', names).execute()));
    });
    if (found.length > 0) await this.#end(change, found, change.actor);
    return new Set(found.map(({ subject }) => subject)).size;
  }

  /**
   * All whose time is over, in the order of their ends; then some of those whose alert is, the next at the next look. What can not be ended keeps
   * nothing else from its end. @throws the first that went wrong
   */
  async look(): Promise<void> {
    const { store, system } = this.#parts;
    const failed: unknown[] = [];
    const end = (rows: readonly HoldRow[], how: How) => this.#endIf(rows, how).catch((error) => failed.push(error));
    const over = await store.read((db) => overdue(db, system.now()));
    for (const [endsAt, rows] of Map.groupBy(over, (row) => row.endsAt)) {
      await end(rows, {
        reason: `it was to end at ${timestamp(endsAt as number)}`,
        stays: async (_db, row) => (row.endsAt === endsAt ? undefined : 'its alert fired anew'),
      });
      await aTurn();
    }
    const { claimed, next } = await store.read((db) => claimedAfter(db, this.#claimed));
    this.#claimed = next;
    const ready: HoldRow[] = [];
    for (const { row, episode } of claimed)
      if ((await store.read((db) => this.lacks(db, row, episode))) === undefined) ready.push(row);
    for (const rows of Map.groupBy(ready, ({ subject }) => subject).values())
      await end(rows, { reason: 'its alert is over', stays: (db, row) => this.#lacksNow(db, row) });
    if (failed.length > 0) throw failed[0];
  }

  /** What ended long ago, of alerts that do not fire. */
  async forget(): Promise<void> {
    const { store, system } = this.#parts;
    await store.change(async (db) => {
      const rows = await db
        .selectFrom('holds')
        .innerJoin('signals', (join) =>
          join.onRef('signals.source', '=', 'holds.source').onRef('signals.key', '=', 'holds.key'),
        )
        .select(['holds.id', 'holds.source', 'holds.key'])
        .where('holds.endedAt', '<', system.now() - endedMsMax)
        .where('signals.state', '=', 'claimed_resolved')
        .limit(perForgetting)
        .execute();
      const ids = rows.map(({ id }) => id);
      if (ids.length === 0) return;
      await db.deleteFrom('holds').where('id', 'in', ids).execute();
      for (const { source, key } of rows) {
        await db
          .deleteFrom('signals')
          .where('source', '=', source)
          .where('key', '=', key)
          .where(({ not, exists, selectFrom }) =>
            not(exists(selectFrom('holds').select('id').where('source', '=', source).where('key', '=', key))),
          )
          .execute();
      }
    });
  }

  lacks(db: Reader, row: HoldRow, episode: Parameters<typeof whyKept>[1]['episode']): Promise<string | undefined> {
    const { system, startedAt, proven } = this.#parts;
    return whyKept(db, { row, episode }, { now: system.now(), startedAt, proven });
  }

  async #lacksNow(db: Reader, row: HoldRow): Promise<string | undefined> {
    const episode = await db
      .selectFrom('signals')
      .selectAll()
      .where('source', '=', row.source)
      .where('key', '=', row.key)
      .executeTakeFirstOrThrow();
    return this.lacks(db, row, episode);
  }

  /** Those of them that last and that nothing keeps by now. */
  #endIf(rows: readonly HoldRow[], { reason, stays }: How): Promise<Done> {
    const entry = { actor: 'authority', action: 'signals.end', reason };
    return this.#parts.inTurn(() =>
      this.#change(entry, async (change) => {
        const ending: HoldRow[] = [];
        await inPieces(rows, async (some) => {
          const ids = some.map(({ id }) => id);
          for (const row of await live(change.db).where('id', 'in', ids).orderBy('endsAt').orderBy('id').execute())
            if ((await stays(change.db, row)) === undefined) ending.push(row);
        });
        if (ending.length === 0) change.unchanged(change.revision - 1, []);
        else await this.#end(change, ending, 'authority');
        return ending.length;
      }),
    );
  }

  async #change(entry: By & { action: string }, work: (change: ChangeTransaction) => Promise<number>): Promise<Done> {
    const { result, revision } = await this.#parts.journal.change(entry, work);
    return { revision, changed: result };
  }

  async #end(change: ChangeTransaction, rows: readonly HoldRow[], by: string): Promise<void> {
    await endHolds(change.db, rows, { at: change.at, by });
    await this.#changed(change, rows);
  }

  async #changed(change: ChangeTransaction, rows: readonly HoldRow[]): Promise<void> {
    const { covering, rings } = this.#parts;
    await covering.cover(change, rows);
    const bySource = Map.groupBy(rows, ({ source }) => source);
    change.about({ signals: [...bySource].map(([source, holds]) => aboutOf(source, { holds })) });
    for (const source of bySource.keys()) {
      const waiting = await live(change.db)
        .where('source', '=', source)
        .where('waiting', '=', 1)
        .limit(1)
        .executeTakeFirst();
      if (!waiting) await rings.settle(change.db, 'signal_limit', source, change.at);
    }
    await inPieces(
      rows,
      async (some) => {
        for (const { id } of some) await rings.settle(change.db, 'signal_refused', id, change.at);
      },
      perTurn,
    );
  }
}
