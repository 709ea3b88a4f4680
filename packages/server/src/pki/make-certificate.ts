import { isIP } from 'node:net';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AccessDescription,
  AlgorithmIdentifier,
  AuthorityInfoAccessSyntax,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  CRLDistributionPoints,
  DistributionPoint,
  DistributionPointName,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  id_ad_caIssuers,
  id_ad_ocsp,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_cRLDistributionPoints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_pe_authorityInfoAccess,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509';
import { objectIdentifiers, type Purpose } from '@portcullis/contract';
import { arrayBuffer, keyIdentifier, keyIdentifierIn, nameOf, subjectNameIn } from './certificate-parts.ts';

/** What signs: the algorithm's identifier and the act. */
export interface SignatureMaker {
  /** Object identifier of the signature algorithm; its parameters are absent (RFC 5758 §3.2), but for RSA, whose are NULL (RFC 4055 §5). */
  readonly algorithm: string;
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

export interface CertificateFields {
  /** 16 bytes; made positive by clearing the first bit (RFC 5280 §4.1.2.2). */
  serial: Uint8Array;
  issuer: string;
  issuerPublicKey: Uint8Array;
  /** The issuer's certificate in DER, where another maker wrote it: its name and its key's identifier are taken from there as they are. */
  issuerCertificate?: Uint8Array;
  subject: string;
  /** SubjectPublicKeyInfo in DER. */
  publicKey: Uint8Array;
  notBefore: number;
  notAfter: number;
  /** Of a certificate authority: how many more may follow below it. */
  authority?: { pathLength: number };
  purposes?: Purpose[];
  uris?: string[];
  /** DNS names and addresses. */
  hosts?: string[];
  /** Where whoever verifies finds its issuer's list (RFC 5280 §4.2.1.13), answers about it, and its issuer's certificate (§4.2.2.1). */
  addresses?: { lists: string[]; answers: string[]; issuers: string[] };
}

/** The certificate in DER, signed. `check` sees what would be signed, and may throw: then nothing is. */
export async function makeCertificate(
  fields: CertificateFields,
  signer: SignatureMaker,
  check: (body: Buffer) => void = () => undefined,
): Promise<Buffer> {
  const algorithm = new AlgorithmIdentifier({ algorithm: signer.algorithm, ...parametersOf(signer) });
  const body = new TBSCertificate({
    version: Version.v3,
    serialNumber: arrayBuffer(fields.serial),
    signature: algorithm,
    issuer: fields.issuerCertificate ? subjectNameIn(fields.issuerCertificate) : nameOf(fields.issuer),
    validity: new Validity({ notBefore: new Date(fields.notBefore), notAfter: new Date(fields.notAfter) }),
    subject: nameOf(fields.subject),
    subjectPublicKeyInfo: AsnConvert.parse(fields.publicKey, SubjectPublicKeyInfo),
    extensions: new Extensions(extensionsOf(fields)),
  });
  const bytes = AsnConvert.serialize(body);
  check(Buffer.from(bytes));
  const certificate = new Certificate({
    tbsCertificate: body,
    signatureAlgorithm: algorithm,
    signatureValue: arrayBuffer(await signer.sign(new Uint8Array(bytes))),
  });
  certificate.tbsCertificateRaw = bytes;
  return Buffer.from(AsnConvert.serialize(certificate));
}

function extensionsOf(fields: CertificateFields): Extension[] {
  const { authority, purposes } = fields;
  const names = [
    ...(fields.uris ?? []).map((uri) => new GeneralName({ uniformResourceIdentifier: uri })),
    ...(fields.hosts ?? []).map((host) => new GeneralName(isIP(host) ? { iPAddress: host } : { dNSName: host })),
  ];
  const constraints = authority
    ? new BasicConstraints({ cA: true, pathLenConstraint: authority.pathLength })
    : new BasicConstraints({ cA: false });
  const usage = authority ? KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign : KeyUsageFlags.digitalSignature;
  return [
    extension(id_ce_basicConstraints, true, constraints),
    extension(id_ce_keyUsage, true, new KeyUsage(usage)),
    extension(id_ce_subjectKeyIdentifier, false, new SubjectKeyIdentifier(keyIdentifier(fields.publicKey))),
    extension(
      id_ce_authorityKeyIdentifier,
      false,
      new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(issuerIdentifier(fields)) }),
    ),
    ...(purposes ? [extension(id_ce_extKeyUsage, false, new ExtendedKeyUsage(purposes.flatMap(usagesOf)))] : []),
    ...(purposes?.includes('ocsp') ? [noCheck] : []),
    ...(names.length > 0 ? [extension(id_ce_subjectAltName, false, new SubjectAlternativeName(names))] : []),
    ...(fields.addresses ? addressesOf(fields.addresses) : []),
  ];
}

/** Nobody asks about whoever answers (RFC 6960 §4.2.2.2.1); its value is NULL. */
const noCheck = new Extension({
  extnID: objectIdentifiers.ocspNoCheck,
  critical: false,
  extnValue: new OctetString(Uint8Array.of(0x05, 0x00)),
});

/** NULL is written for null, and nothing for undefined. */
function parametersOf({ algorithm }: SignatureMaker): { parameters?: null } {
  return algorithm === objectIdentifiers.sha256WithRsaEncryption ? { parameters: null } : {};
}

function issuerIdentifier({ issuerCertificate, issuerPublicKey }: CertificateFields): ArrayBuffer {
  return (issuerCertificate && keyIdentifierIn(issuerCertificate)) ?? keyIdentifier(issuerPublicKey);
}

function addressesOf({ lists, answers, issuers }: NonNullable<CertificateFields['addresses']>): Extension[] {
  const uri = (address: string) => new GeneralName({ uniformResourceIdentifier: address });
  const point = (address: string) =>
    new DistributionPoint({ distributionPoint: new DistributionPointName({ fullName: [uri(address)] }) });
  const access = (accessMethod: string) => (address: string) =>
    new AccessDescription({ accessMethod, accessLocation: uri(address) });
  const accesses = [...answers.map(access(id_ad_ocsp)), ...issuers.map(access(id_ad_caIssuers))];
  return [
    ...(lists.length > 0
      ? [extension(id_ce_cRLDistributionPoints, false, new CRLDistributionPoints(lists.map(point)))]
      : []),
    ...(accesses.length > 0
      ? [extension(id_pe_authorityInfoAccess, false, new AuthorityInfoAccessSyntax(accesses))]
      : []),
  ];
}

/**
 * Of publication RFC 9336, and with it the one that `openssl cms -verify` demands when it is told nothing: by that alone it takes no other
 * certificate of the fleet.
 */
const usages: Record<Purpose, readonly string[]> = {
  client: [objectIdentifiers.clientAuth],
  server: [objectIdentifiers.serverAuth],
  publication: [objectIdentifiers.documentSigning, objectIdentifiers.emailProtection],
  label: [objectIdentifiers.documentSigning],
  ocsp: [objectIdentifiers.ocspSigning],
};

function usagesOf(purpose: Purpose): readonly string[] {
  return usages[purpose];
}

function extension(extnID: string, critical: boolean, value: object): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}
