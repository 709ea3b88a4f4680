import {
  type Fingerprint,
  type KeyCredentialCreated,
  type KeyCredentialRequest,
  type KeyId,
  keyServerId,
  PortcullisError,
} from '@portcullis/contract';
import type { By, ChangeTransaction } from '../journal/journal.ts';
import { keyCredentialName } from '../pki/pki.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import { freeKeyId, issuerOfKeys } from './key-ids.ts';
import type { KeyCredentialParts } from './open.ts';
import { makeShared, sharedBytes } from './secret.ts';

/** As long as an issuer signs: nothing renews it, and a sensor in a wall is not flashed anew each year. */
const lifetimeMs = 3_650 * 86_400_000;
/** It is valid for clocks that are behind by this much, as a certificate is. */
const backdateMs = 3_600_000;

export async function create(
  parts: KeyCredentialParts,
  by: By,
  { reason, ...asked }: KeyCredentialRequest,
): Promise<KeyCredentialCreated> {
  await requireSeal(parts);
  const entry = { ...by, action: 'credentials.create', reason };
  const { result, revision } = await parts.journal.change(entry, (change) => createOne(parts, change, asked));
  return { revision, ...result };
}

/** Its key is made before the first secret is sealed. Once there are any, a key that is not there is lost, and no other takes its place. */
async function requireSeal(parts: KeyCredentialParts): Promise<void> {
  const one = await anySealed(parts);
  if (one) await parts.seal.open(one.sealed, one.fingerprint);
  else await parts.seal.make();
}

export async function prepare(parts: KeyCredentialParts): Promise<void> {
  if (!(await anySealed(parts))) await parts.seal.make();
}

const anySealed = ({ store }: KeyCredentialParts) =>
  store.read((db) => db.selectFrom('keyCredentials').selectAll().limit(1).executeTakeFirst());

async function createOne(
  parts: KeyCredentialParts,
  change: ChangeTransaction,
  asked: Omit<KeyCredentialRequest, 'reason'>,
): Promise<Omit<KeyCredentialCreated, 'revision'>> {
  const { subject, kind } = asked;
  const attributes = asked.attributes ?? { status: 'active' };
  const { made } = await parts.attributes.ensure(change, { subject, kind, attributes });
  if (await parts.revocation.isHeld(change.db, subject)) throw held(subject);
  if (!asked.afterRevocation) await parts.revocation.requireNotCut(change.db, subject);
  const replaced = await supersedeOthers(parts, change, asked);
  const keyId = await freeKeyId(change.db, parts.system);
  const shared = makeShared(parts.system);
  const fingerprint = keyCredentialName(Buffer.from(keyId, 'hex'));
  const sealed = await parts.seal.seal(sharedBytes(shared), fingerprint);
  const notAfter = await record(change, { subject, kind, keyId, fingerprint, sealed });
  return {
    ...{ subject, kind, fingerprint, keyId, serverId: keyServerId, replaced },
    masterSecret: shared.masterSecret.toString('hex'),
    masterSalt: shared.masterSalt.toString('hex'),
    notAfter: timestamp(notAfter),
    attributes: made === 'created' ? attributes : null,
  };
}

/** A hold that a new credential got around would hold nothing. */
const held = (subject: string) =>
  new PortcullisError(
    'standing_held',
    `a hold is on "${subject}"; it gets no key credential until the hold is released`,
  );

/** A sensor holds one: two would use the same counter for two keys, or hide that one is lost. */
async function supersedeOthers(
  { revocation }: KeyCredentialParts,
  change: ChangeTransaction,
  { subject, kind, replace }: Omit<KeyCredentialRequest, 'reason'>,
): Promise<Fingerprint[]> {
  const others = await change.db
    .selectFrom('certificates')
    .selectAll()
    .where('subject', '=', subject)
    .where('form', '=', 'oscore')
    .where('standing', 'in', ['valid', 'suspended'])
    .execute();
  const [first] = others;
  if (first && !replace) {
    const words = `"${subject}" has the key credential ${first.serial}; say --replace to supersede it at once`;
    throw new PortcullisError('key_credential_exists', words);
  }
  for (const other of others) await revocation.supersede(change, { ...other, kind, readOnly: 0 });
  return others.map(({ fingerprint }) => fingerprint as Fingerprint);
}

interface Made {
  subject: string;
  kind: KeyCredentialRequest['kind'];
  keyId: KeyId;
  fingerprint: Fingerprint;
  sealed: Buffer;
}

/** Resolves to its end. */
async function record(change: ChangeTransaction, { subject, kind, keyId, fingerprint, sealed }: Made): Promise<number> {
  const { db, revision, at, actor } = change;
  const validity = { notBefore: at - backdateMs, notAfter: at + lifetimeMs };
  const row = {
    ...{ fingerprint, form: 'oscore', serial: keyId, issuer: issuerOfKeys, issuerFingerprint: null, subject },
    ...{ purpose: 'client', der: Buffer.alloc(0), ...validity, standing: 'valid', renews: null, confirmed: 1 },
    ...{ revision, changedAt: at, changedBy: actor, reason: null, issuedAt: at, publicKey: '' },
  };
  await db.insertInto('certificates').values(row).execute();
  await db.insertInto('keyCredentials').values({ fingerprint, sealed }).execute();
  await db.updateTable('subjects').set({ revision }).where('id', '=', subject).execute();
  change.certificate(subject, kind, { fingerprint, standing: 'valid', ...validity });
  return validity.notAfter;
}
