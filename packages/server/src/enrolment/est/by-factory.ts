import { type AttributeValue, type Kind, PortcullisError, SubjectId } from '@portcullis/contract';
import { fromPem, type Presented, toPem, verifyPresented } from '../../pki/pki.ts';
import type { Reader } from '../../storage/storage.ts';
import { changeOnce } from '../once.ts';
import type { EnrolmentParts } from '../open.ts';
import { permitted } from '../permitted.ts';
import { allowEst } from './allowed.ts';
import { type FactoryRow, liveFactories } from './factories.ts';

function refused(why: string): PortcullisError {
  return new PortcullisError('factory_refused', `the client certificate can not enrol: ${why}`);
}

/**
 * A first certificate for whoever holds one of a manufacturer (RFC 7030 §4.2.1, IEEE 802.1AR): for a subject that is new, and once for ever.
 * The same key gets the same certificate again. What it becomes waits to be approved.
 * @throws {PortcullisError} `factory_refused`, `subject_exists`, and those of a request
 */
export async function enrolByFactory(
  parts: EnrolmentParts,
  chain: readonly string[],
  request: Buffer,
): Promise<string> {
  const { factory, presented } = await factoryOf(parts, chain);
  const { fingerprint, content } = presented;
  const subject = subjectOf(factory, presented);
  const kind = factory.kind as Kind;
  const attributes = attributesOf(factory, presented);
  const asked = { subject, kind, request, attributes };
  const permit = await permitted(parts, { ...asked, way: 'factory', est: true });
  const { keyHash } = permit;
  const known = await parts.store.read((db) => repeated(parts, db, presented, keyHash));
  if (known) return known.pem;
  await parts.store.read((db) => requireNew(db, subject));
  const signed = await parts.issuance.issue(permit);
  const entry = { actor: subject, action: 'certificates.enrol', together: true };
  const { pem } = await changeOnce<{ pem: string }>(parts.journal, entry, {
    done: ({ db }) => repeated(parts, db, presented, keyHash),
    async work(change) {
      await requireNew(change.db, subject);
      await parts.attributes.ensure(change, { subject, kind, attributes });
      await parts.issuance.record(change, signed);
      await allowEst(change, subject);
      const enrolment = { fingerprint, content, factory: factory.name, subject, publicKey: keyHash };
      await change.db
        .insertInto('factoryEnrolments')
        .values({ ...enrolment, issued: signed.fingerprint, at: change.at, approvedAt: null })
        .execute();
      change.about({ factory: factory.name, by: fingerprint });
      return signed;
    },
  });
  return pem;
}

/** The chain is verified to the authorities of one factory at a time: none vouches for what another made. */
async function factoryOf(
  parts: EnrolmentParts,
  chain: readonly string[],
): Promise<{ factory: FactoryRow; presented: Presented }> {
  const ders = chain.map((der) => Buffer.from(der, 'base64'));
  for (const factory of await liveFactories(parts)) {
    const authorities = fromPem('CERTIFICATE', factory.authorities);
    const presented = verifyPresented(ders, { authorities, now: parts.system.now() });
    if (presented) return { factory, presented };
  }
  throw refused('no factory of this fleet vouches for it; a token may, or the fleet’s own certificate renews');
}

/** Who was enrolled already, for this key; with another one it is refused for ever, however the signature of the certificate is written. */
async function repeated(
  { revocation }: EnrolmentParts,
  db: Reader,
  { fingerprint, others, content }: Presented,
  keyHash: string,
): Promise<{ pem: string } | undefined> {
  const known = db.selectFrom('factoryEnrolments').selectAll();
  const row =
    (await known.where('content', '=', content).executeTakeFirst()) ??
    // What an earlier release wrote has no content.
    (await known.where('fingerprint', 'in', [fingerprint, ...others]).executeTakeFirst());
  if (!row) return undefined;
  const issued = row.publicKey === keyHash ? await revocation.find(row.issued, db) : undefined;
  if (issued?.standing !== 'valid')
    throw refused(`it enrolled "${row.subject}", and does so once; a token that is made with --est enrols it again`);
  return { pem: toPem('CERTIFICATE', issued.der) };
}

async function requireNew(db: Reader, subject: string): Promise<void> {
  const known = await db.selectFrom('subjects').select('id').where('id', '=', subject).executeTakeFirst();
  if (!known) return;
  throw new PortcullisError('subject_exists', `there is a subject "${subject}"; no factory's certificate may name it`);
}

const fingerprintDigits = 16;

/** @throws {PortcullisError} `factory_refused` */
function subjectOf({ name, serialBecomes }: FactoryRow, { serialNumber, fingerprint }: Presented): SubjectId {
  if (serialBecomes === 'attribute') return SubjectId.parse(`${name}-${fingerprint.slice(0, fingerprintDigits)}`);
  if (serialNumber === undefined) throw refused('its subject has no serialNumber, which would become the id');
  const id = SubjectId.safeParse(`${name}-${serialNumber.toLowerCase().replaceAll(/[^a-z0-9._-]+/g, '-')}`);
  if (id.success) return id.data;
  throw refused(`its serialNumber can be no part of an id: ${id.error.issues[0]?.message}`);
}

/** The serial number as its maker writes it stays on record. */
function attributesOf({ into }: FactoryRow, { serialNumber }: Presented): Record<string, AttributeValue> {
  const given = JSON.parse(into) as Record<string, AttributeValue>;
  return serialNumber === undefined ? given : { serial: serialNumber, ...given };
}
