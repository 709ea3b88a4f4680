import {
  ChangeAnswer,
  ChangeItem,
  ChangeQuery,
  ChangeView,
  type Fingerprint,
  FleetView,
  JournalEntryView,
  type LeftByUndo,
  PortcullisError,
  page,
  SubjectDelta,
  type SubjectId,
  UndoRequest,
  WaitQuery,
} from '@portcullis/contract';
import { z } from 'zod';
import type { Feed } from '../feed/feed.ts';
import type { ChangeRecord, Journal } from '../journal/journal.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import { type Route, route } from './route.ts';

/** A change may name a hundred thousand subjects. */
export const changeBytesMax = 16 * 1024 * 1024;

type WaitFor = z.infer<typeof WaitQuery>;

export async function answerChange(
  feed: Feed,
  done: { revision: number; changed: number; fingerprints?: Fingerprint[]; left?: LeftByUndo[]; leaves?: number },
  query: WaitFor,
  { dryRun = false } = {},
): Promise<ChangeAnswer> {
  const { revision, changed, fingerprints: certificates, left, leaves } = done;
  const what = { changed, ...(certificates && { certificates }), ...(left && { leaves, left }) };
  if (dryRun) return { revision, ...what, dryRun };
  if (query.wait !== 'all') return { revision, ...what };
  return { ...(await feed.receipt(revision, { limitMs: query.waitLimitMs })), ...what };
}

function changeItem(record: ChangeRecord): ChangeItem {
  const { revision, position, at, actor, action, reason, undoes, about, subjects, draft } = record;
  const first = (draft?.first as SubjectId[] | undefined) ?? subjects.slice(0, 5).map(({ subject }) => subject);
  const told = {
    revision,
    position,
    at: timestamp(at),
    actor,
    action,
    reason,
    ...(undoes !== undefined && { undoes }),
    ...(about && { about }),
  };
  return { ...told, subjects: changedBy(record), first };
}

const changedBy = ({ draft, subjects }: ChangeRecord) => draft?.changed ?? subjects.length;

const ofRevision = z.strictObject({ revision: z.coerce.number().int().positive() });

async function requireChange(journal: Journal, revision: number): Promise<ChangeRecord> {
  const record = await journal.changeAt(revision);
  if (record) return record;
  throw new PortcullisError('revision_unknown', `there is no revision ${revision}`);
}

export const changesRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/fleet',
    kinds: ['operator', 'gate'],
    summary: 'Where the fleet’s history stands',
    uses: ['fleet', 'journal', 'system'],
    schemas: {},
    answer: FleetView,
    async handle({ fleet, journal, system }) {
      const { revision, revisionHash: hash } = journal.head();
      return { fleet, revision, hash, time: timestamp(system.now()) };
    },
  }),
  route({
    method: 'GET',
    path: '/v1/changes',
    kinds: ['operator'],
    summary: 'Changes in order: by whom, why, how many subjects',
    uses: ['journal'],
    schemas: {
      query: z.strictObject({
        after: z.coerce.number().int().nonnegative().default(0),
        limit: z.coerce.number().int().min(1).max(1_000).default(100),
      }),
    },
    answer: page(ChangeItem),
    async handle({ journal }, { query: { after, limit } }) {
      const records = await journal.changes(after, limit);
      const last = records.at(-1)?.revision ?? after;
      const more = records.length > 0 && last < journal.head().revision;
      return { items: records.map(changeItem), next: more ? String(last) : null };
    },
  }),
  route({
    method: 'GET',
    path: '/v1/changes/:revision',
    kinds: ['operator'],
    summary: 'What a revision changed, by whom, and how far it is in force',
    uses: ['feed', 'journal'],
    schemas: { params: ofRevision, query: ChangeQuery },
    answer: ChangeView,
    async handle({ feed, journal }, { params: { revision }, query }) {
      const record = await requireChange(journal, revision);
      const { hash: _hash, previousHash: _previousHash, bytes: _bytes, draft: _draft, ...told } = record;
      const change = { ...told, changed: changedBy(record) };
      const limitMs = query.wait === 'all' ? query.waitLimitMs : 0;
      if (query.subjects === 'none') change.subjects = [];
      return { ...change, at: timestamp(record.at), receipt: await feed.receipt(revision, { limitMs }) };
    },
  }),
  route({
    method: 'GET',
    path: '/v1/changes/:revision/subjects',
    kinds: ['operator'],
    summary: 'What a revision did to each subject, some hundreds at a time',
    uses: ['journal'],
    schemas: { params: ofRevision, query: z.strictObject({ after: z.coerce.number().int().nonnegative().default(0) }) },
    answer: page(SubjectDelta),
    async handle({ journal }, { params: { revision }, query: { after } }) {
      const { draft, subjects } = await requireChange(journal, revision);
      if (!draft || after >= draft.parts) return { items: subjects, next: null };
      return { items: await journal.part(draft.id, after + 1), next: String(after + 1) };
    },
  }),
  route({
    method: 'POST',
    path: '/v1/changes/:revision/undo',
    kinds: ['operator'],
    summary: 'Puts back the values and standings from before a revision, where nothing newer touched them',
    uses: ['attributes', 'revocation', 'feed', 'journal'],
    schemas: { params: ofRevision, query: WaitQuery, body: UndoRequest },
    answer: ChangeAnswer,
    once: true,
    async handle({ attributes, revocation, feed, journal }, { params: { revision }, query, body, by }) {
      const record = await requireChange(journal, revision);
      const done = await attributes.undo({ ...by, reason: body.reason }, record, (change) =>
        revocation.undo(change, record),
      );
      return answerChange(feed, done, query);
    },
  }),
  route({
    method: 'GET',
    path: '/v1/journal',
    kinds: ['operator'],
    summary: 'Everything that happened, in order, with its hash chain',
    uses: ['journal'],
    schemas: {
      query: z.strictObject({
        after: z.coerce.number().int().nonnegative().default(0),
        limit: z.coerce.number().int().min(1).max(1_000).default(100),
      }),
    },
    answer: z.object({ items: z.array(JournalEntryView), next: z.string().nullable() }),
    async handle({ journal }, { query: { after, limit } }) {
      const items = await journal.entries(after, limit);
      const last = items.at(-1)?.position ?? after;
      return { items, next: items.length > 0 && last < journal.head().position ? String(last) : null };
    },
  }),
];
