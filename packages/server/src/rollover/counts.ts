/** Who would be lost. All of it is read in pages, and the event loop gets a turn after each: an operator asks, and nothing waits for the answer. */
import { type Kind, rolloverNamedMax, type SubjectId, type Those } from '@portcullis/contract';
import { type ExpressionBuilder, type Nullable, sql } from 'kysely';
import { backdateMs, type FleetIssuer } from '../issuance/issuance.ts';
import type { Reader, Schema, Store } from '../storage/storage.ts';
import { aTurn } from '../telemetry/telemetry.ts';

const pageRows = 500;
/** Whoever of them lacks the new issuers can not let in who shows a leaf alone, or answer for their certificates. */
const processes: readonly Kind[] = ['gate', 'desk'];
const standings = ['valid', 'suspended'] as const;
/** What outlives the issuer's place in the bundle; server certificates and those for answers renew themselves within a day or two weeks. */
const lasting: readonly string[] = ['client', 'label'];

interface Named {
  subject: string;
  kind: string;
}

class Counted {
  readonly #seen = new Set<string>();
  readonly #named: Named[] = [];

  add({ subject, kind }: Named): void {
    if (this.#seen.has(subject)) return;
    this.#seen.add(subject);
    if (this.#named.length < rolloverNamedMax) this.#named.push({ subject, kind });
  }

  end(): Those {
    const named = this.#named.map(({ subject, kind }) => ({ subject: subject as SubjectId, kind: kind as Kind }));
    return { count: this.#seen.size, named };
  }
}

/** A version of the bundle, and when it came: milliseconds since 1970. */
export interface BundleAt {
  version: number;
  at: number;
}

/**
 * Who has a certificate and is not known to hold this bundle. It came with each certificate that was issued since, once that is confirmed; but by EST
 * nothing comes with one. Who runs a process of the fleet says so beside that.
 */
export async function lackingBundle(store: Store, bundle: BundleAt, now: number): Promise<Those> {
  const counted = new Counted();
  for (const standing of standings) {
    for (let after: { notAfter: number; fingerprint: string } | undefined; ; await aTurn()) {
      const page = await store.read((db) => pageOf(db, { standing, now, after, bundle }));
      for (const one of page) if (!one.holds) counted.add(one);
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

interface PageAsked {
  standing: (typeof standings)[number];
  now: number;
  after: { notAfter: number; fingerprint: string } | undefined;
  bundle: BundleAt;
}

function pageOf(db: Reader, { standing, now, after, bundle }: PageAsked) {
  return db
    .selectFrom('certificates')
    .innerJoin('subjects', 'subjects.id', 'certificates.subject')
    .leftJoin('bundlesHeld', 'bundlesHeld.subject', 'subjects.id')
    .select(['certificates.fingerprint', 'certificates.subject', 'certificates.notAfter', 'subjects.kind'])
    .select((expressions) => holds(expressions, bundle).as('holds'))
    .where('certificates.standing', '=', sql.lit(standing))
    .where('certificates.purpose', '=', sql.lit('client'))
    .where('certificates.form', '=', 'certificate')
    .where('certificates.notAfter', '>', now)
    .where(({ eb, refTuple, tuple }) =>
      eb(
        refTuple('certificates.notAfter', 'certificates.fingerprint'),
        '>',
        tuple(after?.notAfter ?? now, after?.fingerprint ?? ''),
      ),
    )
    .orderBy('certificates.notAfter')
    .orderBy('certificates.fingerprint')
    .limit(pageRows)
    .execute();
}

type Asked = ExpressionBuilder<Schema & { bundlesHeld: Nullable<Schema['bundlesHeld']> }, 'subjects' | 'bundlesHeld'>;

function holds({ or, and, not, exists, selectFrom, eb }: Asked, { version, at }: BundleAt) {
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
    .where('since.notBefore', '>=', at - backdateMs - 1_000);
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
