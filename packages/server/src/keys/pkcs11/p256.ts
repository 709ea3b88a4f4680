/** How PKCS#11 writes keys and signatures of P-256 (PKCS#11 v2.40, current mechanisms §2.3) ↔ how certificates do. */
import { createPublicKey } from 'node:crypto';

/** CKA_EC_PARAMS: the curve's identifier in DER. */
export const p256Parameters = Buffer.from('06082a8648ce3d030107', 'hex');
const coordinateBytes = 32;
const pointBytes = 1 + 2 * coordinateBytes;
const uncompressed = 0x04;

/** SubjectPublicKeyInfo in DER; undefined: of another curve, or no point of it. */
export function p256PublicKey(parameters: Buffer | undefined, written: Buffer | undefined): Buffer | undefined {
  if (!parameters?.equals(p256Parameters) || !written) return undefined;
  // An OCTET STRING around the point (§2.3.3), or, by tokens that do not, the point itself.
  const wrapped = written.length === pointBytes + 2 && written[0] === 0x04 && written[1] === pointBytes;
  const point = wrapped ? written.subarray(2) : written;
  if (point.length !== pointBytes || point[0] !== uncompressed) return undefined;
  const x = point.subarray(1, 1 + coordinateBytes).toString('base64url');
  const y = point.subarray(1 + coordinateBytes).toString('base64url');
  try {
    const key = createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' });
    return key.export({ type: 'spki', format: 'der' });
  } catch {
    return undefined;
  }
}

/** r and s of 32 bytes each (§2.3.1) → Ecdsa-Sig-Value in DER (RFC 3279 §2.2.3); undefined: it has another length. */
export function ecdsaDer(signature: Buffer): Buffer | undefined {
  if (signature.length !== 2 * coordinateBytes) return undefined;
  const both = [signature.subarray(0, coordinateBytes), signature.subarray(coordinateBytes)].map(integer);
  const content = Buffer.concat(both);
  return Buffer.concat([Buffer.from([0x30, content.length]), content]);
}

/** Positive, and in as few bytes as it takes (X.690 §8.3). */
function integer(unsigned: Buffer): Buffer {
  const from = unsigned.findIndex((one) => one !== 0);
  const digits = from === -1 ? Buffer.from([0]) : unsigned.subarray(from);
  const sign = (digits[0] as number) >= 0x80 ? [0] : [];
  return Buffer.from([0x02, sign.length + digits.length, ...sign, ...digits]);
}
