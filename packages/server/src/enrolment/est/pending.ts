import { type ApprovalRequest, type PageQuery, type PendingView, PortcullisError } from '@portcullis/contract';
import type { z } from 'zod';
import type { By, ChangeTransaction } from '../../journal/journal.ts';
import type { CertificateRow } from '../../revocation/revocation.ts';
import type { Reader, Writer } from '../../storage/storage.ts';
import { timestamp } from '../../telemetry/telemetry.ts';
import type { EnrolmentParts } from '../open.ts';
import { requireInTime, requireNotTooSoon } from '../renewal.ts';

/** Of one subject: whoever holds its certificate, or says so at a desk, could else fill the store and the journal. */
const pendingMax = 4;
/** Who wants it still has asked again meanwhile, and asks anew; an approval that nobody collects ends as what waits for one. */
const waitsMs = 7 * 86_400_000;
/** Whoever is told to wait may find room sooner: an operator approves, or something ends. */
const retryAfterSeconds = 3_600;
/** What is approved has it, as what a token brings. */
const approvedAttributes = { status: 'active' } as const;

interface Asked {
  row: CertificateRow;
  request: string;
  publicKey: string;
}

/**
 * Whether an operator approved that this certificate is renewed for this key; what was not asked before waits from now on, for a week.
 * @throws {PortcullisError} `renewal_refused` where it could not be renewed in any case, `renewal_too_soon` where it could not be yet,
 * `rate_limited` where as much of the subject waits as may
 */
export async function isApproved(
  parts: EnrolmentParts,
  { row, request, publicKey }: Asked,
): Promise<'approved' | 'waiting' | 'new'> {
  const { fingerprint: sender, subject } = row;
  // By its key: a request that is signed again is another one.
  const known = await parts.store.read((db) =>
    db
      .selectFrom('estRequests')
      .select(['askedAt', 'approvedAt'])
      .where('sender', '=', sender)
      .where('publicKey', '=', publicKey)
      .execute(),
  );
  const began = waitingSince(parts.system.now());
  if (known.some(({ approvedAt }) => approvedAt !== null && approvedAt > began)) return 'approved';
  requireInTime(parts, row);
  if (known.some(({ askedAt, approvedAt }) => approvedAt === null && askedAt > began)) return 'waiting';
  await parts.store.read((db) => requireNotTooSoon(parts, db, subject));
  const entry = { actor: subject, action: 'certificates.ask', body: { subject, key: publicKey } };
  await parts.journal.note(entry, async (db) => {
    await requireRoom(db, subject, began);
    await db
      .deleteFrom('estRequests')
      .where('sender', '=', sender)
      .where('publicKey', '=', publicKey)
      .where('approvedAt', '<=', began)
      .execute();
    await db
      .insertInto('estRequests')
      .values({ sender, request, subject, publicKey, askedAt: parts.system.now(), approvedAt: null })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  });
  return 'new';
}

/** What was asked before that waits no more. */
const waitingSince = (now: number) => now - waitsMs;

/** What ended gives way, and nothing that waits: who asks often would else push out what an operator is about to look at. */
async function requireRoom(db: Writer, subject: string, began: number): Promise<void> {
  const waiting = await db
    .selectFrom('estRequests')
    .select(['sender', 'request', 'askedAt'])
    .where('approvedAt', 'is', null)
    .where('subject', '=', subject)
    .execute();
  const ended = waiting.filter(({ askedAt }) => askedAt <= began);
  for (const { sender, request } of ended)
    await db.deleteFrom('estRequests').where('sender', '=', sender).where('request', '=', request).execute();
  if (waiting.length - ended.length < pendingMax) return;
  throw new PortcullisError(
    'rate_limited',
    `${pendingMax} renewals of "${subject}" wait to be approved already, as many as may`,
    { detail: { retryAfterSeconds } },
  );
}

/** By subject; what waits of one stays together. */
export async function listPending(
  { store, system }: EnrolmentParts,
  { after = '', limit }: z.infer<typeof PageQuery>,
): Promise<{ items: PendingView[]; next: string | null }> {
  const began = waitingSince(system.now());
  const subjects = await store.read((db) => waitingSubjects(db, { after, limit, began }));
  const items = await store.read((db) => pendingOf(db, subjects, began));
  return { items, next: subjects.length === limit ? (subjects.at(-1) ?? null) : null };
}

async function waitingSubjects(
  db: Reader,
  { after, limit, began }: { after: string; limit: number; began: number },
): Promise<string[]> {
  const enrolled = await db
    .selectFrom('factoryEnrolments')
    .select('subject')
    .distinct()
    .where('approvedAt', 'is', null)
    .where('subject', '>', after)
    .orderBy('subject')
    .limit(limit)
    .execute();
  const asked = await db
    .selectFrom('estRequests')
    .select('subject')
    .distinct()
    .where('approvedAt', 'is', null)
    .where('askedAt', '>', began)
    .where('subject', '>', after)
    .orderBy('subject')
    .limit(limit)
    .execute();
  const found = [...enrolled, ...asked].map(({ subject }) => subject);
  return [...new Set(found)].sort().slice(0, limit);
}

async function pendingOf(db: Reader, subjects: readonly string[], began: number): Promise<PendingView[]> {
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
    .where('askedAt', '>', began)
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
 * What factories brought of these subjects is approved, as one revision, and is in force at gates with it. With a key: what waits of the subject
 * for this key, a renewal too, which is answered when it is asked again. Where no gate decides by any of it the entry has no revision.
 * @throws {PortcullisError} `nothing_pending` where nothing of the kind waits of any, `subject_retired`
 */
export async function approve(
  { journal, attributes, store, system }: EnrolmentParts,
  by: By,
  { subjects, key, dryRun }: ApprovalRequest,
): Promise<{ revision: number; changed: number }> {
  if (dryRun) {
    const waiting = await store.read((db) => pendingOf(db, subjects, waitingSince(system.now())));
    const meant = waiting.filter((one) => (key === undefined ? one.what === 'factory' : one.key === key));
    return { revision: journal.head().revision, changed: new Set(meant.map(({ subject }) => subject)).size };
  }
  const { result, revision } = await journal.change({ ...by, action: 'subjects.approve' }, async (change) => {
    const approved: string[] = [];
    let written = 0;
    for (const subject of new Set<string>(subjects)) {
      const enrolled = await markEnrolled(change, subject, key);
      const asked = key === undefined ? 0 : await markAsked(change, subject, key);
      if (enrolled + asked > 0) approved.push(subject);
      if (enrolled > 0) written += await attributes.put(change, { subject, values: approvedAttributes });
    }
    if (approved.length === 0) throw await nothingOf(change, subjects, key);
    const named = key === undefined ? {} : { key };
    change.about(named);
    if (written === 0) change.noted({ subjects: approved, ...named });
    return approved.length;
  });
  return { revision, changed: result };
}

async function markEnrolled({ db, at }: ChangeTransaction, subject: string, key: string | undefined): Promise<number> {
  const ofSubject = db
    .updateTable('factoryEnrolments')
    .set({ approvedAt: at })
    .where('approvedAt', 'is', null)
    .where('subject', '=', subject);
  const meant = key === undefined ? ofSubject : ofSubject.where('publicKey', '=', key);
  return Number((await meant.executeTakeFirst()).numUpdatedRows);
}

async function markAsked({ db, at }: ChangeTransaction, subject: string, key: string): Promise<number> {
  const { numUpdatedRows } = await db
    .updateTable('estRequests')
    .set({ approvedAt: at })
    .where('approvedAt', 'is', null)
    .where('subject', '=', subject)
    .where('publicKey', '=', key)
    .where('askedAt', '>', waitingSince(at))
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

async function nothingOf(
  { db, at }: ChangeTransaction,
  subjects: readonly string[],
  key: string | undefined,
): Promise<PortcullisError> {
  const [subject, ...others] = subjects;
  const whose = others.length > 0 ? `any of the ${others.length + 1} subjects` : `"${subject}"`;
  const what = key === undefined ? `of ${whose} that a factory brought` : `of ${whose} for the key ${key}`;
  const waiting = await pendingOf(db, subjects, waitingSince(at));
  const hint =
    key === undefined && waiting.length > 0
      ? '; a renewal waits: compare its key ("portcullis subject pending") with the device’s own, and approve it by --key'
      : '';
  return new PortcullisError('nothing_pending', `nothing ${what} waits to be approved; nothing was changed${hint}`);
}
