import { createHash } from 'node:crypto';
import { setImmediate as aTurn } from 'node:timers/promises';
import { sql } from 'kysely';
import type { By, Journal } from '../../journal/journal.ts';
import type { Signer } from '../../keys/keys.ts';
import { makeList, nextListNumber, readAuthority } from '../../pki/pki.ts';
import type { Schema, Store, Writer } from '../../storage/storage.ts';
import { type Log, type System, timestamp } from '../../telemetry/telemetry.ts';
import { type ArchivedCut, archivedCut } from './archived-cut.ts';
import { broughtList, entriesOn } from './brought-list.ts';

/** Whose list it is. */
export interface ListIssuer {
  /** The name of its key. */
  key: string;
  /** Common name. */
  name: string;
  role: 'device' | 'infrastructure' | 'root';
  /** Its certificate in DER; the serial of that in hex, and the common name of who signed it. */
  certificate: Buffer;
  serial: string;
  issuer: string;
  notAfter: number;
  /** Undefined: its key is not here, and nobody signs a list. */
  signer: Signer | undefined;
}

/** One complete list of one issuer, in DER. Times are milliseconds since 1970. */
export type RevocationList = Schema['revocationLists'];

export interface Lists {
  /** The newest of each issuer. */
  current(): readonly RevocationList[];
  /** Of all of them together: another one where any of them is another. */
  readonly mark: string;
  /** A desk gave out one of this number, and of no root. Where none here is so high the newest were lost, and others are made above it. */
  given(number: number): void;
  /** Takes a list of a root whose key is elsewhere. @throws {PortcullisError} `file_unusable` */
  add(by: By, der: Buffer): Promise<RevocationList>;
  /** Resolves when what is on record by now is on the lists. */
  settled(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Parts {
  store: Store;
  journal: Pick<Journal, 'onChange' | 'note'>;
  issuers(): readonly ListIssuer[];
  /** Called when there may be others. Returns how to stop. Not given: there never are. */
  onIssuers?(listener: () => void): () => void;
  system: System;
  log: Log;
}

const [minute, day] = [60_000, 86_400_000];
/** OpenSSL refuses a list of the future, however near (FINDINGS C). */
export const backdateMs = 5 * minute;
/** How long a list holds. It is made anew at half of that, and soon after each revocation. */
export const lifetimeMs = { device: day, infrastructure: day, root: 180 * day } as const;
/** Of many revocations at once one list comes. */
const debounceMs = 1_000;
const lookMs = 60_000;
const retryMs = 10_000;
/** A desk's word raises numbers to no more than what this clock, if it was ahead by so much, would have given. */
const aheadMsMax = 20 * 366 * day;
/** Of a long list, in one turn of the loop. */
const rowsInATurn = 5_000;

/**
 * Lists for third parties, made in the background (P11): a revocation waits for none of them. What was made before is served until the
 * next one is whole and on disk.
 */
export async function openLists(parts: Parts): Promise<Lists> {
  const kept = new KeptLists(parts);
  await kept.open();
  return kept;
}

class KeptLists implements Lists {
  readonly #parts: Parts;
  readonly #current = new Map<string, RevocationList>();
  /** Those of whom was told that they have no list. */
  readonly #told = new Set<string>();
  #dirty = true;
  /** Lists of higher numbers were given out than are here: each that is not above this is made anew. */
  #lostUpTo = 0;
  #archived: readonly ArchivedCut[] = [];
  /** At the last look: where the clock is before that, what it archived meanwhile may not have ended. */
  #lookedAt = Number.POSITIVE_INFINITY;
  #running: Promise<void> = Promise.resolve();
  #isRunning = false;
  #stopped = false;
  #soon: NodeJS.Timeout | undefined;
  #looking: NodeJS.Timeout | undefined;
  #stopHearing: () => void = () => undefined;
  #stopHearingIssuers: () => void = () => undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get mark(): string {
    const names = this.current().map(({ issuer, number, thisUpdate }) => `${issuer} ${number} ${thisUpdate}`);
    return createHash('sha256').update(names.toSorted().join('\n')).digest('hex');
  }

  current(): readonly RevocationList[] {
    return [...this.#current.values()];
  }

  async open(): Promise<void> {
    const { store, journal } = this.#parts;
    const rows = await store.read((db) => db.selectFrom('revocationLists').selectAll().execute());
    for (const row of rows) this.#current.set(row.issuer, row);
    this.#stopHearing = journal.onChange(({ subjects, draft }) => {
      if (draft || subjects.some(({ certificates = [] }) => certificates.length > 0)) this.#changed();
    });
    this.#stopHearingIssuers = this.#parts.onIssuers?.(() => this.#changed()) ?? this.#stopHearingIssuers;
    this.#looking = setInterval(() => this.#wake(), lookMs).unref();
    this.#wake();
  }

  #changed(lookInMs = debounceMs): void {
    this.#dirty = true;
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.#wake();
    }, lookInMs).unref();
  }

  async settled(): Promise<void> {
    // What is under way may have read what was before.
    await this.#running;
    this.#dirty = true;
    this.#wake();
    await this.#running;
  }

  given(number: number): void {
    const { system, log } = this.#parts;
    const known = this.#highest();
    if (number <= known || number > Math.floor((system.now() + aheadMsMax) / 1_000)) return;
    log.warn(
      { number, known },
      'a desk gave out a list of a higher number than any here; those that are made go on after it',
    );
    this.#lostUpTo = number;
    this.#changed();
  }

  /** Issuers count together, so that one number says how far all of them are; a root counts alone: its lists may come from elsewhere. */
  #highest(): number {
    const issuers = this.#parts.issuers().filter(({ role }) => role !== 'root');
    return Math.max(this.#lostUpTo, ...issuers.map(({ key }) => this.#current.get(key)?.number ?? 0));
  }

  async add(by: By, der: Buffer): Promise<RevocationList> {
    // One at a time makes or takes a list: numbers rise.
    while (this.#isRunning) await this.#running;
    const taking = this.#take(by, der);
    this.#hold(taking.then(() => undefined).catch(() => undefined));
    return taking;
  }

  async #take(by: By, der: Buffer): Promise<RevocationList> {
    const { journal, issuers, system } = this.#parts;
    const known = { issuers: issuers(), before: (key: string) => this.#current.get(key), now: system.now() };
    const row = broughtList(der, known);
    const { issuer, number, nextUpdate, entries } = row;
    const body = { issuer, number, nextUpdate: timestamp(nextUpdate), entries };
    await journal.note({ ...by, action: 'revocation_lists.add', body }, (db) => store(db, row));
    this.#current.set(issuer, row);
    return row;
  }

  #wake(): void {
    if (!this.#stopped && !this.#isRunning) this.#hold(this.#run());
  }

  #hold(work: Promise<void>): void {
    this.#isRunning = true;
    this.#running = work.finally(() => {
      this.#isRunning = false;
      // What changed meanwhile, if its wake-up came meanwhile too; after a failure a later one is set.
      if (this.#dirty && !this.#soon) this.#wake();
    });
  }

  async #run(): Promise<void> {
    const { store, system, log } = this.#parts;
    const now = system.now();
    try {
      if (now < this.#lookedAt) this.#archived = await archivedCut(store, now);
      this.#lookedAt = now;
    } catch (error) {
      log.error({ err: error }, "couldn't read what is archived, for lists of revoked certificates; trying again");
      return this.#changed(retryMs);
    }
    const dirty = this.#dirty;
    this.#dirty = false;
    for (const issuer of this.#parts.issuers()) {
      if (this.#stopped) return;
      try {
        if (dirty || this.#isDue(issuer)) await this.#remake(issuer);
      } catch (error) {
        this.#parts.log.error(
          { err: error, issuer: issuer.key },
          "couldn't make a list of revoked certificates; trying again",
        );
        this.#changed(retryMs);
      }
      await aTurn();
    }
  }

  /** At half of its life, and where the clock went back behind it. */
  #isDue({ key, role }: ListIssuer): boolean {
    const list = this.#current.get(key);
    const now = this.#parts.system.now();
    return !list || now - list.thisUpdate > lifetimeMs[role] / 2 || now < list.thisUpdate;
  }

  async #remake(issuer: ListIssuer): Promise<void> {
    const { signer, key, name, role, notAfter, certificate: issuerCertificate } = issuer;
    const now = this.#parts.system.now();
    // Of who ended nothing holds any more that a list could be about.
    if (!signer || now >= notAfter || !this.#mayRevoke(issuer)) return;
    const before = this.#current.get(key);
    const stands = before && role === 'root' ? entriesOn(before) : [];
    const entries = await this.#entriesOf(name, { since: Math.min(before?.thisUpdate ?? now, now), stands });
    const isLost = role !== 'root' && (before?.number ?? 0) <= this.#lostUpTo;
    if (before && !isLost && !this.#isDue(issuer) && isOf(before, entries)) return;
    const times = {
      thisUpdate: now - backdateMs,
      nextUpdate: Math.min(now + lifetimeMs[role], notAfter),
    };
    const number = nextListNumber(role === 'root' ? (before?.number ?? 0) : this.#highest(), now);
    const der = await makeList({ issuerCertificate, number, ...times, entries: entries.list }, signer);
    const row = { issuer: key, number, der, ...times, entries: entries.list.length };
    // On disk before anybody has it: a number is never given twice.
    await this.#parts.store.change((db) => store(db, row));
    this.#current.set(key, row);
    digests.set(row, entries.digest);
  }

  /** Of a root that was brought: where its key usage has no cRLSign, verifiers refuse what it signs (RFC 5280 §4.2.1.3, §6.3.3 f). */
  #mayRevoke({ key, name, role, certificate }: ListIssuer): boolean {
    if (role !== 'root' || readAuthority(certificate).mayRevoke !== false) return true;
    if (!this.#told.has(key))
      this.#parts.log.warn({ issuer: key }, `"${name}" may not sign lists (key usage: cRLSign): it has none`);
    this.#told.add(key);
    return false;
  }

  /**
   * What ended before the list before this one is left out: it stood on one after its end (RFC 5280 §3.3). All that is asked for stands in
   * the index of those that are cut, and nothing else is read; the issuer of a key credential is its form, and no issuer here. `stands`: what a
   * root revoked elsewhere, of which no record is here.
   */
  async #entriesOf(issuer: string, { since, stands }: { since: number; stands: Stood[] }): Promise<Entries> {
    const rows = await this.#parts.store.read((db) =>
      db
        .selectFrom('certificates')
        .select(['serial', 'changedAt'])
        .where('issuer', '=', issuer)
        .where('standing', 'in', [sql.lit('revoked' as const), sql.lit('suspended' as const)])
        .where('notAfter', '>=', since)
        .execute(),
    );
    const list: Entries['list'] = [];
    const hash = createHash('sha256');
    const archived = this.#archived.filter((one) => one.issuer === issuer && one.notAfter >= since);
    const sorted = [...rows, ...archived, ...stands].toSorted((one, other) => (one.serial < other.serial ? -1 : 1));
    for (const [index, { serial, changedAt }] of sorted.entries()) {
      list.push({ serial: Buffer.from(serial, 'hex'), revokedAt: changedAt });
      hash.update(`${serial} ${changedAt}\n`);
      if (index % rowsInATurn === rowsInATurn - 1) await aTurn();
    }
    return { list, digest: hash.digest('hex') };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#stopHearing();
    this.#stopHearingIssuers();
    clearTimeout(this.#soon);
    clearInterval(this.#looking);
    await this.#running;
  }
}

type Stood = { serial: string; changedAt: number };

async function store(db: Writer, row: RevocationList): Promise<void> {
  const inserted = db.insertInto('revocationLists').values(row);
  await inserted.onConflict((conflict) => conflict.column('issuer').doUpdateSet(row)).execute();
}

interface Entries {
  list: { serial: Buffer; revokedAt: number }[];
  digest: string;
}

/** What stands on a list that this process made. */
const digests = new WeakMap<RevocationList, string>();
const isOf = (list: RevocationList, { digest }: Entries) => digests.get(list) === digest;
