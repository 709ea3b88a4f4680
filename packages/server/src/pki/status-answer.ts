import { createHash } from 'node:crypto';
import { der, reasonNumbers } from '@portcullis/contract';
import { subjectOf } from './certificate-parts.ts';
import type { StatusHash } from './parse-status-request.ts';
import { contextTag, tags } from './read-der.ts';

/** Who signs answers for one issuer: what that issuer delegated it to (RFC 6960 §4.2.2.2). */
export interface StatusSigner {
  /** Its name, as its certificate has it, in DER. */
  name: Buffer;
  /** In DER; it travels with each answer. */
  certificate: Buffer;
  /** Object identifier of the signature; its parameters are absent. */
  algorithm: string;
  sign(bytes: Uint8Array): Buffer;
}

export interface CertificateStatus {
  /** The question's certificate id, in DER. */
  id: Buffer;
  /** Undefined: good. `reason`: a number of RFC 5280 §5.3.1. Times are milliseconds since 1970, and told in whole seconds. */
  revoked: { at: number; reason: number } | undefined;
}

export interface StatusAnswerFields {
  statuses: readonly CertificateStatus[];
  thisUpdate: number;
  nextUpdate: number;
  producedAt: number;
  /** The value of the question's extension. */
  nonce: Buffer | undefined;
  /** One of them was never issued, and is told as revoked: the answer says that this is what it does (RFC 6960 §2.2, §4.4.8). */
  extendedRevoke: boolean;
}

const { sequence, objectIdentifier, octetString, explicit, enumerated, generalizedTime, element, bitString } = der;
const basic = objectIdentifier('1.3.6.1.5.5.7.48.1.1');
const nonceIdentifier = objectIdentifier('1.3.6.1.5.5.7.48.1.2');
/** An extension whose value is NULL. */
const extendedRevokeExtension = sequence(objectIdentifier('1.3.6.1.5.5.7.48.1.9'), octetString(element(tags.null)));
/** Implicit, within the choices of CertStatus (RFC 6960 §4.2.1). */
const good = element(0x80);
const successful = enumerated(0);

/** An OCSPResponse with a BasicOCSPResponse in DER (RFC 6960 §4.2.1). */
export function makeStatusAnswer(fields: StatusAnswerFields, signer: StatusSigner): Buffer {
  const { statuses, producedAt } = fields;
  const times = [generalizedTime(fields.thisUpdate), explicit(0, generalizedTime(fields.nextUpdate))];
  const singles = statuses.map(({ id, revoked }) => sequence(id, revoked ? revokedStatus(revoked) : good, ...times));
  const extensions = extensionsOf(fields);
  const data = sequence(
    explicit(1, signer.name),
    generalizedTime(producedAt),
    sequence(...singles),
    ...(extensions.length > 0 ? [explicit(1, sequence(...extensions))] : []),
  );
  const answer = sequence(
    data,
    sequence(objectIdentifier(signer.algorithm)),
    bitString(signer.sign(data)),
    explicit(0, sequence(signer.certificate)),
  );
  return sequence(successful, explicit(0, sequence(basic, octetString(answer))));
}

function extensionsOf({ nonce, extendedRevoke }: StatusAnswerFields): Buffer[] {
  return [
    ...(nonce ? [sequence(nonceIdentifier, octetString(nonce))] : []),
    ...(extendedRevoke ? [extendedRevokeExtension] : []),
  ];
}

/** `unspecified` is left out (RFC 5280 §5.3.1). */
function revokedStatus({ at, reason }: { at: number; reason: number }): Buffer {
  const why = reason === reasonNumbers.unspecified ? [] : [explicit(0, enumerated(reason))];
  return element(contextTag(1), generalizedTime(at), ...why);
}

const refusals = { malformedRequest: 1, internalError: 2, tryLater: 3, unauthorized: 6 } as const;
export type StatusRefusal = keyof typeof refusals;

/** An answer without a signature, which says that there is none (RFC 6960 §4.2.1). */
export const statusRefusals = Object.fromEntries(
  Object.entries(refusals).map(([name, value]) => [name, sequence(enumerated(value))]),
) as Record<StatusRefusal, Buffer>;

/** How questions name an issuer, by each hash. */
export interface IssuerHashes {
  name: Buffer;
  key: Buffer;
}

/** How questions name the issuer with this certificate (RFC 6960 §4.1.1). */
export function issuerHashes(certificate: Buffer): Record<StatusHash, IssuerHashes> {
  const { name, key } = subjectOf(certificate);
  const by = (hash: StatusHash) => ({
    name: createHash(hash).update(name).digest(),
    key: createHash(hash).update(key).digest(),
  });
  return { sha1: by('sha1'), sha256: by('sha256') };
}
