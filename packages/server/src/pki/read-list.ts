import { verify, X509Certificate } from 'node:crypto';
import { der, objectIdentifiers, PortcullisError } from '@portcullis/contract';
import { subjectOf } from './certificate-parts.ts';
import { type BodyExtension, extensionsIn } from './read-body.ts';
import { contextTag, DerReader, dottedOf, tags } from './read-der.ts';
import { requireDer } from './strict-der.ts';

/** A complete list of one issuer, as a reader that did not write it finds it (RFC 5280 §5). */
export interface ReadList {
  /** Of the issuer: its name in DER. */
  issuer: Buffer;
  number: number;
  /** Milliseconds since 1970. */
  thisUpdate: number;
  nextUpdate: number;
  /** Serials are 32 lower-case hex digits, or more. */
  entries: { serial: string; revokedAt: number }[];
  /** Of the signature: the object identifier in DER, what it is over, and itself. */
  algorithm: Buffer;
  signed: Buffer;
  signature: Buffer;
}

/** Some 1 700 entries. */
export const listBytesMax = 65_535;
const [utcTime, generalizedTime] = [0x17, 0x18];
const crlNumber = der.objectIdentifier('2.5.29.20');

const digests = new Map<string, string | null>(
  (
    [
      [objectIdentifiers.ecdsaWithSha256, 'sha256'],
      [objectIdentifiers.ecdsaWithSha384, 'sha384'],
      [objectIdentifiers.ecdsaWithSha512, 'sha512'],
      [objectIdentifiers.sha256WithRsaEncryption, 'sha256'],
      [objectIdentifiers.sha384WithRsaEncryption, 'sha384'],
      [objectIdentifiers.sha512WithRsaEncryption, 'sha512'],
      [objectIdentifiers.ed25519, null],
      [objectIdentifiers.mlDsa44, null],
      [objectIdentifiers.mlDsa65, null],
      [objectIdentifiers.mlDsa87, null],
    ] as const
  ).map(([id, digest]) => [der.objectIdentifier(id).toString('hex'), digest]),
);

/** @throws {PortcullisError} `file_unusable` for what is no such list in DER, or one that only some readers understand */
export function readList(bytes: Buffer): ReadList {
  if (bytes.length > listBytesMax) {
    throw unusable(`it has ${bytes.length} bytes, and at most ${listBytesMax} are allowed`);
  }
  try {
    requireDer(bytes);
    return read(bytes);
  } catch (cause) {
    if (cause instanceof PortcullisError && cause.code === 'file_unusable') throw cause;
    throw unusable('it is not one in DER (RFC 5280)', cause);
  }
}

/** The name of the issuer is that of this certificate's subject, and its key made the signature. */
export function isListOf({ issuer, algorithm, signed, signature }: ReadList, certificate: Buffer): boolean {
  const digest = digests.get(algorithm.toString('hex'));
  if (digest === undefined || !subjectOf(certificate).name.equals(issuer)) return false;
  try {
    return verify(digest, signed, new X509Certificate(certificate).publicKey, signature);
  } catch {
    // A key of another type than the algorithm.
    return false;
  }
}

function read(bytes: Buffer): ReadList {
  const outer = new DerReader(bytes);
  const list = outer.within(tags.sequence);
  outer.end();
  const signed = list.whole(tags.sequence);
  const outside = list.whole(tags.sequence);
  const bits = list.read(tags.bits);
  list.end();
  const body = new DerReader(signed).within(tags.sequence);
  const version = body.next === tags.integer ? body.read(tags.integer)[0] : 0;
  if (version !== 1) throw unusable('it must be of version 2');
  if (!body.whole(tags.sequence).equals(outside)) throw unusable('it names two signature algorithms');
  const issuer = body.whole(tags.sequence);
  const thisUpdate = timeIn(body);
  if (body.next !== utcTime && body.next !== generalizedTime) throw unusable('it does not say until when it holds');
  const nextUpdate = timeIn(body);
  const entries = entriesIn(body.optional(tags.sequence));
  const extensions = body.next === contextTag(0) ? extensionsIn(body.within(contextTag(0))) : [];
  body.end();
  const algorithm = new DerReader(outside).within(tags.sequence).whole(tags.objectIdentifier);
  return {
    ...{ issuer, number: numberIn(extensions), thisUpdate, nextUpdate, entries },
    ...{ algorithm, signed, signature: bits.subarray(1) },
  };
}

function entriesIn(list: DerReader | undefined): ReadList['entries'] {
  const entries: ReadList['entries'] = [];
  while (list?.next !== undefined) {
    const entry = list.within(tags.sequence);
    const serial = BigInt(`0x${entry.read(tags.integer).toString('hex')}`).toString(16);
    entries.push({ serial: serial.padStart(32, '0'), revokedAt: timeIn(entry) });
    if (entry.next !== undefined) requireNoneCritical(extensionsIn(entry));
  }
  return entries;
}

/** A critical one says that the list is not all of what its issuer revoked, or not its issuer's alone (RFC 5280 §5.2.4, §5.2.5, §5.3.3). */
function requireNoneCritical(extensions: readonly BodyExtension[]): void {
  const critical = extensions.find((one) => one.critical);
  if (!critical) return;
  throw unusable(`it has the critical extension ${dottedOf(critical.id)}; it must be one complete list`);
}

function numberIn(extensions: readonly BodyExtension[]): number {
  requireNoneCritical(extensions);
  const found = extensions.find(({ id }) => id.equals(crlNumber));
  if (!found) throw unusable('it has no number (cRLNumber)');
  const number = Number(BigInt(`0x${new DerReader(found.value).read(tags.integer).toString('hex')}`));
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw unusable(`its number is not from 1 to ${Number.MAX_SAFE_INTEGER}`);
}

/** In whole seconds, of UTC (RFC 5280 §4.1.2.5). */
function timeIn(reader: DerReader): number {
  const isShort = reader.next === utcTime;
  const text = reader.read(isShort ? utcTime : generalizedTime).toString('latin1');
  const century = Number(text.slice(0, 2)) < 50 ? '20' : '19';
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(isShort ? century + text : text) ?? [];
  const [year, month, day, hour, minute, second] = parts;
  const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(at)) throw unusable('it has a time that is none');
  return at;
}

const unusable = (why: string, cause?: unknown) =>
  new PortcullisError('file_unusable', `this is no list of revoked certificates that is taken here: ${why}`, { cause });
