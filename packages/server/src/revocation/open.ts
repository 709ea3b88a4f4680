import { PortcullisError, type StandingsRequest } from '@portcullis/contract';
import type { ChangeTransaction, Journal } from '../journal/journal.ts';
import type { Reader, Store } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';
import { livingDescendants, supersedeLine } from './descent.ts';
import { endingSubjects } from './ending.ts';
import { listCertificates } from './list.ts';
import type { CertificateRow, Revocation, StandingChange } from './promises.ts';
import { requireSubject, rows } from './rows.ts';
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
        if (request.action !== 'resume') await requireOperatorLeft(change, changed.certificates, system.now());
        return changed;
      });
      const { certificates, tokens } = result;
      return { revision, changed: certificates.length + tokens, fingerprints: fingerprintsOf(certificates) };
    },
    async retire(by, subject): Promise<StandingChange> {
      const { result, revision } = await journal.change({ ...by, action: 'subject.retire' }, async (change) => {
        const rows = await ofSubject(change.db, subject);
        const open = rows.filter((row) => row.standing === 'valid' || row.standing === 'suspended');
        const voided = await voidTokens(change.db, subject);
        for (const row of open) await setStanding(change, row, 'revoked');
        const closed = await closeRecord(change, subject);
        await requireOperatorLeft(change, open, system.now());
        return { open, changed: open.length + Number(voided + closed) };
      });
      return { revision, changed: result.changed, fingerprints: fingerprintsOf(result.open) };
    },
    supersede: (change, certificate) => setStanding(change, certificate, 'superseded'),
    supersedeLine,
    find: (fingerprint, db) => (db ? findRow(db, fingerprint) : store.read((db) => findRow(db, fingerprint))),
    ending: (withinMs) => store.read((db) => endingSubjects(db, system.now(), system.now() + withinMs)),
    list: (query) => store.read((db) => listCertificates(db, query, system.now())),
  };
}

/** 1n when it was open. */
async function closeRecord({ db, revision }: ChangeTransaction, subject: string): Promise<bigint> {
  const closed = db.updateTable('subjects').set({ retired: 1, revision }).where('id', '=', subject);
  return (await closed.where('retired', '=', 0).executeTakeFirst()).numUpdatedRows;
}

const fingerprintsOf = (rows: CertificateRow[]) => rows.map((row) => row.fingerprint);

async function targets(db: ChangeTransaction['db'], request: StandingsRequest): Promise<Targets> {
  if ((request.subject === undefined) === (request.fingerprint === undefined)) {
    throw new PortcullisError('request_malformed', 'name either a subject or a fingerprint');
  }
  if (request.subject !== undefined) return { subject: request.subject, rows: await ofSubject(db, request.subject) };
  const row = await findRow(db, request.fingerprint as string);
  if (!row) throw new PortcullisError('certificate_unknown', `the fleet has no certificate "${request.fingerprint}"`);
  return { subject: row.subject, rows: [row, ...(await livingDescendants(db, row.fingerprint))] };
}

async function ofSubject(db: ChangeTransaction['db'], subject: string): Promise<CertificateRow[]> {
  await requireSubject(db, subject);
  const found = await rows(db).where('certificates.subject', '=', subject).execute();
  return found as CertificateRow[];
}

async function findRow(db: Pick<Reader, 'selectFrom'>, fingerprint: string): Promise<CertificateRow | undefined> {
  const row = await rows(db).where('certificates.fingerprint', '=', fingerprint).executeTakeFirst();
  return row as CertificateRow | undefined;
}
