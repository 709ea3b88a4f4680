import { createPublicKey } from 'node:crypto';
import {
  type ConfirmationRequest,
  type EnrolmentPurpose,
  firstReleaseBytes,
  type GateList,
  type GatesRequest,
  type IssuedCredential,
  PortcullisError,
  proofBytes,
  type RenewalRequest,
  type SignedAnswer,
} from '@portcullis/contract';
import { renewalWindowMs } from '../issuance/issuance.ts';
import type { ChangeTransaction } from '../journal/journal.ts';
import { readCertificate } from '../pki/pki.ts';
import type { CertificateRow } from '../revocation/revocation.ts';
import { credentialOf, gatesOf, requestBytes } from './credential.ts';
import type { EnrolmentParts } from './open.ts';
import { sha256Hex, signedBy } from './proof.ts';

function refused(why: string): PortcullisError {
  return new PortcullisError('renewal_refused', `the certificate can not be renewed: ${why}`);
}

export async function renew(parts: EnrolmentParts, asked: RenewalRequest): Promise<IssuedCredential | SignedAnswer> {
  const { row, told } = await proven(parts, 'renewal', asked, asked.request);
  return told(await successor(parts, row, requestBytes(asked.request)));
}

async function successor(parts: EnrolmentParts, old: CertificateRow, request: Buffer): Promise<IssuedCredential> {
  await requireRenewable(parts, old);
  const permit = parts.issuance.check({ subject: old.subject, kind: old.kind, request });
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

interface Proven {
  row: CertificateRow;
  /** What is answered to this: signed for whoever can tell, plain for the first release. */
  told<Told extends object>(answer: Told): Promise<Told | SignedAnswer>;
}

/** The row of the leaf that was presented, once its key has signed what only its holder could. */
async function proven(
  parts: EnrolmentParts,
  purpose: EnrolmentPurpose,
  asked: ConfirmationRequest,
  request?: string,
): Promise<Proven> {
  const { certificate, nonce, challenge, signature } = asked;
  if (!parts.nonces.isGood(nonce)) throw refused('the nonce is not one of the last minute; ask for a new one');
  const { fingerprint, publicKey } = readCertificate(certificate);
  const row = await parts.revocation.find(fingerprint);
  if (row?.purpose !== 'client') throw refused('this fleet has no record of it');
  const about = request === undefined ? fingerprint : sha256Hex(requestBytes(request));
  const named = challenge === undefined ? undefined : { purpose, challenge, about };
  const bytes = named ? proofBytes(named, nonce) : firstReleaseBytes(purpose, nonce, request);
  const key = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
  if (!signedBy(key, bytes, signature)) throw refused('the signature is not by its key');
  return { row, told: async (answer) => (named ? parts.answers.signed(named, answer) : answer) };
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

export async function confirm(
  parts: EnrolmentParts,
  asked: ConfirmationRequest,
): Promise<{ confirmed: true } | SignedAnswer> {
  const { row, told } = await proven(parts, 'confirmation', asked);
  if (row.standing !== 'valid') throw refused(`its standing is ${row.standing}`);
  if (row.confirmed !== 1) await setConfirmed(parts, row);
  return told({ confirmed: true });
}

async function setConfirmed(parts: EnrolmentParts, row: CertificateRow): Promise<void> {
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
}

/** For who holds the key of a certificate that is valid and could be renewed. */
export async function listGates(parts: EnrolmentParts, asked: GatesRequest): Promise<GateList | SignedAnswer> {
  const { row, told } = await proven(parts, 'gates', asked);
  requireUsable(parts, row);
  return told({ gates: await gatesOf(parts) });
}
