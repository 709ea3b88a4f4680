import { createHash } from 'node:crypto';
import { FleetName, type KeyAlgorithm, Kind, PortcullisError } from '@portcullis/contract';
import type { ChangeTransaction } from '../journal/journal.ts';
import type { Keys } from '../keys/keys.ts';
import { kept, type Schema, type Store, type Writer } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';
import { addressesAt } from './addresses.ts';
import { check } from './check.ts';
import { issue, type SignedCertificate } from './issue.ts';
import { type FleetIssuer, issuingFor, openIssuers } from './issuers.ts';
import { lostAmong } from './lost-keys.ts';
import {
  clientProfile,
  type Lifetimes,
  type Profile,
  profileFor,
  renewalWindowMs,
  usualLifetimes,
} from './profiles.ts';
import type { Bundle, ForeignCertificate, Issuance } from './promises.ts';
import { type PolicyTexts, RequestPolicies } from './request-policies.ts';
import { Serials } from './serials.ts';

interface Parts {
  store: Store;
  keys: Keys;
  system: System;
  /** Where a desk publishes what is known of certificates: `http://NAME[:PORT]`. */
  publicUrl?: string | undefined;
  profiles?: Partial<Record<Kind, KindProfile | undefined>> & PolicyTexts;
  lifetimes?: Lifetimes | undefined;
}

interface KindProfile {
  /** What its keys are of. */
  keys?: readonly KeyAlgorithm[] | undefined;
  /** For how many days after its end a certificate may be renewed. */
  renewableDays?: number | undefined;
}

const day = 86_400_000;

export async function openIssuance(parts: Parts): Promise<Issuance> {
  const { store, keys, system, publicUrl, profiles = {}, lifetimes = usualLifetimes } = parts;
  const { endsSoonMs, renewedAfterMsMin, renewedEveryMsMin } = lifetimes;
  const settings = await readSettings(store);
  let known = await readKnown(store, keys);
  const listeners = new Set<() => void>();
  const issued = new Set<() => void>();
  const fleet = FleetName.parse(settings.get('fleet'));
  const addressesOf = (issuer: FleetIssuer) => (publicUrl === undefined ? undefined : addressesAt(publicUrl, issuer));
  const live = new Map<string, number>();
  const serials = new Serials(store, system);
  const signing = { lifetimes, serials, system, issuers: () => known.issuers, live, addressesOf };
  const issuing = (profile: Profile) => issuingFor(known.issuers, profile, { now: system.now(), live, endsSoonMs });
  const policies = new RequestPolicies(profiles);
  const validMs = (profile: Profile) => Math.min(profile.lifetimeMs, issuing(profile).notAfter - system.now());
  const below = () => known.issuers.filter(({ role }) => role !== 'root');
  const keysOf = (kind: Kind): KeyAlgorithm => {
    const profile = kind === 'authority' ? profileFor('server', lifetimes) : clientProfile(kind, lifetimes);
    const alike = () => (kind === 'checkpoint' ? undefined : issuing(profile).signer.keyAlgorithm);
    return profiles[kind]?.keys?.[0] ?? alike() ?? 'p-256';
  };
  const renewableMs = (kind: Kind): number => {
    const days = profiles[kind]?.renewableDays;
    return days === undefined ? renewalWindowMs : days * day;
  };
  return {
    ...{ lifetimes, lostAmong },
    get bundle() {
      return known.bundle;
    },
    issuers: () => known.issuers,
    async reload() {
      known = await readKnown(store, keys);
      for (const listener of listeners) listener();
    },
    onReload(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    issuerOf: (certificate) => below().find(({ name }) => name === certificate.issuer)?.pem ?? '',
    keysOf,
    renewableMs,
    renewableMsMax: Math.max(...Kind.options.map(renewableMs)),
    check: (request) =>
      check(
        {
          fleet,
          lifetimes,
          taken: (kind) => profiles[kind]?.keys,
          policies,
          validMs,
          isLost: async (keyHash) => (await store.read((db) => lostAmong(db, [keyHash]))).size > 0,
        },
        request,
      ),
    policyRefusals: () => policies.refusals(),
    async issue(permit) {
      const signed = await issue(signing, permit);
      live.set(signed.issuerFingerprint, (live.get(signed.issuerFingerprint) ?? 0) + 1);
      for (const listener of issued) listener();
      return signed;
    },
    onIssued(listener) {
      issued.add(listener);
      return () => issued.delete(listener);
    },
    counted(counts) {
      for (const [fingerprint, count] of counts) live.set(fingerprint, count);
    },
    record,
    recordForeign,
    recordOwn: (db, signed, actor) => recordOwn(db, signed, { revision: 0, at: system.now(), actor }),
    ends: () =>
      below()
        .filter(({ state }) => state !== 'retired')
        .map(({ name, notAfter }) => ({ name, notAfter })),
    renewAfter({ notBefore, notAfter }) {
      const share = 1 / 2 + (system.random(4).readUInt32BE() / 2 ** 32) * (2 / 3 - 1 / 2);
      const soonest = system.now() + Math.min(renewedAfterMsMin, (notAfter - notBefore) / 10);
      return Math.round(Math.max(notBefore + (notAfter - notBefore) * share, soonest));
    },
    renewedEveryMs: ({ notBefore, notAfter }) => Math.max(renewedEveryMsMin, (notAfter - notBefore) / 24),
  };
}

interface Known {
  bundle: Bundle;
  issuers: readonly FleetIssuer[];
}

async function readKnown(store: Store, keys: Keys): Promise<Known> {
  const issuers = await openIssuers(store, keys);
  const version = Number((await readSettings(store)).get('bundleVersion'));
  const told = (isRoot: boolean) =>
    issuers
      .filter(({ role, state }) => (role === 'root') === isRoot && state !== 'retired')
      .map(({ pem }) => pem)
      .join('');
  return { bundle: { version, roots: told(true), issuers: told(false) }, issuers };
}

async function readSettings(store: Store): Promise<Map<string, string>> {
  const rows = await store.read((db) => db.selectFrom('settings').selectAll().execute());
  return new Map(rows.map(({ name, value }) => [name, value]));
}

async function record(
  change: ChangeTransaction,
  signed: SignedCertificate,
  renewal?: { renews: string },
): Promise<void> {
  const { revision, at, actor } = change;
  await requireNotHeld(change.db, signed.subject);
  await insert(change.db, { ...rowOf(signed, { revision, at, actor }), ...(renewal && { ...renewal, confirmed: 0 }) });
  await touch(change.db, { subject: signed.subject, revision });
  if (signed.purpose === 'client') change.certificate(signed.subject, signed.kind, { ...signed, standing: 'valid' });
  else change.touched(signed.subject, signed.kind);
}

async function recordForeign(change: ChangeTransaction, foreign: ForeignCertificate): Promise<void> {
  const { revision, at, actor } = change;
  const { standing, subject, kind } = foreign;
  if (standing === 'valid') await requireNotHeld(change.db, subject);
  const row = rowOf({ ...foreign, purpose: 'client', pem: '', issuerPem: '' }, { revision, at, actor });
  await insert(change.db, { ...row, standing, reason: change.reason });
  await touch(change.db, { subject, revision });
  change.certificate(subject, kind, foreign);
}

const touch = kept<{ subject: string; revision: number }>(['subject', 'revision'], (db, of) =>
  db.updateTable('subjects').set({ revision: of.revision }).where('id', '=', of.subject),
);
const selectHeld = kept<{ subject: string }, { subject: string }>(['subject'], (db, of) =>
  db.selectFrom('heldStandings').select('subject').where('subject', '=', of.subject),
);

/** A hold that a new certificate got around would hold nothing. */
async function requireNotHeld(db: Writer, subject: string): Promise<void> {
  const [held] = await selectHeld(db, { subject });
  if (!held) return;
  const words = `a hold is on "${subject}"; it gets no certificate until the hold is released`;
  throw new PortcullisError('standing_held', words);
}

/** The authority has two kinds of them in use at once, for its listeners and for its answers: those stay as they are until they end. */
async function recordOwn(
  db: Writer,
  signed: SignedCertificate,
  by: { revision: number; at: number; actor: string },
): Promise<void> {
  // A desk answers in the name of several issuers, by a certificate of each.
  if (signed.kind !== 'authority' && signed.purpose !== 'ocsp') {
    await db
      .updateTable('certificates')
      .set({ standing: 'superseded', changedAt: by.at, changedBy: by.actor, reason: null })
      .where('subject', '=', signed.subject)
      .where('purpose', '=', signed.purpose)
      .where('standing', '=', 'valid')
      .execute();
  }
  await insert(db, rowOf(signed, by));
}

type Row = Schema['certificates'];

function rowOf(signed: SignedCertificate, by: { revision: number; at: number; actor: string }): Row {
  const { fingerprint, serial, issuer, issuerFingerprint, subject, purpose, der, notBefore, notAfter } = signed;
  return {
    ...{ fingerprint, serial, issuer, issuerFingerprint, subject, purpose, der, notBefore, notAfter },
    form: 'certificate',
    standing: 'valid',
    revision: by.revision,
    changedAt: by.at,
    changedBy: by.actor,
    reason: null,
    reasonCode: null,
    issuedAt: by.at,
    renews: null,
    confirmed: 1,
    publicKey: createHash('sha256').update(signed.publicKey).digest('hex'),
  };
}

const columns = [
  ...(['fingerprint', 'serial', 'issuer', 'issuerFingerprint', 'subject', 'purpose', 'der', 'notBefore'] as const),
  ...(['notAfter', 'form', 'standing', 'revision', 'changedAt', 'changedBy', 'reason', 'reasonCode'] as const),
  ...(['issuedAt', 'renews', 'confirmed', 'publicKey'] as const),
];
const insert = kept<Row>(columns, (db, of) => db.insertInto('certificates').values(of));
