import { Attributes, CertificationRequest, CertificationRequestInfo } from '@peculiar/asn1-csr';
import { AsnConvert } from '@peculiar/asn1-schema';
import { AlgorithmIdentifier, SubjectPublicKeyInfo } from '@peculiar/asn1-x509';
import { nameOf } from './certificate-parts.ts';
import type { SignatureMaker } from './make-certificate.ts';

/** A PKCS#10 request in DER (RFC 2986), signed by the key that it asks for. */
export async function makeRequest(
  { subject, publicKey }: { subject: string; publicKey: Uint8Array },
  signer: SignatureMaker,
): Promise<Buffer> {
  const information = new CertificationRequestInfo({
    subject: nameOf(subject),
    subjectPKInfo: AsnConvert.parse(publicKey, SubjectPublicKeyInfo),
    attributes: new Attributes(),
  });
  const bytes = new Uint8Array(AsnConvert.serialize(information));
  const request = new CertificationRequest({
    certificationRequestInfo: information,
    signatureAlgorithm: new AlgorithmIdentifier({ algorithm: signer.algorithm }),
    signature: new Uint8Array(await signer.sign(bytes)).buffer,
  });
  return Buffer.from(AsnConvert.serialize(request));
}
