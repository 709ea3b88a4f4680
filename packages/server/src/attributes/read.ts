import {
  type AttributeHistoryView,
  type AttributeType,
  type AttributeValue,
  type AttributeView,
  type CurrentCertificate,
  type Kind,
  PortcullisError,
  type SubjectView,
  type Visibility,
} from '@portcullis/contract';
import type { Reader, Schema } from '../storage/storage.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import { currentCertificates } from './current-certificate.ts';

export interface ListQuery {
  after?: string | undefined;
  limit: number;
}
export interface Page<Item> {
  items: Item[];
  next: string | null;
}

export async function readSubject(db: Reader, subject: string): Promise<SubjectView> {
  const row = await db.selectFrom('subjects').selectAll().where('id', '=', subject).executeTakeFirst();
  if (!row) throw new PortcullisError('subject_unknown', `the fleet has no subject "${subject}"`);
  const attributes = await db.selectFrom('attributes').selectAll().where('subject', '=', subject).execute();
  return subjectView(row, attributes, (await currentCertificates(db, [subject])).get(subject));
}

export async function listHistory(
  db: Reader,
  subject: string,
  query: ListQuery & { name?: string | undefined },
): Promise<Page<AttributeHistoryView>> {
  await readSubject(db, subject);
  const rows = await db
    .selectFrom('attributeHistory')
    .selectAll()
    .where('subject', '=', subject)
    .where('id', '>', Number(query.after ?? 0))
    .$if(query.name !== undefined, (select) => select.where('name', '=', query.name as string))
    .orderBy('id')
    .limit(query.limit)
    .execute();
  if (rows.length === 0 && query.name !== undefined && query.after === undefined) {
    throw new PortcullisError('attribute_unknown', `"${subject}" never had an attribute "${query.name}"`);
  }
  const items = rows.map((row) => ({
    ...attributeView({ ...row, value: row.value ?? 'null' }),
    type: row.type as AttributeType,
    value: row.value === null ? null : (JSON.parse(row.value) as AttributeValue),
    ...(row.beneath === 1 && { beneath: true as const }),
  }));
  return { items, next: rows.length === query.limit ? String(rows.at(-1)?.id) : null };
}

export interface SubjectRow {
  id: string;
  kind: string;
  readOnly: number;
  retired: number;
  createdAt: number;
  revision: number;
}

export function subjectView(
  row: SubjectRow,
  attributes: Schema['attributes'][],
  certificate: CurrentCertificate | undefined,
): SubjectView {
  return {
    subject: row.id as SubjectView['subject'],
    kind: row.kind as Kind,
    readOnly: row.readOnly === 1,
    certificate: certificate ?? null,
    retired: row.retired === 1,
    createdAt: timestamp(row.createdAt),
    revision: row.revision,
    attributes: attributes.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(attributeView),
  };
}

function attributeView(row: Schema['attributes']): AttributeView {
  const value = JSON.parse(row.value) as AttributeValue;
  return {
    name: row.name as AttributeView['name'],
    type: typeof value as AttributeType,
    value,
    visibility: row.visibility as Visibility,
    revision: row.revision,
    changedAt: timestamp(row.changedAt),
    changedBy: row.changedBy,
    reason: row.reason,
  };
}
