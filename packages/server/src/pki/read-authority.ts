import { X509Certificate } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import {
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_nameConstraints,
  id_ce_subjectKeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
} from '@peculiar/asn1-x509';
import { PortcullisError } from '@portcullis/contract';
import { commonNameOf } from './read-certificate.ts';

/** What a certificate says of what its key may sign (RFC 5280 §4.2.1). */
export interface AuthorityFacts {
  /** Its own key signed it. */
  selfSigned: boolean;
  /** Basic constraints: it is of an authority. */
  authority: boolean;
  /** How many authorities may stand below it; undefined: any number. */
  pathLength: number | undefined;
  /** Key usage; undefined: it says none. */
  mayCertify: boolean | undefined;
  mayRevoke: boolean | undefined;
  /** Extended key usages that it leaves to those below it; undefined: all. */
  purposes: string[] | undefined;
  /** It constrains the names of those below it. */
  constrainsNames: boolean;
  /** It has a subject key identifier. */
  identifiesKey: boolean;
  /** What it is signed by: the object identifier, dotted. */
  signature: string;
  /** Critical extensions beside these: of each its object identifier, dotted. */
  otherCritical: string[];
  /** Of the subject: its common name, and how many parts the whole has. */
  name: string;
  nameParts: number;
}

const read: readonly string[] = [id_ce_basicConstraints, id_ce_keyUsage, id_ce_extKeyUsage, id_ce_nameConstraints];

/** @throws {PortcullisError} `request_malformed` for what is not one certificate */
export function readAuthority(der: Uint8Array): AuthorityFacts {
  try {
    const parsed = new X509Certificate(der);
    const { tbsCertificate: body, signatureAlgorithm } = AsnConvert.parse(der, Certificate);
    const find = <Value>(id: string, type: new () => Value): Value | undefined => {
      const extension = body.extensions?.find(({ extnID }) => extnID === id);
      return extension && AsnConvert.parse(extension.extnValue.buffer, type);
    };
    const constraints = find(id_ce_basicConstraints, BasicConstraints);
    const usage = find(id_ce_keyUsage, KeyUsage)?.toNumber();
    const may = (flag: number) => (usage === undefined ? undefined : (usage & flag) !== 0);
    const purposes = find(id_ce_extKeyUsage, ExtendedKeyUsage);
    const parts = (parsed.subject ?? '').split('\n').filter((part) => part !== '');
    return {
      selfSigned: parsed.checkIssued(parsed) && parsed.verify(parsed.publicKey),
      authority: constraints?.cA === true,
      pathLength: constraints?.pathLenConstraint,
      mayCertify: may(KeyUsageFlags.keyCertSign),
      mayRevoke: may(KeyUsageFlags.cRLSign),
      purposes: purposes && [...purposes],
      constrainsNames: body.extensions?.some(({ extnID }) => extnID === id_ce_nameConstraints) ?? false,
      identifiesKey: body.extensions?.some(({ extnID }) => extnID === id_ce_subjectKeyIdentifier) ?? false,
      signature: signatureAlgorithm.algorithm,
      otherCritical: (body.extensions ?? []).flatMap(({ extnID, critical }) =>
        critical && !read.includes(extnID) ? extnID : [],
      ),
      name: commonNameOf(parsed.subject),
      nameParts: parts.length,
    };
  } catch (cause) {
    throw new PortcullisError('request_malformed', 'this is not an X.509 certificate', { cause });
  }
}
