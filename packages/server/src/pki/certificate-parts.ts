/** What certificates and lists have in common. */
import { createHash } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import {
  AttributeTypeAndValue,
  AttributeValue,
  Certificate,
  id_ce_subjectKeyIdentifier,
  Name,
  RelativeDistinguishedName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
} from '@peculiar/asn1-x509';
import { objectIdentifiers } from '@portcullis/contract';

export function nameOf(commonName: string): Name {
  const value = new AttributeValue({ utf8String: commonName });
  return new Name([
    new RelativeDistinguishedName([new AttributeTypeAndValue({ type: objectIdentifiers.commonName, value })]),
  ]);
}

/** RFC 7093 §2 method 1: the leftmost 160 bits of the SHA-256 of the key's bits. */
export function keyIdentifier(publicKey: Uint8Array): ArrayBuffer {
  const key = AsnConvert.parse(publicKey, SubjectPublicKeyInfo).subjectPublicKey;
  return arrayBuffer(createHash('sha256').update(new Uint8Array(key)).digest().subarray(0, 20));
}

export function arrayBuffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

const bodyIn = (certificate: Uint8Array) => AsnConvert.parse(certificate, Certificate).tbsCertificate;

/** The subject's name as its certificate has it, whoever wrote that. */
export const subjectNameIn = (certificate: Uint8Array): Name => bodyIn(certificate).subject;

/** As the certificate says it (RFC 5280 §4.2.1.2); undefined: it does not. */
export function keyIdentifierIn(certificate: Uint8Array): ArrayBuffer | undefined {
  const said = bodyIn(certificate).extensions?.find(({ extnID }) => extnID === id_ce_subjectKeyIdentifier);
  return said && AsnConvert.parse(said.extnValue.buffer, SubjectKeyIdentifier).buffer;
}
