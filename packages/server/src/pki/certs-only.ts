import { der } from '@portcullis/contract';

const { sequence, set, integer, explicit, objectIdentifier } = der;
/** RFC 5652 §4 and §5.1. */
const [data, signedData] = ['1.2.840.113549.1.7.1', '1.2.840.113549.1.7.2'].map(objectIdentifier) as [Buffer, Buffer];
const [version1, emptySet] = [integer(1), set()];

/**
 * PKCS#7 that holds certificates and nothing that is signed (RFC 5652 §5, RFC 7030 §4.1.3), in DER. They stay in the order in which they
 * come, though a SET OF is sorted in DER (X.690 §11.6): readers of EST take the first, or the last, for what it is to them (FINDINGS B5).
 */
export function certsOnly(certificates: readonly Uint8Array[]): Buffer {
  const content = sequence(
    version1,
    emptySet,
    sequence(data),
    explicit(0, ...certificates),
    // No list of revoked certificates, and nobody who signed.
    emptySet,
  );
  return sequence(signedData, explicit(0, content));
}
