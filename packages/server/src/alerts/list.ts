import {
  AlertKind,
  type AlertsQuery,
  type AlertView,
  alertKinds,
  type SubjectId,
  type TellingView,
} from '@portcullis/contract';
import type { Selectable } from 'kysely';
import type { Reader, Schema } from '../storage/storage.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import type { Page } from './promises.ts';

/** With what they say and how far each target is, some hundred kilobytes. */
const pageMax = 200;
const lasting = AlertKind.options.filter((kind) => alertKinds[kind].lasts);

/** The newest first. */
export async function listAlerts(db: Reader, query: AlertsQuery): Promise<Page<AlertView>> {
  const limit = Math.min(query.limit, pageMax);
  const rows = await matching(db, query, limit);
  const tellings = Map.groupBy(await tellingsOf(db, rows), ({ alert }) => alert);
  const items = rows.map((row) => viewOf(row, tellings.get(row.number) ?? []));
  return { items, next: rows.length === limit ? String(rows.at(-1)?.number) : null };
}

function matching(db: Reader, { after, kind, subject, open, telling }: AlertsQuery, limit: number) {
  let select = db.selectFrom('alerts').selectAll();
  if (after !== undefined) select = select.where('number', '<', Number.parseInt(after, 10) || 0);
  if (kind !== undefined) select = select.where('kind', '=', kind);
  if (subject !== undefined) select = select.where('subject', '=', subject);
  if (open !== undefined) select = select.where('settledAt', 'is', null).where('kind', 'in', lasting);
  if (telling !== undefined) {
    select = select.where('number', 'in', (within) =>
      within
        .selectFrom('alertsOfMessages')
        .innerJoin('alertMessages', 'alertMessages.number', 'alertsOfMessages.message')
        .select('alertsOfMessages.alert')
        .where('alertMessages.state', '=', telling),
    );
  }
  return select.orderBy('number', 'desc').limit(limit).execute();
}

function tellingsOf(db: Reader, rows: readonly Selectable<Schema['alerts']>[]) {
  const numbers = rows.map(({ number }) => number);
  return db
    .selectFrom('alertsOfMessages')
    .innerJoin('alertMessages', 'alertMessages.number', 'alertsOfMessages.message')
    .selectAll('alertMessages')
    .select('alertsOfMessages.alert')
    .where('alertsOfMessages.alert', 'in', numbers)
    .orderBy('alertMessages.number')
    .execute();
}

type TellingRow = Selectable<Schema['alertMessages']>;

function viewOf(row: Selectable<Schema['alerts']>, tellings: readonly TellingRow[]): AlertView {
  const kind = row.kind as AlertKind;
  return {
    ...{ id: row.id, kind, severity: alertKinds[kind].severity, subject: row.subject as SubjectId | null },
    ...{ at: timestamp(row.at), settledAt: row.settledAt === null ? null : timestamp(row.settledAt), says: row.says },
    detail: JSON.parse(row.detail) as Record<string, unknown>,
    tellings: tellings.map(tellingView),
  };
}

function tellingView(row: TellingRow): TellingView {
  const { target, phase, state, id, attempts, dueAt, toldAt, error } = row;
  const time = (at: number | null) => (at === null ? null : timestamp(at));
  const stands = { phase: phase as TellingView['phase'], state: state as TellingView['state'] };
  return { target, ...stands, message: id, attempts, dueAt: time(dueAt), toldAt: time(toldAt), error };
}
