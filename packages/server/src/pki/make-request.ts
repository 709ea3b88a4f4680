import { der } from '@portcullis/contract';
import { nameOf } from './certificate-parts.ts';
import type { SignatureMaker } from './make-certificate.ts';

const { sequence, integer, explicit, objectIdentifier, bitString } = der;
const [version1, noAttributes] = [integer(0), explicit(0)];

/** A PKCS#10 request in DER (RFC 2986), signed by the key that it asks for. `publicKey`: SubjectPublicKeyInfo in DER. */
export async function makeRequest(
  { subject, publicKey }: { subject: string; publicKey: Uint8Array },
  signer: SignatureMaker,
): Promise<Buffer> {
  const information = sequence(version1, nameOf(subject), publicKey, noAttributes);
  return sequence(information, sequence(objectIdentifier(signer.algorithm)), bitString(await signer.sign(information)));
}
