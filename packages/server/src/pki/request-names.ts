import { CertificationRequest } from '@peculiar/asn1-csr';
import { AsnConvert } from '@peculiar/asn1-schema';
import { Extensions, type GeneralName, id_ce_subjectAltName, SubjectAlternativeName } from '@peculiar/asn1-x509';
import { objectIdentifiers, PortcullisError } from '@portcullis/contract';

/** What stands for a name of another kind than these: nobody takes it for one of his. */
const otherName = '?';

/**
 * The names that a PKCS#10 request asks for: the common names of its subject, then its alternative names (DNS, URI, mail, IP address) as text,
 * `?` for one of another kind. No certificate gets any of them (P1).
 * `bytes`: a request that was parsed before. @throws {PortcullisError} `request_malformed`
 */
export function requestNames(bytes: Uint8Array): string[] {
  try {
    const { subject, attributes } = AsnConvert.parse(bytes, CertificationRequest).certificationRequestInfo;
    const common = [...subject].flatMap((set) => [...set].filter(({ type }) => type === objectIdentifiers.commonName));
    const extensions = attributes
      .filter(({ type }) => type === objectIdentifiers.extensionRequest)
      .flatMap(({ values }) => values.flatMap((value) => [...AsnConvert.parse(value, Extensions)]));
    const alternative = extensions
      .filter(({ extnID }) => extnID === id_ce_subjectAltName)
      .flatMap(({ extnValue }) => [...AsnConvert.parse(extnValue.buffer, SubjectAlternativeName)]);
    return [...common.map(({ value }) => value.toString()), ...alternative.map(textOf)];
  } catch (cause) {
    throw new PortcullisError('request_malformed', 'the names in the request can not be read', { cause });
  }
}

function textOf({ dNSName, uniformResourceIdentifier, rfc822Name, iPAddress }: GeneralName): string {
  return dNSName ?? uniformResourceIdentifier ?? rfc822Name ?? iPAddress ?? otherName;
}
