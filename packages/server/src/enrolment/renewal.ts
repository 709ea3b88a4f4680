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
import type { By, ChangeTransaction } from '../journal/journal.ts';
import { fromPem, readCertificate } from '../pki/pki.ts';
import type { CertificateRow } from '../revocation/revocation.ts';
import type { Reader } from '../storage/storage.ts';
import { suspectClone } from './clones.ts';
import { atDesk, credentialOf, gatesOf, placesOf, plainly, requestBytes } from './credential.ts';
import { mayUseEst } from './est/allowed.ts';
import { changeOnce } from './once.ts';
import type { EnrolmentParts } from './open.ts';
import { permitted } from './permitted.ts';
import { sha256Hex, signedBy } from './proof.ts';

function refused(why: string): PortcullisError {
  return new PortcullisError('renewal_refused', `the certificate can not be renewed: ${why}`);
}

/** Whoever holds it asks anew by the certificate before it: the record may be lost, as by a restore. */
const unknown = () =>
  new PortcullisError('certificate_unknown', 'this fleet has no record of the certificate; enrol again with a token');

export async function renew(parts: EnrolmentParts, asked: RenewalRequest): Promise<IssuedCredential | SignedAnswer> {
  const { row, told } = await proven(parts, 'renewal', asked, asked.request);
  const issued = await successor(parts, row, requestBytes(asked.request), { est: false });
  return told(asked.challenge === undefined ? plainly(issued) : atDesk(parts, issued));
}

async function successor(
  parts: EnrolmentParts,
  old: CertificateRow,
  request: Buffer,
  { est }: { est: boolean },
): Promise<IssuedCredential> {
  const { subject, kind } = old;
  const permit = await permitted(parts, { subject, kind, request, way: 'renewal', est });
  const { keyHash } = permit;
  const known = await parts.store.read((db) => successorOf(parts, db, { renews: old.fingerprint, publicKey: keyHash }));
  if (known) return credential(parts, old, known.der);
  await requireRenewable(parts, old);
  await parts.store.read((db) => requireNotTooSoon(parts, db, old.subject));
  const signed = await parts.issuance.issue(permit);
  const entry = { actor: old.subject, action: 'certificates.renew', together: true };
  const { der } = await changeOnce(parts.journal, entry, {
    done: ({ db }) => successorOf(parts, db, { renews: old.fingerprint, publicKey: keyHash }),
    work: async (change) => {
      requireUsable(parts, await parts.revocation.find(old.fingerprint, change.db));
      await requireNotTooSoon(parts, change.db, old.subject);
      await replaceUnconfirmed(parts, change, old);
      await parts.issuance.record(change, signed, { renews: old.fingerprint });
      return signed;
    },
  });
  return credential(parts, old, der);
}

/**
 * By EST, which has no confirmation: that a certificate was used confirms it, here as at a gate. Resolves to the next one, PEM.
 * `row`: of a certificate whose key its holder used in a handshake.
 */
export async function renewUsed(parts: EnrolmentParts, row: CertificateRow, request: Buffer): Promise<string> {
  const isFirstUse = row.confirmed !== 1 && row.standing === 'valid';
  if (isFirstUse) await setConfirmed(parts, requireInTime(parts, row));
  const present = isFirstUse ? { ...row, confirmed: 1 } : row;
  return (await successor(parts, present, request, { est: true })).certificate;
}

/**
 * The same key gets the same certificate, however often it asks: a lost answer burns nothing. One that nobody used, and that is in the second half of
 * its life or of an issuer that signs no more, gives way to another.
 */
async function successorOf(
  { issuance, system }: EnrolmentParts,
  db: Reader,
  { renews, publicKey }: { renews: string; publicKey: string },
): Promise<{ der: Uint8Array } | undefined> {
  const row = await db
    .selectFrom('certificates')
    .select(['der', 'issuer', 'confirmed', 'notBefore', 'notAfter'])
    .where('renews', '=', renews)
    .where('publicKey', '=', publicKey)
    .where('standing', '=', 'valid')
    .executeTakeFirst();
  if (!row || row.confirmed === 1) return row;
  const signs = issuance.issuers().some(({ name, state }) => name === row.issuer && state === 'issuing');
  return signs && system.now() < (row.notBefore + row.notAfter) / 2 ? row : undefined;
}

/** At most one unconfirmed successor: one for another key takes the place of the one before it. */
async function replaceUnconfirmed(
  { revocation }: EnrolmentParts,
  change: ChangeTransaction,
  { fingerprint, kind, readOnly }: CertificateRow,
): Promise<void> {
  const replaced = await change.db
    .selectFrom('certificates')
    .selectAll()
    .where('renews', '=', fingerprint)
    .where('confirmed', '=', 0)
    .where('standing', '=', 'valid')
    .execute();
  for (const row of replaced) await revocation.supersede(change, { ...row, kind, readOnly });
}

/** Each renewal is a revision for the whole fleet: one key could keep everybody busy. */
export async function requireNotTooSoon(
  { system, issuance }: EnrolmentParts,
  db: Reader,
  subject: string,
): Promise<void> {
  const now = system.now();
  const last = await db
    .selectFrom('certificates')
    .select(['issuedAt', 'notBefore', 'notAfter'])
    .where('subject', '=', subject)
    .where('renews', 'is not', null)
    // A clock that was set back locks nobody out, and what was made while it was ahead hides no later one.
    .where('issuedAt', '<=', now)
    .orderBy('issuedAt', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (!last) return;
  const sinceMs = now - last.issuedAt;
  const leftMs = issuance.renewedEveryMs(last) - sinceMs;
  if (leftMs <= 0) return;
  const retryAfterSeconds = Math.ceil(leftMs / 1_000);
  const words = `"${subject}" renewed ${Math.round(sinceMs / 1_000)} s ago; the next one is given in ${retryAfterSeconds} s`;
  throw new PortcullisError('renewal_too_soon', words, { detail: { retryAfterSeconds } });
}

const credential = (parts: EnrolmentParts, { subject, kind }: CertificateRow, der: Uint8Array) =>
  credentialOf(parts, { subject, kind, der: Buffer.from(der) });

interface Proven {
  row: CertificateRow;
  /** What is answered to this: signed for whoever can tell, plain for the first release. */
  told<Told extends object>(answer: Told): Promise<Told | SignedAnswer>;
}

/** What is behind the first one would be read by nobody. */
function presentedIn(pem: string): Buffer {
  const [der, ...others] = fromPem('CERTIFICATE', pem);
  if (der && others.length === 0 && onePem.test(pem)) return der;
  throw new PortcullisError('request_malformed', 'the certificate must be exactly one in PEM, and nothing after it');
}
const onePem = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*$/;

/** The row of the leaf that was presented, once its key has signed what only its holder could. */
async function proven(
  parts: EnrolmentParts,
  purpose: EnrolmentPurpose,
  asked: ConfirmationRequest,
  request?: string,
): Promise<Proven> {
  const { certificate, nonce, challenge, signature } = asked;
  if (!parts.nonces.isGood(nonce)) throw refused('the nonce is not one of the last minute; ask for a new one');
  const { fingerprint, key } = readCertificate(presentedIn(certificate));
  const row = await parts.revocation.findEver(fingerprint);
  if (row?.purpose !== 'client') throw unknown();
  const about = request === undefined ? fingerprint : sha256Hex(requestBytes(request));
  const named = challenge === undefined ? undefined : { purpose, challenge, about };
  const bytes = named ? proofBytes(named, nonce) : firstReleaseBytes(purpose, nonce, request);
  if (!signedBy(key, bytes, signature)) throw refused('the signature is not by its key');
  return { row, told: async (answer) => (named ? parts.answers.signed(named, answer) : answer) };
}

async function requireRenewable(parts: EnrolmentParts, row: CertificateRow): Promise<void> {
  if (row.standing === 'superseded') {
    // Its successor was confirmed by somebody who has the newer key.
    await suspectClone(parts, row, 'a superseded certificate asked for renewal');
    throw refused('it is superseded');
  }
  requireUsable(parts, row);
}

function requireUsable(parts: EnrolmentParts, row: CertificateRow | undefined): void {
  requireConfirmed(requireInTime(parts, row));
}

export function requireInTime({ system, issuance }: EnrolmentParts, row: CertificateRow | undefined): CertificateRow {
  if (row?.standing !== 'valid') throw refused(`its standing is ${row?.standing}`);
  if (system.now() > row.notAfter + issuance.renewableMs(row.kind)) throw expiredTooLongAgo();
  requireNotArchived(row);
  return row;
}

const expiredTooLongAgo = () => refused('it expired too long ago; enrol again with a token');

/** Whatever a clock says that was set back meanwhile. */
function requireNotArchived({ archivedAt }: CertificateRow): void {
  if (archivedAt !== undefined) throw expiredTooLongAgo();
}

/** Else who copied a key could renew beside its owner for ever, and neither would ever be seen to be one too many. */
function requireConfirmed({ confirmed }: CertificateRow): void {
  if (confirmed === 1) return;
  throw new PortcullisError('renewal_unconfirmed', 'the certificate was not confirmed yet; confirm it, then renew it');
}

export async function confirm(
  parts: EnrolmentParts,
  asked: ConfirmationRequest,
): Promise<{ confirmed: true } | SignedAnswer> {
  const { row, told } = await proven(parts, 'confirmation', asked);
  if (row.standing === 'superseded') await suspectClone(parts, row, 'a superseded certificate was confirmed');
  if (row.standing !== 'valid') throw refused(`its standing is ${row.standing}`);
  requireNotArchived(row);
  if (row.confirmed !== 1) await setConfirmed(parts, row);
  return told({ confirmed: true });
}

/**
 * A gate admitted readings by these: what came by EST, where nobody confirms, is confirmed by that. Others confirm for themselves.
 * Resolves to how many were.
 */
export async function confirmUsed(parts: EnrolmentParts, by: By, fingerprints: readonly string[]): Promise<number> {
  let confirmed = 0;
  for (const fingerprint of fingerprints) {
    const row = await parts.revocation.find(fingerprint);
    if (row?.purpose !== 'client' || row.standing !== 'valid' || row.confirmed === 1) continue;
    if (!(await parts.store.read((db) => mayUseEst(db, row.subject)))) continue;
    await setConfirmed(parts, row, by).then(() => confirmed++, requireRefused);
  }
  return confirmed;
}

/** It was cut meanwhile: the others are looked at all the same. */
function requireRefused(error: unknown): void {
  if (!(error instanceof PortcullisError) || error.code !== 'renewal_refused') throw error;
}

async function setConfirmed(
  parts: EnrolmentParts,
  { subject, fingerprint }: CertificateRow,
  by: By = { actor: subject },
): Promise<void> {
  const others = await changeOnce<CertificateRow[]>(
    parts.journal,
    { ...by, action: 'certificates.confirm', together: true },
    {
      done: async ({ db }) => {
        const row = await parts.revocation.find(fingerprint, db);
        if (row?.standing !== 'valid') throw refused(`its standing is ${row?.standing}`);
        return row.confirmed === 1 ? [] : undefined;
      },
      work: async (change) => {
        await change.db
          .updateTable('certificates')
          .set({ confirmed: 1 })
          .where('fingerprint', '=', fingerprint)
          .execute();
        return parts.revocation.supersedeLine(change, fingerprint);
      },
    },
  );
  for (const other of others) await suspectClone(parts, other, 'two lines of descent from one certificate were in use');
}

/** For who holds the key of a certificate that is valid and could be renewed. */
export async function listGates(parts: EnrolmentParts, asked: GatesRequest): Promise<GateList | SignedAnswer> {
  const { row, told } = await proven(parts, 'gates', asked);
  requireInTime(parts, row);
  const { addresses } = placesOf(parts, row.kind);
  const gates = { ...(await gatesOf(parts)), ...(addresses && { addresses }) };
  return told(asked.challenge === undefined ? plainly(gates) : gates);
}
