/** Object identifiers of RFC 5652 §4 and §5.1, in DER. */
const data = Buffer.from('06092a864886f70d010701', 'hex');
const signedData = Buffer.from('06092a864886f70d010702', 'hex');
const version1 = Buffer.from('020101', 'hex');
const emptySet = Buffer.from('3100', 'hex');

/**
 * PKCS#7 that holds certificates and nothing that is signed (RFC 5652 §5, RFC 7030 §4.1.3), in DER. They stay in the order in which they
 * come, though a SET OF is sorted in DER (X.690 §11.6): readers of EST take the first, or the last, for what it is to them (FINDINGS B5).
 */
export function certsOnly(certificates: readonly Uint8Array[]): Buffer {
  const content = derOf(0x30, [
    version1,
    emptySet,
    derOf(0x30, [data]),
    derOf(0xa0, certificates),
    // No list of revoked certificates, and nobody who signed.
    emptySet,
  ]);
  return derOf(0x30, [signedData, derOf(0xa0, [content])]);
}

function derOf(tag: number, parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(tag), lengthOf(content.length), content]);
}

/** X.690 §10.1: the shortest. */
function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  const size = Math.ceil(Math.log2(length + 1) / 8);
  const bytes = Buffer.alloc(1 + size, 0x80 | size);
  bytes.writeUIntBE(length, 1, size);
  return bytes;
}
