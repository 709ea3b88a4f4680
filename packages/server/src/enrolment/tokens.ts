import {
  type EnrolmentRequest,
  formatToken,
  type IssuedCredential,
  type Kind,
  PortcullisError,
  proofBytes,
  type SignedAnswer,
  type SubjectId,
  type TokenCreated,
  type TokensQuery,
  type TokensRequest,
  type TokenView,
} from '@portcullis/contract';
import type { z } from 'zod';
import type { By, ChangeTransaction } from '../journal/journal.ts';
import { fromPem } from '../pki/pki.ts';
import type { CertificateRow } from '../revocation/revocation.ts';
import type { Reader, Schema, Writer } from '../storage/storage.ts';
import { aTurn, timestamp } from '../telemetry/telemetry.ts';
import { atDesk, credentialOf, enrolmentUrlsFor, plainly, requestBytes } from './credential.ts';
import { allowEst, requireEstKind } from './est/allowed.ts';
import { changeOnce } from './once.ts';
import type { EnrolmentParts } from './open.ts';
import { permitted } from './permitted.ts';
import { keyOfProof, proofKeyOf, secretHash, sha256Hex, signedBy } from './proof.ts';

type TokenRequest = z.infer<typeof TokensRequest>['tokens'][number];

/** The event loop gets a turn after each so many: some milliseconds of work. */
const tokensPerTurn = 25;

export async function createTokens(
  parts: EnrolmentParts,
  by: By,
  { tokens, reason }: z.infer<typeof TokensRequest>,
): Promise<{ revision: number; tokens: TokenCreated[] }> {
  const entry = { ...by, action: 'tokens.create', reason };
  const { result, revision } = await parts.journal.change(entry, async (change) => {
    const created: TokenCreated[] = [];
    for (const [index, token] of tokens.entries()) {
      created.push(await createToken(parts, change, token));
      if (index % tokensPerTurn === 0) await aTurn();
    }
    return created;
  });
  return { revision, tokens: result };
}

async function createToken(
  parts: EnrolmentParts,
  change: ChangeTransaction,
  asked: TokenRequest,
): Promise<TokenCreated> {
  const { subject, kind, hosts, reads, readOnly, est = false } = asked;
  const attributes = asked.attributes ?? { status: 'active' };
  if (est) requireEstKind(subject, kind);
  const ensured = await parts.attributes.ensure(change, { subject, kind, attributes, hosts, reads, readOnly });
  if (!asked.afterRevocation) await parts.revocation.requireNotCut(change.db, subject);
  const secret = parts.system.random(32).toString('base64url');
  const id = parts.system.random(8).toString('hex');
  const expiresAt = change.at + asked.expiresSeconds * 1000;
  await change.db
    .insertInto('tokens')
    .values({
      ...{ id, subject, kind, createdAt: change.at, expiresAt, voided: 0 },
      secretHash: secretHash(secret),
      proofKey: proofKeyOf(secret),
      publicKey: null,
      fingerprint: null,
      est: Number(est),
    })
    .execute();
  if (est) await allowEst(change, subject);
  const roots = fromPem('CERTIFICATE', parts.issuance.bundle.roots).map((der) => der.toString('base64'));
  const keys = parts.issuance.keysOf(kind);
  const [url = '', ...others] = enrolmentUrlsFor(parts, kind);
  const token = formatToken({
    url,
    ...(others.length > 0 && { others }),
    subject,
    secret,
    roots,
    // What a device without the word makes is not said: one of the first release takes no token with it.
    ...(keys !== 'p-256' && { keys }),
  });
  const named = ensured.hosts && { hosts: ensured.hosts };
  const given = ensured.made === 'created' ? attributes : null;
  return { token, id, subject, kind, secret, expiresAt: timestamp(expiresAt), attributes: given, ...named };
}

/** Every way in which a token can not be used ends here, with the same words. */
export function refused(): PortcullisError {
  return new PortcullisError('token_refused', 'the token is not one that can be used; ask the operator for a new one');
}

const own = { est: false };

/** Who proves to hold the secret gets a signed answer; who sends it, the plain one that the first release knows. */
export async function enrol(
  parts: EnrolmentParts,
  request: EnrolmentRequest,
): Promise<IssuedCredential | SignedAnswer> {
  const bytes = requestBytes(request.request);
  if ('secret' in request)
    return plainly(await issueFor(parts, await tokenOf(parts, 'secretHash', secretHash(request.secret)), bytes, own));
  const { proofKey, challenge, signature } = request;
  const asked = { purpose: 'enrolment' as const, challenge, about: sha256Hex(bytes) };
  const row = await tokenOf(parts, 'proofKey', proofKey);
  if (!signedBy(keyOfProof(proofKey), proofBytes(asked), signature)) throw refused();
  return parts.answers.signed(asked, atDesk(parts, await issueFor(parts, row, bytes, own)));
}

export async function tokenOf(
  parts: EnrolmentParts,
  by: 'secretHash' | 'proofKey',
  value: string,
): Promise<Schema['tokens']> {
  const row = await parts.store.read((db) =>
    db.selectFrom('tokens').selectAll().where(by, '=', value).executeTakeFirst(),
  );
  if (!row || row.voided || row.expiresAt <= parts.system.now()) throw refused();
  return row;
}

export async function issueFor(
  parts: EnrolmentParts,
  row: Schema['tokens'],
  request: Buffer,
  { est }: { est: boolean },
): Promise<IssuedCredential> {
  const now = parts.system.now();
  const kind = row.kind as Kind;
  const permit = await permitted(parts, { subject: row.subject, kind, request, way: 'token', est });
  const { keyHash } = permit;
  const given = (der: Uint8Array) => credentialOf(parts, { subject: row.subject, kind, der: Buffer.from(der) });
  const known = await parts.store.read((db) => repeated(parts, db, row.id, keyHash));
  if (known) return given(known.der);
  const signed = await parts.issuance.issue(permit);
  const entry = { actor: row.subject, action: 'certificates.enrol', together: true };
  const { der } = await changeOnce<{ der: Uint8Array }>(parts.journal, entry, {
    done: ({ db }) => repeated(parts, db, row.id, keyHash),
    work: async (change) => {
      const used = await spend(change.db, row, { publicKey: keyHash, fingerprint: signed.fingerprint, now });
      if (!used) throw refused();
      await parts.issuance.record(change, signed);
      return signed;
    },
  });
  return given(der);
}

/** The same key gets the same certificate until the token expires, so that a lost answer burns nothing. */
async function repeated(
  { revocation }: EnrolmentParts,
  db: Reader,
  id: string,
  keyHash: string,
): Promise<CertificateRow | undefined> {
  const row = await db.selectFrom('tokens').selectAll().where('id', '=', id).executeTakeFirst();
  if (!row || row.publicKey === null) return undefined;
  if (row.publicKey !== keyHash || row.fingerprint === null) throw refused();
  const known = await revocation.find(row.fingerprint, db);
  if (known?.standing !== 'valid') throw refused();
  return known;
}

/** True when this enrolment is the one that uses the token. */
async function spend(
  db: Writer,
  row: Schema['tokens'],
  by: { publicKey: string; fingerprint: string; now: number },
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('tokens')
    .set({ publicKey: by.publicKey, fingerprint: by.fingerprint })
    .where('id', '=', row.id)
    .where('publicKey', 'is', null)
    .where('voided', '=', 0)
    .where('expiresAt', '>', by.now)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

export async function listTokens(
  parts: EnrolmentParts,
  { after = '', limit, archived }: TokensQuery,
): Promise<{ items: TokenView[]; next: string | null }> {
  const rows = await parts.store.read((db) =>
    db
      .selectFrom(archived ? 'archivedTokens' : 'tokens')
      .select(['id', 'subject', 'kind', 'createdAt', 'expiresAt', 'publicKey', 'voided'])
      .where('id', '>', after)
      .orderBy('id')
      .limit(limit)
      .execute(),
  );
  const now = parts.system.now();
  const items = rows.map((row) => ({
    id: row.id,
    subject: row.subject as SubjectId,
    kind: row.kind as Kind,
    state: stateOf(row, now),
    createdAt: timestamp(row.createdAt),
    expiresAt: timestamp(row.expiresAt),
  }));
  return { items, next: rows.length === limit ? (rows.at(-1)?.id ?? null) : null };
}

function stateOf(row: Pick<Schema['tokens'], 'publicKey' | 'voided' | 'expiresAt'>, now: number): TokenView['state'] {
  if (row.publicKey !== null) return 'used';
  if (row.voided) return 'voided';
  return row.expiresAt <= now ? 'expired' : 'open';
}

/** Resolves to how many tokens it voided: none when this one was void already. */
export async function revokeToken(parts: EnrolmentParts, by: By, id: string): Promise<number> {
  return parts.journal.note({ ...by, action: 'tokens.revoke', body: { token: id } }, async (db) => {
    if (!(await isKnown(db, id))) throw new PortcullisError('token_unknown', `the fleet has no token "${id}"`);
    const voided = db.updateTable('tokens').set({ voided: 1 }).where('id', '=', id).where('voided', '=', 0);
    return Number((await voided.executeTakeFirst()).numUpdatedRows);
  });
}

/**
 * Of a restored store: it does not know which of these were used since it was copied, and one that was proves nothing any more (P9).
 * Resolves to how many there were.
 */
export async function voidUnusedTokens(db: Writer): Promise<number> {
  const unused = db.updateTable('tokens').set({ voided: 1 }).where('publicKey', 'is', null).where('voided', '=', 0);
  return Number((await unused.executeTakeFirst()).numUpdatedRows);
}

async function isKnown(db: Writer, id: string): Promise<boolean> {
  for (const table of ['tokens', 'archivedTokens'] as const) {
    if (await db.selectFrom(table).select('id').where('id', '=', id).executeTakeFirst()) return true;
  }
  return false;
}
