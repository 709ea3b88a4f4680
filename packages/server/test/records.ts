import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { AttributeType, AttributeValue, Fingerprint, Kind, SubjectId } from '@portcullis/contract';
import { type Alerts, openAlerts } from '../src/alerts/alerts.ts';
import { type Attributes, openAttributes } from '../src/attributes/attributes.ts';
import { type Journal, openJournal } from '../src/journal/journal.ts';
import { type Codes, openCodes } from '../src/publication/codes.ts';
import { openRevocation, type Revocation } from '../src/revocation/revocation.ts';
import type { Schema, Store } from '../src/storage/storage.ts';
import type { System } from '../src/telemetry/telemetry.ts';
import { freshStore } from './stores.ts';

/** What a feed is opened with where a test is not about it. */
export const feedUsual = { leaseMs: 5_000, patienceMs: 1_000, refusalsPerMinute: 30, missingMs: 900_000 };

export const startedAt = Date.UTC(2030, 0, 1);
const day = 86_400_000;

/** The authority's records on a disk of their own, with a clock that the test owns. */
export interface Records {
  directory: string;
  clock: { now: number };
  system: System;
  store: Store;
  journal: Journal;
  alerts: Alerts;
  attributes: Attributes;
  revocation: Revocation;
  codes: Codes;
}

export async function openRecords(
  context: TestContext,
  declared: Record<string, AttributeType> = {},
): Promise<Records> {
  const directory = await mkdtemp(join(tmpdir(), 'portcullis-records-'));
  const clock = { now: startedAt };
  const system: System = { now: () => clock.now, monotonic: () => clock.now, random: (bytes) => randomBytes(bytes) };
  const store = await freshStore(directory);
  const journal = await openJournal({ store, system, headFile: join(directory, 'journal.head') });
  const attributes = await openAttributes({ directory, store, journal, declared });
  const alerts = openAlerts({ store, journal, system });
  const revocation = openRevocation({ store, journal, system });
  context.after(async () => {
    await attributes[Symbol.asyncDispose]();
    await journal[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    // What was under way when the test ended may just be written.
    await rm(directory, { recursive: true, force: true, maxRetries: 10 });
  });
  const codes = openCodes({ journal, system });
  return { directory, clock, system, store, journal, alerts, attributes, revocation, codes };
}

export const subjectId = (id: string) => id as SubjectId;

/** A subject with its first attributes, as a token makes one. */
export async function putSubject(
  { journal, attributes }: Records,
  subject: string,
  kind: Kind = 'device',
  values: Record<string, AttributeValue> = { status: 'active' },
  readOnly = false,
): Promise<'created' | 'existing'> {
  const { result } = await journal.change({ actor: 'operator-1', action: 'tokens.create' }, (change) =>
    attributes.ensure(change, { subject, kind, attributes: values, readOnly }),
  );
  return result.made;
}

type Certificate = Omit<Schema['certificates'], 'fingerprint'> & { fingerprint: Fingerprint };

/** The row of a certificate with this name in place of bytes that somebody signed. */
export function certificateRow(subject: string, name: string, given: Partial<Certificate> = {}): Certificate {
  const fingerprint = createHash('sha256').update(name).digest('hex') as Fingerprint;
  return {
    ...{
      fingerprint,
      serial: fingerprint.slice(0, 32),
      issuer: 'issuer',
      issuerFingerprint: null,
      subject,
      purpose: 'client',
    },
    form: 'certificate',
    ...{ der: Buffer.from(name), notBefore: startedAt - day, notAfter: startedAt + 30 * day, standing: 'valid' },
    ...{ revision: 0, changedAt: startedAt, changedBy: 'init', reason: null, reasonCode: null, issuedAt: startedAt },
    ...{ renews: null, confirmed: 1, publicKey: fingerprint },
    ...given,
  };
}

export async function putCertificate(
  { store }: Records,
  subject: string,
  name: string,
  given: Partial<Certificate> = {},
): Promise<Fingerprint> {
  const row = certificateRow(subject, name, given);
  await store.change((db) => db.insertInto('certificates').values(row).execute());
  return row.fingerprint;
}

export async function putToken({ store }: Records, subject: string, id: string, kind: Kind = 'device'): Promise<void> {
  const row = { id, subject, kind, secretHash: `hash of ${id}`, createdAt: startedAt, expiresAt: startedAt + day };
  await store.change((db) =>
    db
      .insertInto('tokens')
      .values({ ...row, voided: 0, est: 0 })
      .execute(),
  );
}

export const voided = ({ store }: Records, id: string) =>
  store.read(async (db) => {
    const row = await db.selectFrom('tokens').select('voided').where('id', '=', id).executeTakeFirstOrThrow();
    return row.voided === 1;
  });
