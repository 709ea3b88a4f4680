import { setImmediate as aTurn } from 'node:timers/promises';
import { der } from '@portcullis/contract';
import { bitsIdentifier, extension, signatureAlgorithm, subjectOf } from './certificate-parts.ts';
import type { SignatureMaker } from './make-certificate.ts';

export interface ListFields {
  /** The issuer's certificate in DER: its name and its key's identifier are taken from there as they are. */
  issuerCertificate: Buffer;
  /** Rises with each list of this issuer (RFC 5280 §5.2.3). */
  number: number;
  /** Milliseconds since 1970, as all times here. */
  thisUpdate: number;
  nextUpdate: number;
  entries: readonly { serial: Uint8Array; revokedAt: number }[];
}

/**
 * Of the list after that of number `before`. It follows the clock where it can, so that what came back from an older copy gives none twice; what a
 * clock that was ahead gave it goes on from. `now`: milliseconds since 1970.
 */
export const nextListNumber = (before: number, now: number) => Math.max(before + 1, Math.floor(now / 1_000));

const { sequence, integer, integerOf, time, explicit, objectIdentifier, element, bitString } = der;
/** Some milliseconds' worth. */
const entriesInATurn = 2_000;
const [authorityKeyIdentifier, crlNumber] = ['2.5.29.35', '2.5.29.20'].map(objectIdentifier) as [Buffer, Buffer];

/**
 * A complete list of one issuer in DER, signed (RFC 5280 §5). Entries have no extensions, and the list no issuingDistributionPoint: some
 * readers take neither. Entries are written and not modelled, some thousands in each turn of the loop: others have theirs meanwhile.
 */
export async function makeList(fields: ListFields, signer: SignatureMaker): Promise<Buffer> {
  const { number, thisUpdate, nextUpdate, entries } = fields;
  const issuer = subjectOf(fields.issuerCertificate);
  const algorithm = signatureAlgorithm(signer.algorithm);
  const [version2, keyIdentifierTag] = [1, 0x80];
  const authority = sequence(element(keyIdentifierTag, issuer.keyIdentifier ?? bitsIdentifier(issuer.key)));
  const body = sequence(
    integer(version2),
    algorithm,
    issuer.name,
    time(thisUpdate),
    time(nextUpdate),
    // §5.1.2.6: where there is none, the member is absent.
    ...(entries.length > 0 ? [sequence(await joined(entries))] : []),
    explicit(0, sequence(extension(authorityKeyIdentifier, authority), extension(crlNumber, integer(number)))),
  );
  return sequence(body, algorithm, bitString(await signer.sign(body)));
}

/** Of a long list no array of arguments is made: the stack does not hold a hundred thousand. */
async function joined(entries: ListFields['entries']): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let from = 0; from < entries.length; from += entriesInATurn) {
    pieces.push(Buffer.concat(entries.slice(from, from + entriesInATurn).map(revoked)));
    await aTurn();
  }
  return Buffer.concat(pieces);
}

const revoked = ({ serial, revokedAt }: ListFields['entries'][number]) => sequence(integerOf(serial), time(revokedAt));
