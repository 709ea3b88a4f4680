/** How a certificate is made, in order: spend the permit, choose the time, store the serial, sign. */
import { type Fingerprint, type Kind, PortcullisError, type Purpose, type SubjectId } from '@portcullis/contract';
import {
  type CertificateFields,
  fingerprintOf,
  makeCertificate,
  type SignatureMaker,
  subjectOf,
  toPem,
} from '../pki/pki.ts';
import type { System } from '../telemetry/telemetry.ts';
import { Permit } from './check.ts';
import { type FleetIssuer, type Issuer, issuingFor, signerNamed } from './issuers.ts';
import { lint } from './lint.ts';
import type { Lifetimes } from './profiles.ts';
import type { Serials } from './serials.ts';

export interface SignedCertificate {
  fingerprint: Fingerprint;
  /** 32 lower-case hex digits. */
  serial: string;
  subject: SubjectId;
  kind: Kind;
  purpose: Purpose;
  issuer: string;
  /** Of the issuer's certificate: of several with one name, which. */
  issuerFingerprint: Fingerprint;
  /** Milliseconds since 1970. */
  notBefore: number;
  notAfter: number;
  publicKey: Buffer;
  der: Buffer;
  pem: string;
  issuerPem: string;
}

export interface IssueParts {
  lifetimes: Lifetimes;
  serials: Serials;
  system: System;
  /** As they are now. */
  issuers(): readonly FleetIssuer[];
  /** How many certificates each has that live, by its fingerprint. */
  live: ReadonlyMap<string, number>;
  /** What each certificate names, so that anybody can ask about it; nothing where a fleet answers nobody. */
  addressesOf(issuer: FleetIssuer): CertificateFields['addresses'];
}

/** @throws {PortcullisError} `issuer_ended`, `certificate_refused` */
export async function issue(
  { lifetimes, serials, system, issuers, live, addressesOf }: IssueParts,
  permit: Permit,
): Promise<SignedCertificate> {
  // 1. The permit holds all that was checked; it can not be used again.
  const { subject, kind, profile, publicKey, uri, hosts, issuer: named } = Permit.spend(permit);
  const { backdateMs, remainingMsMin, endsSoonMs } = lifetimes;
  const now = system.now();
  const issuer =
    named === undefined ? issuingFor(issuers(), profile, { now, live, endsSoonMs }) : signerNamed(issuers(), named);
  // Nobody asks about whoever answers.
  const addresses = profile.purpose === 'ocsp' ? undefined : addressesOf(issuer);

  // 2. Never before its issuer, never after it (RFC 5280 §6.1.3 would refuse the chain), and valid for clocks that are behind.
  if (issuer.notAfter - now < remainingMsMin) throw issuerEnded(issuer);
  const notBefore = wholeSecond(Math.max(now - backdateMs, issuer.notBefore));
  const notAfter = wholeSecond(Math.min(now + profile.lifetimeMs, issuer.notAfter));

  // 3. The serial is durable before the signature exists: a crash after this line burns a serial and nothing else.
  const serial = await serials.take(issuer.name);

  // 4. The signature, of what was looked at once more. What comes out is not on record yet: no gate admits it until somebody records it.
  const issuerPublicKey = issuer.signer.publicKey;
  const permitted = { serial, subject, publicKey, notBefore, notAfter };
  // A root may have been brought: what it calls itself is taken from its certificate as it is.
  const brought = issuer.role === 'root' ? { issuerCertificate: issuer.certificate } : {};
  const der = await makeCertificate(
    {
      ...{ ...permitted, issuer: issuer.name, issuerPublicKey, purposes: [profile.purpose], uris: [uri], hosts },
      ...brought,
      ...(addresses && { addresses }),
    },
    ableToSign(issuer),
    (body) =>
      lint(body, {
        ...{
          ...permitted,
          purpose: profile.purpose,
          lifetimeMs: profile.lifetimeMs,
          backdateMs,
          uri,
          hosts,
          addresses,
        },
        issuer: {
          ...{ ...issuer, publicKey: issuerPublicKey, algorithm: issuer.signer.algorithm },
          ...(issuer.role === 'root' && { written: subjectOf(issuer.certificate) }),
        },
      }),
  );
  return {
    fingerprint: fingerprintOf(der),
    serial: serial.toString('hex'),
    subject,
    kind,
    purpose: profile.purpose,
    issuer: issuer.name,
    issuerFingerprint: issuer.fingerprint as Fingerprint,
    notBefore,
    notAfter,
    publicKey,
    der,
    pem: toPem('CERTIFICATE', der),
    issuerPem: issuer.pem,
  };
}

function issuerEnded({ name, notAfter }: FleetIssuer): PortcullisError {
  const end = new Date(notAfter).toISOString();
  return new PortcullisError('issuer_ended', `"${name}" ends ${end}, and signs nothing in its last hour or after it`);
}

/** A token may be away for a while: whoever asks is told to ask again, and the log what the token is and says. */
function ableToSign({ name, signer }: Issuer): SignatureMaker {
  const { algorithm } = signer;
  const sign = (bytes: Uint8Array) =>
    signer.sign(bytes).catch((cause: unknown) => {
      throw new PortcullisError('issuer_unavailable', `"${name}" can not sign now`, { cause });
    });
  return { algorithm, sign };
}

/** Certificates carry whole seconds (RFC 5280 §4.1.2.5). */
export function wholeSecond(milliseconds: number): number {
  return Math.floor(milliseconds / 1000) * 1000;
}
