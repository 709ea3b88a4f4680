import { createHash } from 'node:crypto';
import { setImmediate as aTurn } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Journal } from '../../journal/journal.ts';
import type { Signer } from '../../keys/keys.ts';
import { makeList } from '../../pki/pki.ts';
import type { Schema, Store } from '../../storage/storage.ts';
import type { Log, System } from '../../telemetry/telemetry.ts';

/** Whose list it is. */
export interface ListIssuer {
  /** The name of its key. */
  key: string;
  /** Common name. */
  name: string;
  role: 'device' | 'infrastructure' | 'root';
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
  /** Resolves when what is on record by now is on the lists. */
  settled(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Parts {
  store: Store;
  journal: Pick<Journal, 'onChange'>;
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
  #dirty = true;
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

  #wake(): void {
    if (this.#stopped || this.#isRunning) return;
    this.#isRunning = true;
    this.#running = this.#run().finally(() => {
      this.#isRunning = false;
      // What changed meanwhile, if its wake-up came meanwhile too; after a failure a later one is set.
      if (this.#dirty && !this.#soon) this.#wake();
    });
  }

  async #run(): Promise<void> {
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
    const { signer, key, name, role, notAfter } = issuer;
    const now = this.#parts.system.now();
    // Of who ended nothing holds any more that a list could be about.
    if (!signer || now >= notAfter) return;
    const before = this.#current.get(key);
    const entries = await this.#entriesOf(name, before?.thisUpdate ?? now);
    if (before && !this.#isDue(issuer) && isOf(before, entries)) return;
    const times = {
      thisUpdate: now - backdateMs,
      nextUpdate: Math.min(now + lifetimeMs[role], notAfter),
    };
    const number = (before?.number ?? 0) + 1;
    const issuerPublicKey = signer.publicKey;
    const der = await makeList({ issuer: name, issuerPublicKey, number, ...times, entries: entries.list }, signer);
    const row = { issuer: key, number, der, ...times, entries: entries.list.length };
    // On disk before anybody has it: a number is never given twice.
    await this.#parts.store.change((db) =>
      db
        .insertInto('revocationLists')
        .values(row)
        .onConflict((conflict) => conflict.column('issuer').doUpdateSet(row))
        .execute(),
    );
    this.#current.set(key, row);
    digests.set(row, entries.digest);
  }

  /**
   * What ended before the list before this one is left out: it stood on one after its end (RFC 5280 §3.3). All that is asked for stands in
   * the index of those that are cut, and nothing else is read; the issuer of a key credential is its form, and no issuer here.
   */
  async #entriesOf(issuer: string, since: number): Promise<Entries> {
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
    const sorted = rows.toSorted((one, other) => (one.serial < other.serial ? -1 : 1));
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

interface Entries {
  list: { serial: Buffer; revokedAt: number }[];
  digest: string;
}

/** What stands on a list that this process made. */
const digests = new WeakMap<RevocationList, string>();
const isOf = (list: RevocationList, { digest }: Entries) => digests.get(list) === digest;
