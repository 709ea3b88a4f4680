import { certificatesNamedMax, type Fingerprint, PortcullisError, type StandingsRequest } from '@portcullis/contract';
import type { ChangeTransaction, Journal } from '../journal/journal.ts';
import { kept, type Reader, type Store } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';
import { requireNotCut } from './cut.ts';
import { livingDescendants, supersedeLine } from './descent.ts';
import { endingSubjects } from './ending.ts';
import { hold, isHeld, letGo } from './held.ts';
import { listCertificates } from './list.ts';
import type { CertificateRow, Revocation, StandingChange } from './promises.ts';
import { rows } from './rows.ts';
import { type ChangedStandings, changeStandings, requireOperatorLeft, setStanding, type Target } from './standing.ts';
import { ofSubjects } from './targets.ts';
import { undoStandings } from './undo.ts';

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
      const { reasonCode } = request;
      if (reasonCode !== undefined && request.action !== 'revoke')
        throw new PortcullisError('request_malformed', `a reason code is for "revoke"; "${request.action}" has none`);
      const entry = { ...by, action: `certificates.${request.action}` };
      const { result, revision } = await journal
        .change(entry, async (change) => {
          const named = await targetsOf(change.db, request);
          const changed = await changeStandings(change, request.action, named, { reasonCode });
          if (request.action !== 'resume') await requireOperatorLeft(change, changed.certificates, system.now());
          if (reasonCode !== undefined) change.about({ reasonCode });
          if (countOf(changed) === 0) unchanged(change, named);
          const done = {
            changed: countOf(changed),
            fingerprints: fingerprintsOf([...changed.certificates, ...changed.lost]),
          };
          if (request.dryRun) throw new Rehearsed(done, change.revision - 1);
          return done;
        })
        .catch(rehearsed);
      return { revision, ...result };
    },
    async retire(by, subject): Promise<StandingChange> {
      const { result, revision } = await journal.change({ ...by, action: 'subject.retire' }, async (change) => {
        const named = await ofSubjects(change.db, [subject]);
        const { certificates: open, tokens } = await changeStandings(change, 'revoke', named, {
          final: true,
          reasonCode: 'cessationOfOperation',
        });
        const closed = await closeRecord(change, named);
        await requireOperatorLeft(change, open, system.now());
        const changed = open.length + tokens + closed;
        if (changed === 0) unchanged(change, named);
        return { changed, fingerprints: fingerprintsOf(open) };
      });
      return { revision, ...result };
    },
    undo: (change, record) => undoStandings(change, record, system.now()),
    async hold(change, subject) {
      const suspended = await hold(change, subject);
      await requireOperatorLeft(change, suspended, system.now());
      return suspended.length;
    },
    letGo,
    async cut(change, action, fingerprint) {
      const changed = await changeStandings(change, action, await targetsOf(change.db, { action, fingerprint }));
      await requireOperatorLeft(change, changed.certificates, system.now());
      return countOf(changed);
    },
    isHeld,
    requireNotCut,
    supersede: (change, certificate) => setStanding(change, certificate, 'superseded'),
    supersedeLine,
    find: (fingerprint, db) => (db ? findRow(db, fingerprint) : store.lookUp((db) => findRow(db, fingerprint))),
    findEver: (fingerprint) => store.read((db) => findEver(db, fingerprint)),
    ending: (withinMs) => store.read((db) => endingSubjects(db, system.now(), system.now() + withinMs)),
    list: (query) => store.read((db) => listCertificates(db, query, system.now())),
  };
}

const countOf = ({ certificates, tokens, beneath, lost }: ChangedStandings) =>
  certificates.length + tokens + beneath + lost.length;

type Done = Omit<StandingChange, 'revision'>;

/** All was done but to commit it. */
class Rehearsed extends Error {
  readonly told: { result: Done; revision: number };

  constructor(result: Done, revision: number) {
    super('rehearsed');
    this.told = { result, revision };
  }
}

function rehearsed(error: unknown): Rehearsed['told'] {
  if (error instanceof Rehearsed) return error.told;
  throw error;
}

/** Of those that are open; resolves to how many were. */
async function closeRecord(change: ChangeTransaction, named: readonly Target[]): Promise<number> {
  const { db, revision } = change;
  const open = named.filter(({ retired }) => !retired);
  for (const { subject, kind } of open) {
    await db.updateTable('subjects').set({ retired: 1, revision }).where('id', '=', subject).execute();
    change.touched(subject, kind);
  }
  return open.length;
}

/** It is in force since whatever touched one of them last. */
function unchanged(change: ChangeTransaction, named: readonly Target[]): void {
  const newest = named.reduce((least, { revision }) => Math.max(least, revision), 0);
  change.unchanged(
    newest,
    named.map(({ subject }) => subject),
  );
}

const fingerprintsOf = (rows: CertificateRow[]) =>
  rows.slice(0, certificatesNamedMax).map((row) => row.fingerprint as Fingerprint);

async function targetsOf(db: Reader, { subject, subjects, fingerprint }: StandingsRequest): Promise<Target[]> {
  const ways = [subject, subjects, fingerprint].filter((given) => given !== undefined);
  if (ways.length !== 1) throw new PortcullisError('request_malformed', 'name either subjects or a fingerprint');
  if (fingerprint === undefined) return ofSubjects(db, [...new Set(subjects ?? [subject as string])]);
  const row = await findEver(db, fingerprint);
  if (!row) throw new PortcullisError('certificate_unknown', `the fleet has no certificate "${fingerprint}"`);
  const line = [row, ...(await livingDescendants(db, row.fingerprint))];
  const found = await ofSubjects(db, [row.subject]);
  return found.map((target) => ({ ...target, rows: line }));
}

const ofFingerprint = (db: Pick<Reader, 'selectFrom'>, fingerprint: string, isArchived: boolean) =>
  rows(db, isArchived).where('certificates.fingerprint', '=', fingerprint);

/** Each request of a peer asks for its row. */
const selectRow = kept<{ fingerprint: string }, unknown, Reader>(['fingerprint'], (db, { fingerprint }) =>
  ofFingerprint(db, fingerprint, false),
);

async function findRow(db: Reader, fingerprint: string): Promise<CertificateRow | undefined> {
  const [row] = await selectRow(db, { fingerprint });
  return row as CertificateRow | undefined;
}

async function findEver(db: Reader, fingerprint: string): Promise<CertificateRow | undefined> {
  const row = await findRow(db, fingerprint);
  return row ?? ((await ofFingerprint(db, fingerprint, true).executeTakeFirst()) as CertificateRow | undefined);
}
