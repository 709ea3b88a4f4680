import { der } from '@portcullis/contract';
import { fingerprintOf } from './read-certificate.ts';
import { DerReader, tags } from './read-der.ts';

/** The order of each curve that certificates are signed on (SEC 2 §2.4.2, §2.5.1, §2.6.1). */
const orders = [
  0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
];

/**
 * Of a certificate that is signed by ECDSA, in DER, with n - s in the place of s: it verifies alike (SEC 1 §4.1.4). On which curve is not said in
 * it, so there is one for each, of which one is that.
 * @throws {PortcullisError} `request_malformed`
 */
export function otherFingerprints(certificate: Buffer): string[] {
  const parts = new DerReader(certificate).within(tags.sequence);
  const [signed, algorithm] = [parts.whole(tags.sequence), parts.whole(tags.sequence)];
  const signature = new DerReader(parts.read(tags.bits).subarray(1)).within(tags.sequence);
  const [r, s] = [signature.read(tags.integer), BigInt(`0x${signature.read(tags.integer).toString('hex')}`)];
  return orders
    .filter((order) => s < order)
    .map((order) => {
      const digits = (order - s).toString(16);
      const other = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
      return fingerprintOf(
        der.sequence(signed, algorithm, der.bitString(der.sequence(der.integerOf(r), der.integerOf(other)))),
      );
    });
}
