/** Who would be lost. All of it is read in pages, and the event loop gets a turn after each: an operator asks, and nothing waits for the answer. */
import { Kind, rolloverNamedMax, type SubjectId, type Those } from '@portcullis/contract';
import { type ExpressionBuilder, type Nullable, sql } from 'kysely';
import type { FleetIssuer } from '../issuance/issuance.ts';
import type { Reader, Schema, Store } from '../storage/storage.ts';
import { aTurn } from '../telemetry/telemetry.ts';

const pageRows = 500;
/** Whoever of them lacks the new issuers can not let in who shows a leaf alone, or answer for their certificates. */
const processes: readonly Kind[] = ['gate', 'desk'];
/** Without one of them nobody else comes in, or back: they are told first. */
export const isProcess = (kind: string) => (processes as readonly string[]).includes(kind);
const standings = ['valid', 'suspended'] as const;
/** What outlives the issuer's place in the bundle; server certificates and those for answers renew themselves within a day or two weeks. */
const lasting: readonly string[] = ['client', 'label'];

interface Named {
  subject: string;
  kind: string;
}

class Counted {
  readonly #seen = new Set<string>();
  readonly #processes: Named[] = [];
  readonly #others: Named[] = [];

  add({ subject, kind }: Named): void {
    if (this.#seen.has(subject)) return;
    this.#seen.add(subject);
    const named = isProcess(kind) ? this.#processes : this.#others;
    if (named.length < rolloverNamedMax) named.push({ subject, kind });
  }

  end(): Those {
    const first = [...this.#processes, ...this.#others].slice(0, rolloverNamedMax);
    const named = first.map(({ subject, kind }) => ({ subject: subject as SubjectId, kind: kind as Kind }));
    return { count: this.#seen.size, named };
  }
}

/** A version of the bundle, and when it came. Times are milliseconds since 1970. */
export interface BundleAt {
  version: number;
  at: number;
  /** What is issued from then on is valid from this moment at the earliest. */
  notBeforeMin: number;
}

/**
 * Who has a certificate and is not known to hold this bundle. It came with each certificate that was issued since, once that is confirmed; but by EST
 * nothing comes with one. Who runs a process of the fleet says so beside that. Who slept past the end of its certificate counts for as long as
 * it may still renew: it asks below the roots that it has.
 */
export async function lackingBundle(store: Store, bundle: BundleAt, { now, renewableMs }: Renewable): Promise<Those> {
  const counted = new Counted();
  const since = now - Math.max(...Kind.options.map(renewableMs));
  for (const standing of standings) {
    for (let after: { notAfter: number; fingerprint: string } | undefined; ; await aTurn()) {
      const page = await store.read((db) => pageOf(db, { standing, since, after, bundle }));
      for (const one of page) {
        if (!one.holds && one.notAfter > now - renewableMs(one.kind as Kind)) counted.add(one);
      }
      if (page.length < pageRows) break;
      after = page.at(-1);
    }
  }
  return counted.end();
}

/** The same of the fleet's own processes, which are few. */
export async function lackingProcesses(store: Store, bundle: BundleAt, now: number): Promise<Those> {
  const counted = new Counted();
  const rows = await store.read((db) =>
    db
      .selectFrom('subjects')
      .leftJoin('bundlesHeld', 'bundlesHeld.subject', 'subjects.id')
      .select(['subjects.id as subject', 'subjects.kind', (expressions) => holds(expressions, bundle).as('holds')])
      .where('subjects.kind', 'in', processes)
      .where(({ exists, selectFrom }) =>
        exists(
          selectFrom('certificates')
            .select('fingerprint')
            .whereRef('certificates.subject', '=', 'subjects.id')
            .where('purpose', '=', 'client')
            .where('standing', 'in', standings)
            .where('notAfter', '>', now),
        ),
      )
      .orderBy('subjects.id')
      .execute(),
  );
  for (const one of rows) if (!one.holds) counted.add(one);
  return counted.end();
}

interface Renewable {
  now: number;
  /** For how long after its end a certificate of this kind may be renewed. */
  renewableMs(kind: Kind): number;
}

interface PageAsked {
  standing: (typeof standings)[number];
  /** When the certificate ends at the earliest. */
  since: number;
  after: { notAfter: number; fingerprint: string } | undefined;
  bundle: BundleAt;
}

function pageOf(db: Reader, { standing, since, after, bundle }: PageAsked) {
  return db
    .selectFrom('certificates')
    .innerJoin('subjects', 'subjects.id', 'certificates.subject')
    .leftJoin('bundlesHeld', 'bundlesHeld.subject', 'subjects.id')
    .select(['certificates.fingerprint', 'certificates.subject', 'certificates.notAfter', 'subjects.kind'])
    .select((expressions) => holds(expressions, bundle).as('holds'))
    .where('certificates.standing', '=', sql.lit(standing))
    .where('certificates.purpose', '=', sql.lit('client'))
    .where('certificates.form', '=', 'certificate')
    .where('certificates.notAfter', '>', since)
    .where(({ eb, refTuple, tuple }) =>
      eb(
        refTuple('certificates.notAfter', 'certificates.fingerprint'),
        '>',
        tuple(after?.notAfter ?? since, after?.fingerprint ?? ''),
      ),
    )
    .orderBy('certificates.notAfter')
    .orderBy('certificates.fingerprint')
    .limit(pageRows)
    .execute();
}

type Asked = ExpressionBuilder<Schema & { bundlesHeld: Nullable<Schema['bundlesHeld']> }, 'subjects' | 'bundlesHeld'>;

function holds({ or, and, not, exists, selectFrom, eb }: Asked, { version, at, notBeforeMin }: BundleAt) {
  const byEst = selectFrom('estSubjects')
    .select('estSubjects.subject')
    .whereRef('estSubjects.subject', '=', 'subjects.id');
  const since = selectFrom('certificates as since')
    .select('since.subject')
    .whereRef('since.subject', '=', 'subjects.id')
    .where('since.purpose', '=', 'client')
    .where('since.form', '=', 'certificate')
    .where('since.standing', 'in', standings)
    .where('since.confirmed', '=', 1)
    .where('since.issuedAt', '>=', at)
    // One that was brought from elsewhere is older than that it came here.
    .where('since.notBefore', '>=', notBeforeMin);
  return or([eb('bundlesHeld.version', '>=', version), and([not(exists(byEst)), exists(since)])]);
}

/** Who has a certificate of one of these that lasts. */
export async function belowIssuers(store: Store, issuers: readonly FleetIssuer[], now: number): Promise<Those> {
  const counted = new Counted();
  for (const { name } of issuers) {
    for (let after = ''; ; await aTurn()) {
      const page = await store.read((db) => issuedPage(db, name, after));
      for (const one of page) {
        const { purpose, standing, notAfter } = one;
        const lives = (standings as readonly string[]).includes(standing) && notAfter > now;
        if (lives && lasting.includes(purpose)) counted.add(one);
      }
      if (page.length < pageRows) break;
      after = page.at(-1)?.serial ?? '';
    }
  }
  return counted.end();
}

function issuedPage(db: Reader, issuer: string, after: string) {
  return db
    .selectFrom('certificates')
    .innerJoin('subjects', 'subjects.id', 'certificates.subject')
    .select(['serial', 'purpose', 'standing', 'notAfter', 'certificates.subject', 'subjects.kind'])
    .where('issuer', '=', issuer)
    .where('serial', '>', after)
    .orderBy('serial')
    .limit(pageRows)
    .execute();
}

/** Below a root that goes, those too that were retired before with certificates of theirs. */
export function withBelow(leaves: readonly FleetIssuer[], all: readonly FleetIssuer[]): FleetIssuer[] {
  const roots = leaves.filter(({ role }) => role === 'root').map(({ name }) => name);
  return [...new Set([...leaves, ...all.filter(({ issuer }) => roots.includes(issuer))])];
}

export interface FleetNow {
  store: Store;
  issuance: { issuers(): readonly FleetIssuer[] };
  system: { now(): number };
}

/** Of the fleet's own processes who has certificates of a root that was retired, and no other. */
export async function lostProcesses({ store, issuance, system }: FleetNow): Promise<Those> {
  const issuers = issuance.issuers();
  const retired = issuers.filter(({ role, state }) => role === 'root' && state === 'retired');
  const names = withBelow(retired, issuers).map(({ name }) => name);
  const counted = new Counted();
  if (names.length === 0) return counted.end();
  const found = await store.read((db) =>
    db.selectFrom('subjects').select(['id as subject', 'kind']).where('kind', 'in', processes).orderBy('id').execute(),
  );
  for (const one of found) {
    const certificates = await store.read((db) => liveOf(db, one.subject, system.now()));
    if (certificates.length > 0 && certificates.every(({ issuer }) => names.includes(issuer))) counted.add(one);
  }
  return counted.end();
}

function liveOf(db: Reader, subject: string, now: number) {
  return db
    .selectFrom('certificates')
    .select('issuer')
    .where('subject', '=', subject)
    .where('purpose', '=', 'client')
    .where('standing', 'in', standings)
    .where('notAfter', '>', now)
    .execute();
}

/** Who has a client certificate of one of these, and none of another. */
export async function lostBelow(store: Store, issuers: readonly FleetIssuer[], now: number): Promise<Those> {
  const names = issuers.map(({ name }) => name);
  const counted = new Counted();
  for (const name of names) {
    for (let after = ''; ; await aTurn()) {
      const page = await store.read((db) =>
        lostIn(db, names, now).where('issuer', '=', name).where('serial', '>', after).limit(pageRows).execute(),
      );
      for (const one of page) counted.add(one);
      if (page.length < pageRows) break;
      after = page.at(-1)?.serial ?? '';
    }
  }
  return counted.end();
}

function lostIn(db: Reader, names: readonly string[], now: number) {
  return db
    .selectFrom('certificates')
    .innerJoin('subjects', 'subjects.id', 'certificates.subject')
    .select(['serial', 'certificates.subject', 'subjects.kind'])
    .where('purpose', '=', 'client')
    .where('standing', 'in', standings)
    .where('notAfter', '>', now)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('certificates as other')
            .select('other.fingerprint')
            .whereRef('other.subject', '=', 'certificates.subject')
            .where('other.purpose', '=', 'client')
            .where('other.standing', 'in', standings)
            .where('other.notAfter', '>', now)
            .where('other.issuer', 'not in', names),
        ),
      ),
    )
    .orderBy('serial');
}

/** Whether this subject keeps a client certificate that is of none of these. */
export async function isAbove(
  store: Store,
  issuers: readonly FleetIssuer[],
  { subject, now }: { subject: string; now: number },
): Promise<boolean> {
  const rows = await store.read((db) =>
    db
      .selectFrom('certificates')
      .select('issuer')
      .where('subject', '=', subject)
      .where('purpose', '=', 'client')
      .where('standing', '=', 'valid')
      .where('notAfter', '>', now)
      .execute(),
  );
  return rows.some(({ issuer }) => !issuers.some(({ name }) => name === issuer));
}

/** Whose token was made before the bundle, and could still be used: it names the roots of then. */
export async function olderTokens(store: Store, { at }: BundleAt, now: number): Promise<Those> {
  const counted = new Counted();
  for (let after = ''; ; await aTurn()) {
    const page = await store.read((db) =>
      db
        .selectFrom('tokens')
        .select(['id', 'subject', 'kind', 'createdAt', 'publicKey', 'voided', 'expiresAt'])
        .where('id', '>', after)
        .orderBy('id')
        .limit(pageRows)
        .execute(),
    );
    for (const { createdAt, publicKey, voided, expiresAt, ...one } of page) {
      if (createdAt < at && publicKey === null && !voided && expiresAt > now) counted.add(one);
    }
    if (page.length < pageRows) return counted.end();
    after = page.at(-1)?.id ?? '';
  }
}
