import {
  type Kind,
  PortcullisError,
  type RevocationReason,
  type Standing,
  type StandingsRequest,
} from '@portcullis/contract';
import type { ChangeTransaction } from '../journal/journal.ts';
import type { Writer } from '../storage/storage.ts';
import { changeBeneath, heldOf } from './held.ts';
import type { CertificateRow } from './promises.ts';
import { forgetKeys, isFinal, perStatement, setStandings, touch } from './set-standings.ts';

/** Which standings an action changes, and into what. Revoked and superseded are in no row: they are final (P9). */
const transitions: Record<StandingsRequest['action'], { from: readonly string[]; to: Standing }> = {
  suspend: { from: ['valid'], to: 'suspended' },
  resume: { from: ['suspended'], to: 'valid' },
  revoke: { from: ['valid', 'suspended'], to: 'revoked' },
};

/** What a request names: a subject, and all of its certificates or one. */
export interface Target {
  subject: string;
  kind: Kind;
  /** The last that touched the subject. */
  revision: number;
  /** Its record is closed. */
  retired: boolean;
  rows: CertificateRow[];
}

export interface ChangedStandings {
  certificates: CertificateRow[];
  tokens: number;
  /** Certificates that something holds, of which something else is underneath than before. */
  beneath: number;
  /** Those that were revoked before, of which verifiers are told now that others have the key. */
  lost: CertificateRow[];
}

/** Changes those that the action applies to. Repeating what is so already is no mistake; naming only final ones is, unless `final` ones may be among many. */
export async function changeStandings(
  change: ChangeTransaction,
  action: StandingsRequest['action'],
  targets: readonly Target[],
  { final = targets.length > 1, reasonCode }: { final?: boolean; reasonCode?: RevocationReason | undefined } = {},
): Promise<ChangedStandings> {
  const { from, to } = transitions[action];
  const held = await heldOf(
    change.db,
    targets.map(({ subject }) => subject),
  );
  // Of what is held the standing stays suspended; what is final ends it all the same.
  const open = targets.filter(({ subject }) => action === 'revoke' || !held.has(subject));
  const certificates = open.flatMap(({ rows }) =>
    rows.filter((row) => row.archivedAt === undefined && from.includes(row.standing)),
  );
  const beneath = action === 'revoke' ? 0 : await changeBeneath(change, targets, { from, to });
  const tokens = action === 'resume' ? 0 : await voidTokens(change, targets);
  const lost = action === 'revoke' && reasonCode === keyCompromise ? await markLost(change, targets) : [];
  const [first] = targets;
  const isHeld = first !== undefined && held.has(first.subject) && action !== 'revoke';
  if (!final && first && !isHeld && certificates.length + tokens + beneath + lost.length === 0)
    requireNotFinal(first, action);
  await setStandings(change, certificates, to, reasonCode ?? null);
  return { certificates, tokens, beneath, lost };
}

const keyCompromise: RevocationReason = 'keyCompromise';

/**
 * That others have a key is often known later than that its certificate is not to be used any more: the reason becomes that one (Mozilla Root Store
 * Policy §6.1.1), and by whom, when and at which revision it was revoked stays. No other reason takes the place of one.
 */
async function markLost(change: ChangeTransaction, targets: readonly Target[]): Promise<CertificateRow[]> {
  const rows = targets.flatMap((target) =>
    target.rows.filter((row) => row.standing === 'revoked' && row.reasonCode !== keyCompromise),
  );
  for (let from = 0; from < rows.length; from += perStatement) {
    const some = rows.slice(from, from + perStatement);
    const fingerprints = some.map((row) => row.fingerprint);
    for (const table of ['certificates', 'archivedCertificates'] as const)
      await change.db
        .updateTable(table)
        .set({ reasonCode: keyCompromise })
        .where('fingerprint', 'in', fingerprints)
        .where('standing', '=', 'revoked')
        .execute();
    await touch(change, some);
  }
  return rows;
}

function requireNotFinal({ subject, kind, rows }: Target, action: StandingsRequest['action']): void {
  const { from, to } = transitions[action];
  const [first] = rows;
  // Nothing would be cut: its tracker's certificates are the tracker's.
  if (!first && kind === 'shipment') {
    const stops = '"portcullis shipment stop" stops it, and a cut of its tracker cuts that';
    throw new PortcullisError('certificate_unknown', `"${subject}" has no certificate of its own; ${stops}`);
  }
  if (!first || rows.some((row) => row.standing === to)) return;
  const is = first.archivedAt === undefined ? first.standing : 'archived, for it ended';
  throw new PortcullisError(
    'standing_final',
    `no certificate of "${subject}" can ${action}: it is ${is}; only [${from.join(', ')}] can`,
  );
}

/** Leaves one that is final as it is, whatever the row says that was read before. */
export async function setStanding(change: ChangeTransaction, row: CertificateRow, standing: Standing): Promise<void> {
  const { db, revision, at, actor, reason } = change;
  const { numUpdatedRows } = await db
    .updateTable('certificates')
    .set({ standing, revision, changedAt: at, changedBy: actor, reason, reasonCode: null })
    .where('fingerprint', '=', row.fingerprint)
    .where('standing', 'in', ['valid', 'suspended'])
    .executeTakeFirst();
  if (numUpdatedRows === 0n) return;
  if (isFinal(standing)) await forgetKeys(db, [row.fingerprint]);
  await db.updateTable('subjects').set({ revision }).where('id', '=', row.subject).execute();
  if (row.purpose === 'client') change.certificate(row.subject, row.kind, { ...row, standing });
}

/** A token that was made before the cut must not be a way around it. */
async function voidTokens(change: ChangeTransaction, targets: readonly Target[]): Promise<number> {
  let voided = 0;
  for (let from = 0; from < targets.length; from += perStatement) {
    const some = targets.slice(from, from + perStatement);
    const open = await openTokens(change.db, some);
    if (open.length === 0) continue;
    const ids = open.map(({ id }) => id);
    await change.db.updateTable('tokens').set({ voided: 1 }).where('id', 'in', ids).execute();
    const having = new Set(open.map(({ subject }) => subject));
    await touch(
      change,
      some.filter(({ subject }) => having.has(subject)),
    );
    voided += open.length;
  }
  return voided;
}

function openTokens(db: Writer, targets: readonly Target[]): Promise<{ id: string; subject: string }[]> {
  const subjects = targets.map(({ subject }) => subject);
  return db
    .selectFrom('tokens')
    .select(['id', 'subject'])
    .where('subject', 'in', subjects)
    .where('voided', '=', 0)
    .execute();
}

/** Throws away the whole change when it cut an operator and no other could take that back. */
export async function requireOperatorLeft(
  { db }: ChangeTransaction,
  cut: CertificateRow[],
  now: number,
): Promise<void> {
  if (!cut.some((row) => row.kind === 'operator' && row.readOnly === 0)) return;
  const left = await db
    .selectFrom('subjects')
    .innerJoin('certificates', 'certificates.subject', 'subjects.id')
    .select('certificates.fingerprint')
    .where('subjects.kind', '=', 'operator')
    .where('subjects.readOnly', '=', 0)
    .where('certificates.standing', '=', 'valid')
    // Nobody has shown yet to hold the key of one that is not confirmed.
    .where('certificates.confirmed', '=', 1)
    .where('certificates.notAfter', '>', now)
    .limit(1)
    .executeTakeFirst();
  if (left) return;
  throw new PortcullisError(
    'last_operator',
    'this would cut the last operator with a valid certificate; add another one first',
  );
}
