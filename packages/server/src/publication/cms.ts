import { createHash, sign } from 'node:crypto';
import {
  Attribute,
  CertificateChoices,
  CertificateSet,
  CMSVersion,
  ContentInfo,
  DigestAlgorithmIdentifier,
  DigestAlgorithmIdentifiers,
  EncapsulatedContent,
  EncapsulatedContentInfo,
  IssuerAndSerialNumber,
  id_contentType,
  id_data,
  id_messageDigest,
  id_signedData,
  id_signingTime,
  SignatureAlgorithmIdentifier,
  SignedData,
  SignerIdentifier,
  SignerInfo,
  SignerInfos,
} from '@peculiar/asn1-cms';
import { AsnConvert, AsnObjectIdentifierConverter, AsnUTCTimeConverter, OctetString } from '@peculiar/asn1-schema';
import { Certificate } from '@peculiar/asn1-x509';
import { objectIdentifiers } from '@portcullis/contract';
import type { Signing } from './promises.ts';

const sha256 = '2.16.840.1.101.3.4.2.1';

/** SignedData with the content inside (RFC 5652 §5), ECDSA with SHA-256 (RFC 5754 §3.3), the chain with it; in DER. */
export function signedCms(content: Buffer, at: number, { key, chain }: Signing): Buffer {
  const certificates = chain.map((der) => AsnConvert.parse(der, Certificate));
  const { issuer, serialNumber } = (certificates[0] as Certificate).tbsCertificate;
  const signedAttrs = attributesOf(content, at);
  const digestAlgorithm = new DigestAlgorithmIdentifier({ algorithm: sha256 });
  const signerInfo = new SignerInfo({
    version: CMSVersion.v1,
    sid: new SignerIdentifier({ issuerAndSerialNumber: new IssuerAndSerialNumber({ issuer, serialNumber }) }),
    digestAlgorithm,
    signedAttrs,
    signatureAlgorithm: new SignatureAlgorithmIdentifier({ algorithm: objectIdentifiers.ecdsaWithSha256 }),
    signature: new OctetString(sign('sha256', signedBytes(signedAttrs), key)),
  });
  const signedData = new SignedData({
    version: CMSVersion.v1,
    digestAlgorithms: new DigestAlgorithmIdentifiers([digestAlgorithm]),
    encapContentInfo: new EncapsulatedContentInfo({
      eContentType: id_data,
      eContent: new EncapsulatedContent({ single: new OctetString(content) }),
    }),
    certificates: new CertificateSet(certificates.map((certificate) => new CertificateChoices({ certificate }))),
    signerInfos: new SignerInfos([signerInfo]),
  });
  const whole = new ContentInfo({ contentType: id_signedData, content: AsnConvert.serialize(signedData) });
  return Buffer.from(AsnConvert.serialize(whole));
}

/** In the order of DER for a SET OF: by their bytes. */
function attributesOf(content: Buffer, at: number): Attribute[] {
  const digest = new OctetString(createHash('sha256').update(content).digest());
  const attributes = [
    attribute(id_contentType, AsnObjectIdentifierConverter.toASN(id_data).toBER()),
    attribute(id_signingTime, AsnUTCTimeConverter.toASN(new Date(at)).toBER()),
    attribute(id_messageDigest, AsnConvert.serialize(digest)),
  ];
  const bytesOf = (one: Attribute) => Buffer.from(AsnConvert.serialize(one));
  return attributes.sort((a, b) => Buffer.compare(bytesOf(a), bytesOf(b)));
}

const attribute = (attrType: string, value: ArrayBuffer) => new Attribute({ attrType, attrValues: [value] });

/** RFC 5652 §5.4: as an explicit SET OF, not with the tag that they travel with. */
function signedBytes(attributes: readonly Attribute[]): Buffer {
  const content = Buffer.concat(attributes.map((one) => Buffer.from(AsnConvert.serialize(one))));
  return Buffer.concat([Buffer.from([0x31]), derLength(content.length), content]);
}

const derLength = (length: number) => Buffer.from(length < 128 ? [length] : [0x81, length]);
