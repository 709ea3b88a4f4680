import { type CertificateView, type Kind, PortcullisError, type StandingsRequest } from '@portcullis/contract';
import type { ChangeTransaction, Journal } from '../journal/journal.ts';
import type { Reader, Store } from '../storage/storage.ts';
import { type System, timestamp } from '../telemetry/telemetry.ts';
import type { CertificateRow, Revocation, StandingChange } from './revocation.ts';
import { changeStandings, requireOperatorLeft, setStanding, type Targets, voidTokens } from './standing.ts';

export function openRevocation({
  store,
  journal,
  system,
}: {
  store: Store;
  journal: Journal;
  system: System;
}): Revocation {
  return {
    async change(by, request) {
      const entry = { ...by, action: `certificates.${request.action}` };
      const { result, revision } = await journal.change(entry, async (change) => {
        const changed = await changeStandings(change, request.action, await targets(change.db, request));
        if (request.action !== 'resume') await requireOperatorLeft(change, changed, system.now());
        return changed;
      });
      return { revision, fingerprints: fingerprintsOf(result) };
    },
    async retire(by, subject): Promise<StandingChange> {
      const { result, revision } = await journal.change({ ...by, action: 'subject.retire' }, async (change) => {
        const rows = await ofSubject(change.db, subject);
        const open = rows.filter((row) => row.standing === 'valid' || row.standing === 'suspended');
        await voidTokens(change.db, subject);
        for (const row of open) await setStanding(change, row, 'revoked');
        await change.db
          .updateTable('subjects')
          .set({ retired: 1, revision: change.revision })
          .where('id', '=', subject)
          .execute();
        await requireOperatorLeft(change, open, system.now());
        return open;
      });
      return { revision, fingerprints: fingerprintsOf(result) };
    },
    supersede: (change, certificate) => setStanding(change, certificate, 'superseded'),
    find: (fingerprint, db) => (db ? findRow(db, fingerprint) : store.read((db) => findRow(db, fingerprint))),
    list: (query) => store.read((db) => listRows(db, query)),
  };
}

const fingerprintsOf = (rows: CertificateRow[]) => rows.map((row) => row.fingerprint);

async function targets(db: ChangeTransaction['db'], request: StandingsRequest): Promise<Targets> {
  if ((request.subject === undefined) === (request.fingerprint === undefined)) {
    throw new PortcullisError('request_malformed', 'name either a subject or a fingerprint');
  }
  if (request.subject !== undefined) return { subject: request.subject, rows: await ofSubject(db, request.subject) };
  const row = await findRow(db, request.fingerprint as string);
  if (!row) throw new PortcullisError('certificate_unknown', `the fleet has no certificate "${request.fingerprint}"`);
  return { subject: row.subject, rows: [row] };
}

const rows = (db: Pick<Reader, 'selectFrom'>) =>
  db
    .selectFrom('certificates')
    .innerJoin('subjects', 'subjects.id', 'certificates.subject')
    .selectAll('certificates')
    .select('subjects.kind as kind');

async function ofSubject(db: ChangeTransaction['db'], subject: string): Promise<CertificateRow[]> {
  const known = await db.selectFrom('subjects').select('id').where('id', '=', subject).executeTakeFirst();
  if (!known) throw new PortcullisError('subject_unknown', `the fleet has no subject "${subject}"`);
  const found = await rows(db).where('certificates.subject', '=', subject).execute();
  return found as CertificateRow[];
}

async function findRow(db: Pick<Reader, 'selectFrom'>, fingerprint: string): Promise<CertificateRow | undefined> {
  const row = await rows(db).where('certificates.fingerprint', '=', fingerprint).executeTakeFirst();
  return row as CertificateRow | undefined;
}

async function listRows(
  db: Reader,
  query: { after?: string | undefined; limit: number; subject?: string | undefined },
): Promise<{ items: CertificateView[]; next: string | null }> {
  const found = await rows(db)
    .$if(query.subject !== undefined, (select) => select.where('certificates.subject', '=', query.subject as string))
    .where('certificates.fingerprint', '>', query.after ?? '')
    .orderBy('certificates.fingerprint')
    .limit(query.limit)
    .execute();
  const next = found.length === query.limit ? (found.at(-1)?.fingerprint ?? null) : null;
  return { items: (found as CertificateRow[]).map(certificateView), next };
}

export function certificateView(row: CertificateRow): CertificateView {
  return {
    fingerprint: row.fingerprint as CertificateView['fingerprint'],
    serial: row.serial,
    subject: row.subject as CertificateView['subject'],
    kind: row.kind as Kind,
    purpose: row.purpose as CertificateView['purpose'],
    standing: row.standing as CertificateView['standing'],
    notBefore: timestamp(row.notBefore),
    notAfter: timestamp(row.notAfter),
    issuer: row.issuer,
    revision: row.revision,
  };
}
