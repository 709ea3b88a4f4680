import { type EstAnswer, PortcullisError } from '@portcullis/contract';
import { fingerprintOf, type ParsedRequest, parseRequestAside, readCertificate } from '../../pki/pki.ts';
import type { CertificateRow } from '../../revocation/revocation.ts';
import type { EnrolmentParts } from '../open.ts';
import { sha256Hex, signedBy } from '../proof.ts';
import { renewUsed } from '../renewal.ts';
import { mayUseEst } from './allowed.ts';
import { isApproved } from './pending.ts';

/**
 * What the present key signs for a new one, as the request's challengePassword in base64: that a handshake was made with it only the desk
 * says, and a desk in the wrong hands would ask for a key of its own.
 */
export function keyChangeBytes(fingerprint: string, publicKey: Buffer): Buffer {
  return Buffer.from(`portcullis est renewal v1\n${fingerprint}\n${sha256Hex(publicKey)}`);
}

export type Renewed = { certificate: string } | Extract<EstAnswer, { state: 'pending' }>;

/**
 * A certificate for the key of a request, by a present one that a client used in the handshake (RFC 7030 §4.2.2). For a key that the present one
 * does not vouch for, once an operator approved it.
 * @throws {PortcullisError} `renewal_refused`, those of a renewal, and those of a request
 */
export async function renewByCertificate(
  parts: EnrolmentParts,
  chain: readonly string[],
  request: Buffer,
): Promise<Renewed> {
  const leaf = Buffer.from(chain[0] ?? '', 'base64');
  const row = await parts.revocation.findEver(fingerprintOf(leaf));
  if (row?.purpose !== 'client' || !(await parts.store.read((db) => mayUseEst(db, row.subject)))) {
    throw new PortcullisError('renewal_refused', 'the client certificate is not one of this fleet that renews by EST');
  }
  const wanted = await parseRequestAside(request);
  const vouched = isVouchedFor(row, leaf, wanted);
  if (!vouched) {
    const asked = { row, request: sha256Hex(request), publicKey: sha256Hex(wanted.publicKey) };
    const approval = await isApproved(parts, asked);
    if (approval !== 'approved') return { state: 'pending', isNew: approval === 'new' };
  }
  return { certificate: await renewUsed(parts, row, request) };
}

function isVouchedFor(
  { fingerprint, publicKey: present }: CertificateRow,
  leaf: Buffer,
  { publicKey, challengePassword }: ParsedRequest,
): boolean {
  if (sha256Hex(publicKey) === present) return true;
  if (challengePassword === undefined) return false;
  const { key } = readCertificate(leaf);
  return signedBy(key, keyChangeBytes(fingerprint, publicKey), challengePassword);
}
