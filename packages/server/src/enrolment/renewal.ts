import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import {
  type ConfirmationRequest,
  confirmationBytes,
  type GateList,
  type GatesRequest,
  gatesBytes,
  type IssuedCredential,
  PortcullisError,
  type RenewalRequest,
  renewalBytes,
} from '@portcullis/contract';
import { renewalWindowMs } from '../issuance/issuance.ts';
import type { ChangeTransaction } from '../journal/journal.ts';
import { readCertificate } from '../pki/pki.ts';
import type { CertificateRow } from '../revocation/revocation.ts';
import { credentialOf, gatesOf, requestBytes } from './credential.ts';
import type { EnrolmentParts } from './open.ts';

function refused(why: string): PortcullisError {
  return new PortcullisError('renewal_refused', `the certificate can not be renewed: ${why}`);
}

export async function renew(parts: EnrolmentParts, asked: RenewalRequest): Promise<IssuedCredential> {
  const old = await provenRow(parts, asked, renewalBytes(asked.nonce, asked.request));
  await requireRenewable(parts, old);
  const permit = parts.issuance.check({ subject: old.subject, kind: old.kind, request: requestBytes(asked.request) });
  const pending = await successorOf(parts, old.fingerprint);
  if (pending?.publicKey === permit.keyHash) return credential(parts, pending, Buffer.from(pending.der));
  const signed = await parts.issuance.issue(permit);
  await parts.journal.change({ actor: old.subject, action: 'certificates.renew' }, async (change) => {
    // At most one unconfirmed successor: one for another key takes the place of the one before it.
    const replaced = await successorIn(change, old.fingerprint);
    if (replaced) await parts.revocation.supersede(change, { ...replaced, kind: old.kind, readOnly: old.readOnly });
    await requireStillValid(change, old.fingerprint);
    await parts.issuance.record(change, signed, { renews: old.fingerprint });
  });
  return credential(parts, old, signed.der);
}

const credential = (parts: EnrolmentParts, row: CertificateRow, der: Buffer) =>
  credentialOf(parts, { subject: row.subject, kind: row.kind, der });

/** The row of the leaf that was presented, once its key has signed what only its holder could. */
async function provenRow(
  parts: EnrolmentParts,
  asked: { certificate: string; nonce: string; signature: string },
  signed: Buffer,
): Promise<CertificateRow> {
  if (!parts.nonces.isGood(asked.nonce)) throw refused('the nonce is not one of the last minute; ask for a new one');
  const { fingerprint, publicKey } = readCertificate(asked.certificate);
  const row = await parts.revocation.find(fingerprint);
  if (row?.purpose !== 'client') throw refused('this fleet has no record of it');
  const key = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
  if (!signedBy(key, signed, Buffer.from(asked.signature, 'base64'))) throw refused('the signature is not by its key');
  return row;
}

function signedBy(key: KeyObject, bytes: Buffer, signature: Buffer): boolean {
  try {
    return verify(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', bytes, key, signature);
  } catch {
    return false;
  }
}

async function requireRenewable(parts: EnrolmentParts, row: CertificateRow): Promise<void> {
  if (row.standing === 'superseded') {
    // Its successor was confirmed by somebody who has the newer key: two hold what one should.
    const { subject, fingerprint } = row;
    if (parts.alarms.take(fingerprint)) {
      const entry = { actor: subject, action: 'clone_suspected', body: { subject, fingerprint } };
      await parts.journal.note(entry, async () => undefined);
      parts.log.warn({ subject, fingerprint }, 'clone_suspected: a superseded certificate asked for renewal');
    }
    throw refused('it is superseded');
  }
  requireUsable(parts, row);
}

function requireUsable(parts: EnrolmentParts, row: CertificateRow): void {
  if (row.standing !== 'valid') throw refused(`its standing is ${row.standing}`);
  if (parts.system.now() > row.notAfter + renewalWindowMs)
    throw refused('it expired too long ago; enrol again with a token');
}

async function requireStillValid({ db }: ChangeTransaction, fingerprint: string): Promise<void> {
  const row = await db
    .selectFrom('certificates')
    .select('standing')
    .where('fingerprint', '=', fingerprint)
    .executeTakeFirst();
  if (row?.standing !== 'valid') throw refused(`its standing is ${row?.standing}`);
}

async function successorOf(parts: EnrolmentParts, fingerprint: string): Promise<CertificateRow | undefined> {
  const row = await parts.store.read((db) => unconfirmed(db, fingerprint));
  return row && parts.revocation.find(row.fingerprint);
}

const successorIn = ({ db }: ChangeTransaction, fingerprint: string) => unconfirmed(db, fingerprint);

function unconfirmed(db: Pick<ChangeTransaction['db'], 'selectFrom'>, renews: string) {
  return db
    .selectFrom('certificates')
    .selectAll()
    .where('renews', '=', renews)
    .where('confirmed', '=', 0)
    .where('standing', '=', 'valid')
    .executeTakeFirst();
}

export async function confirm(parts: EnrolmentParts, asked: ConfirmationRequest): Promise<{ confirmed: true }> {
  const row = await provenRow(parts, asked, confirmationBytes(asked.nonce));
  if (row.standing !== 'valid') throw refused(`its standing is ${row.standing}`);
  if (row.confirmed === 1) return { confirmed: true };
  const old = row.renews === null ? undefined : await parts.revocation.find(row.renews);
  await parts.journal.change({ actor: row.subject, action: 'certificates.confirm' }, async (change) => {
    await requireStillValid(change, row.fingerprint);
    await change.db
      .updateTable('certificates')
      .set({ confirmed: 1 })
      .where('fingerprint', '=', row.fingerprint)
      .execute();
    if (old?.standing === 'valid') await parts.revocation.supersede(change, old);
  });
  return { confirmed: true };
}

/** For who holds the key of a certificate that is valid and could be renewed. */
export async function listGates(parts: EnrolmentParts, asked: GatesRequest): Promise<GateList> {
  const row = await provenRow(parts, asked, gatesBytes(asked.nonce));
  requireUsable(parts, row);
  return { gates: await gatesOf(parts) };
}
