import { createHash } from 'node:crypto';
import {
  type Fingerprint,
  type ImportedCertificate,
  type Kind,
  PortcullisError,
  type SubjectId,
} from '@portcullis/contract';
import { type ForeignCertificate, lostWords } from '../issuance/issuance.ts';
import { type CertificateFacts, fingerprintOf, fromPem, readCertificate, signedBy } from '../pki/pki.ts';
import type { Reader } from '../storage/storage.ts';

/** What of a certificate is other than it is here. */
export type CertificateStep =
  | { act: 'record'; foreign: ForeignCertificate }
  | { act: 'suspend' | 'revoke'; fingerprint: Fingerprint };

/** What all rows of a request have in common. */
export interface Ground {
  fleet: string;
  now: number;
  /** By fingerprint, of those that the request names and the fleet knows. */
  known: ReadonlyMap<string, { subject: string; standing: string; purpose: string }>;
  /** By fingerprint, of those that it does not: what they say, or why they are not taken. */
  read: ReadonlyMap<string, ReadForeign | PortcullisError>;
  /** Subjects that have a certificate which is suspended or revoked. */
  cut: ReadonlySet<string>;
  /** Keys that others have: SHA-256 of each, in hex. */
  lost: ReadonlySet<string>;
  /** `ISSUER SERIAL` of those that are taken. */
  serials: Set<string>;
}

export interface Named {
  subject: string;
  given: ImportedCertificate;
  der: Buffer | undefined;
  fingerprint: Fingerprint;
}

/** @throws {PortcullisError} `request_malformed` */
export function namedBy(subject: string, given: ImportedCertificate): Named {
  const { certificate, fingerprint } = given;
  if (fingerprint !== undefined) return { subject, given, fingerprint, der: undefined };
  const blocks = fromPem('CERTIFICATE', certificate ?? '');
  const [der] = blocks;
  if (!der || blocks.length > 1) throw new PortcullisError('request_malformed', 'a certificate is one block in PEM');
  return { subject, given, der, fingerprint: fingerprintOf(der) };
}

const perStatement = 200;

/** Of those that a request names: which are here. */
export async function knownAmong(db: Reader, named: readonly Named[]) {
  const known = new Map<string, { subject: string; standing: string; purpose: string }>();
  for (const table of ['certificates', 'archivedCertificates'] as const) {
    for (let from = 0; from < named.length; from += perStatement) {
      const some = named.slice(from, from + perStatement).map(({ fingerprint }) => fingerprint);
      const rows = db.selectFrom(table).select(['fingerprint', 'subject', 'standing', 'purpose']);
      for (const row of await rows.where('fingerprint', 'in', some).execute()) known.set(row.fingerprint, row);
    }
  }
  return known;
}

export async function cutAmong(db: Reader, subjects: readonly string[]): Promise<Set<string>> {
  const cut = new Set<string>();
  for (let from = 0; from < subjects.length; from += perStatement) {
    const rows = db
      .selectFrom('certificates')
      .select('subject')
      .distinct()
      .where('subject', 'in', subjects.slice(from, from + perStatement))
      .where('standing', 'in', ['suspended', 'revoked']);
    for (const { subject } of await rows.execute()) cut.add(subject);
  }
  return cut;
}

/** Undefined: it is so already. @throws {PortcullisError} why it is not taken */
export function stepOf(named: Named, kind: Kind, ground: Ground): CertificateStep | undefined {
  const known = ground.known.get(named.fingerprint);
  if (known) return stepOfKnown(named, known);
  if (named.der) return { act: 'record', foreign: foreignOf(named, kind, ground) };
  throw new PortcullisError(
    'certificate_unknown',
    `the fleet has no certificate "${named.fingerprint}"; give the certificate itself`,
  );
}

function stepOfKnown(
  { subject, given, fingerprint }: Named,
  known: { subject: string; standing: string; purpose: string },
): CertificateStep | undefined {
  if (known.subject !== subject) {
    throw new PortcullisError('certificate_unknown', `"${fingerprint}" is a certificate of "${known.subject}"`);
  }
  const wanted = given.standing ?? known.standing;
  if (wanted === known.standing) return undefined;
  if (known.standing === 'revoked' || known.standing === 'superseded') {
    throw new PortcullisError('standing_final', `"${fingerprint}" is ${known.standing}, which no import changes`);
  }
  if (wanted === 'valid') {
    throw new PortcullisError(
      'precondition_failed',
      `"${fingerprint}" is suspended here, and an import lifts nothing: "portcullis certificate resume ${subject}" does`,
    );
  }
  return { act: wanted === 'revoked' ? 'revoke' : 'suspend', fingerprint };
}

const kinds: readonly Kind[] = ['device', 'gateway'];

function foreignOf(named: Named, kind: Kind, ground: Ground): ForeignCertificate {
  const { subject, given, fingerprint } = named;
  const { standing = 'valid' } = given;
  if (!kinds.includes(kind)) {
    throw new PortcullisError('request_malformed', `a ${kind} gets its certificate from the fleet alone, by a token`);
  }
  const read = ground.read.get(fingerprint);
  if (!read || read instanceof PortcullisError) {
    throw read ?? new PortcullisError('certificate_unknown', `"${fingerprint}" went meanwhile; import it again`);
  }
  requireOfSubject(read, { subject, kind, ground });
  if (standing === 'valid' && ground.cut.has(subject)) {
    throw new PortcullisError(
      'after_revocation_required',
      `"${subject}" has a suspended or revoked certificate; an import gives it no other one`,
    );
  }
  const { serial, notBefore, notAfter, publicKey, issuer, issuerFingerprint, der } = read;
  // One that is revoked lets nobody in.
  if (standing !== 'revoked' && ground.lost.has(keyHashOf(read))) throw new PortcullisError('key_refused', lostWords);
  const unique = `${issuer} ${serial}`;
  if (ground.serials.has(unique)) {
    throw new PortcullisError('request_malformed', `the serial ${serial} is that of another certificate of its issuer`);
  }
  ground.serials.add(unique);
  return {
    ...{ fingerprint, serial, subject: subject as SubjectId, kind, standing, notBefore, notAfter, publicKey, der },
    ...{ issuer, issuerFingerprint },
  };
}

interface Of {
  subject: string;
  kind: Kind;
  ground: Ground;
}

/** One that names somebody of this fleet is of nobody else. */
function requireOfSubject({ purposes, uris, notAfter }: ReadForeign, { subject, kind, ground }: Of): void {
  const { fleet, now } = ground;
  if (!purposes.includes('client')) {
    const why = 'the certificate is not for clients: it lacks clientAuth (RFC 5280 §4.2.1.12)';
    throw new PortcullisError('request_malformed', why);
  }
  if (notAfter <= now)
    throw new PortcullisError('request_malformed', 'the certificate has ended; no gate would take it');
  const own = `spiffe://${fleet}/${kind}/${subject}`;
  const other = uris.find((uri) => uri.startsWith('spiffe://') && uri !== own);
  if (other) throw new PortcullisError('request_malformed', `the certificate is for "${other}", not for "${own}"`);
}

/** What a certificate says, and which of the fleet's issuers signed it. */
export interface ReadForeign extends Omit<CertificateFacts, 'issuer' | 'subject' | 'fingerprint'> {
  der: Buffer;
  issuer: string;
  issuerFingerprint: Fingerprint;
}

/** SHA-256 of its key (SubjectPublicKeyInfo in DER), in hex. */
const keyHashOf = ({ publicKey }: ReadForeign) => createHash('sha256').update(publicKey).digest('hex');

/** The keys of what was read. */
export function keyHashesIn(read: ReadonlyMap<string, ReadForeign | PortcullisError>): string[] {
  return [...read.values()].flatMap((one) => (one instanceof PortcullisError ? [] : keyHashOf(one)));
}

/** Its signature is looked at, which takes a fraction of a millisecond. */
export function readForeign(der: Buffer, issuers: readonly Buffer[]): ReadForeign | PortcullisError {
  try {
    const { issuer, ...facts } = readCertificate(der);
    const signer = signedBy(der, issuers);
    if (!signer) {
      const why = `the certificate was signed by "${issuer}", which is no issuer of this fleet for devices; no gate would take it`;
      return new PortcullisError('certificate_unknown', why);
    }
    const { subject: name, fingerprint } = readCertificate(signer);
    return { ...facts, der, issuer: name, issuerFingerprint: fingerprint };
  } catch (error) {
    if (error instanceof PortcullisError) return error;
    throw error;
  }
}

/** Which serials of these are taken, by issuer. */
export async function serialsAmong(db: Reader, read: ReadonlyMap<string, ReadForeign | PortcullisError>) {
  const foreign = [...read.values()].flatMap((one) => (one instanceof PortcullisError ? [] : [one]));
  const issuers = [...new Set(foreign.map(({ issuer }) => issuer))];
  const taken = new Set<string>();
  for (const table of ['certificates', 'archivedCertificates', 'serials'] as const) {
    for (let from = 0; from < foreign.length; from += perStatement) {
      const some = foreign.slice(from, from + perStatement).map(({ serial }) => serial);
      const rows = db.selectFrom(table).select(['issuer', 'serial']).where('issuer', 'in', issuers);
      for (const { issuer, serial } of await rows.where('serial', 'in', some).execute())
        taken.add(`${issuer} ${serial}`);
    }
  }
  return taken;
}
