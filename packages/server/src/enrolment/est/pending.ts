import { type ApprovalRequest, type PageQuery, type PendingView, PortcullisError } from '@portcullis/contract';
import type { z } from 'zod';
import type { By, ChangeTransaction } from '../../journal/journal.ts';
import type { CertificateRow } from '../../revocation/revocation.ts';
import type { Reader } from '../../storage/storage.ts';
import { timestamp } from '../../telemetry/telemetry.ts';
import type { EnrolmentParts } from '../open.ts';
import { requireInTime } from '../renewal.ts';

/** Of one certificate: whoever holds it could else fill the store. The oldest give way. */
const pendingMax = 4;
/** What is approved has it, as what a token brings. */
const approvedAttributes = { status: 'active' } as const;

interface Asked {
  row: CertificateRow;
  request: string;
  publicKey: string;
}

/**
 * Whether an operator approved that this certificate is renewed for this key; what was not asked before waits from now on.
 * @throws {PortcullisError} `renewal_refused` where it could not be renewed in any case
 */
export async function isApproved(
  parts: EnrolmentParts,
  { row, request, publicKey }: Asked,
): Promise<'approved' | 'waiting' | 'new'> {
  const { fingerprint: sender, subject } = row;
  const known = await parts.store.read((db) =>
    db
      .selectFrom('estRequests')
      .selectAll()
      .where('sender', '=', sender)
      .where('request', '=', request)
      .executeTakeFirst(),
  );
  if (known) return known.approvedAt === null ? 'waiting' : 'approved';
  requireInTime(parts, row);
  const entry = { actor: subject, action: 'certificates.ask', body: { subject, key: publicKey } };
  await parts.journal.note(entry, async (db) => {
    const before = await db
      .selectFrom('estRequests')
      .select('request')
      .where('sender', '=', sender)
      .where('approvedAt', 'is', null)
      .orderBy('askedAt', 'desc')
      .offset(pendingMax - 1)
      .limit(pendingMax)
      .execute();
    const given = before.map((one) => one.request);
    if (given.length > 0)
      await db.deleteFrom('estRequests').where('sender', '=', sender).where('request', 'in', given).execute();
    await db
      .insertInto('estRequests')
      .values({ sender, request, subject, publicKey, askedAt: parts.system.now(), approvedAt: null })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  });
  return 'new';
}

/** By subject; what waits of one stays together. */
export async function listPending(
  { store }: EnrolmentParts,
  { after = '', limit }: z.infer<typeof PageQuery>,
): Promise<{ items: PendingView[]; next: string | null }> {
  const subjects = await store.read((db) => waitingSubjects(db, after, limit));
  const items = await store.read((db) => pendingOf(db, subjects));
  return { items, next: subjects.length === limit ? (subjects.at(-1) ?? null) : null };
}

async function waitingSubjects(db: Reader, after: string, limit: number): Promise<string[]> {
  const of = (table: 'factoryEnrolments' | 'estRequests') =>
    db
      .selectFrom(table)
      .select('subject')
      .distinct()
      .where('approvedAt', 'is', null)
      .where('subject', '>', after)
      .orderBy('subject')
      .limit(limit)
      .execute();
  const found = [...(await of('factoryEnrolments')), ...(await of('estRequests'))].map(({ subject }) => subject);
  return [...new Set(found)].sort().slice(0, limit);
}

async function pendingOf(db: Reader, subjects: readonly string[]): Promise<PendingView[]> {
  if (subjects.length === 0) return [];
  const enrolled = await db
    .selectFrom('factoryEnrolments')
    .select(['subject', 'factory', 'publicKey as key', 'at as since'])
    .where('approvedAt', 'is', null)
    .where('subject', 'in', subjects)
    .execute();
  const asked = await db
    .selectFrom('estRequests')
    .select(['subject', 'publicKey as key', 'askedAt as since'])
    .where('approvedAt', 'is', null)
    .where('subject', 'in', subjects)
    .execute();
  const rows = [
    ...enrolled.map((row) => ({ ...row, what: 'factory' as const })),
    ...asked.map((row) => ({ ...row, what: 'renewal' as const, factory: null })),
  ];
  return rows
    .sort((one, other) =>
      one.subject === other.subject ? one.since - other.since : one.subject < other.subject ? -1 : 1,
    )
    .map(({ since, subject, ...row }) => ({
      ...row,
      subject: subject as PendingView['subject'],
      since: timestamp(since),
    }));
}

/**
 * What waits of these subjects is approved, as one revision: of those that a factory brought it is in force at gates with it, and asks that wait
 * are answered when they come again. Where no gate decides by any of it the entry has no revision.
 * @throws {PortcullisError} `nothing_pending` where nothing waits of any, `subject_retired`
 */
export async function approve(
  { journal, attributes, store }: EnrolmentParts,
  by: By,
  { subjects, dryRun }: ApprovalRequest,
): Promise<{ revision: number; changed: number }> {
  if (dryRun) {
    const waiting = await store.read((db) => pendingOf(db, subjects));
    return { revision: journal.head().revision, changed: new Set(waiting.map(({ subject }) => subject)).size };
  }
  const { result, revision } = await journal.change({ ...by, action: 'subjects.approve' }, async (change) => {
    const approved: string[] = [];
    let written = 0;
    for (const subject of new Set<string>(subjects)) {
      const enrolled = await mark(change, 'factoryEnrolments', subject);
      const asked = await mark(change, 'estRequests', subject);
      if (enrolled + asked > 0) approved.push(subject);
      if (enrolled > 0) written += await attributes.put(change, { subject, values: approvedAttributes });
    }
    if (approved.length === 0) throw nothingOf(subjects);
    if (written === 0) change.noted({ subjects: approved });
    return approved.length;
  });
  return { revision, changed: result };
}

async function mark({ db, at }: ChangeTransaction, table: 'factoryEnrolments' | 'estRequests', subject: string) {
  const { numUpdatedRows } = await db
    .updateTable(table)
    .set({ approvedAt: at })
    .where('approvedAt', 'is', null)
    .where('subject', '=', subject)
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

function nothingOf([subject, ...others]: readonly string[]): PortcullisError {
  const whose = others.length > 0 ? `any of the ${others.length + 1} subjects` : `"${subject}"`;
  return new PortcullisError('nothing_pending', `nothing of ${whose} waits to be approved; nothing was changed`);
}
