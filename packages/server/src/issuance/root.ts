/** What a root does: it signs the fleet's issuers, and nothing else. Its key may be on another machine than theirs. */
import type { FleetName, KeyAlgorithm } from '@portcullis/contract';
import type { BroughtSigner, Keys } from '../keys/keys.ts';
import { makeCertificate } from '../pki/pki.ts';
import type { System } from '../telemetry/telemetry.ts';
import { addressesAt } from './addresses.ts';
import { wholeSecond } from './issue.ts';
import { type Lifetimes, usualLifetimes } from './profiles.ts';
import { positiveSerial } from './serials.ts';

export interface Root {
  /** The name of its key at the fleet, and of its files at desks. */
  key: string;
  /** Its common name. */
  name: string;
  /** In DER. */
  certificate: Buffer;
  signer: BroughtSigner;
  /** Milliseconds since 1970: nothing that it signs goes beyond these. */
  notBefore: number;
  notAfter: number;
}

/** Of a fleet's first root: the name of its key, and its own. */
export const firstRoot = (fleet: FleetName) => ({ key: 'root', name: `${fleet} root` });

/** Of a root by its common name, at whose own machine each key is called alike. */
export function keyOfRoot(fleet: FleetName, name: string): string {
  const isLater = name.startsWith(`${fleet} root-`);
  return isLater ? name.slice(fleet.length + 1) : firstRoot(fleet).key;
}

/** A new key, and its certificate. `as`: of a later root. @throws {PortcullisError} `key_unusable` where there is one of that name */
export async function makeRoot({
  keys,
  system,
  fleet,
  algorithm,
  as: { key, name } = firstRoot(fleet),
  lifetimes = usualLifetimes,
}: {
  keys: Keys;
  system: System;
  fleet: FleetName;
  /** Of its key; not given: P-256. */
  algorithm?: KeyAlgorithm | undefined;
  as?: { key: string; name: string };
  lifetimes?: Lifetimes;
}): Promise<Root> {
  const signer = await keys.create(key, algorithm);
  const now = system.now();
  const { backdateMs, rootMs } = lifetimes;
  const [notBefore, notAfter] = [wholeSecond(now - backdateMs), wholeSecond(now + rootMs)];
  const certificate = await makeCertificate(
    {
      ...{ issuer: name, issuerPublicKey: signer.publicKey, subject: name, publicKey: signer.publicKey },
      ...{ notBefore, notAfter, serial: positiveSerial(system.random(16)), authority: { pathLength: 1 } },
    },
    signer,
  );
  return { key, name, certificate, signer, notBefore, notAfter };
}

export interface WantedIssuer {
  subject: string;
  /** SubjectPublicKeyInfo in DER. */
  publicKey: Buffer;
  /** Where a desk publishes what is known of certificates. */
  publicUrl?: string | undefined;
}

/** The certificate of an issuer, in DER. */
export async function signIssuer(
  root: Root,
  { subject, publicKey, publicUrl }: WantedIssuer,
  system: System,
  { backdateMs, issuerMs }: Lifetimes = usualLifetimes,
): Promise<Buffer> {
  const now = system.now();
  return makeCertificate(
    {
      ...{ issuer: root.name, issuerPublicKey: root.signer.publicKey, issuerCertificate: root.certificate },
      ...{ subject, publicKey, serial: positiveSerial(system.random(16)), authority: { pathLength: 0 } },
      notBefore: wholeSecond(Math.max(now - backdateMs, root.notBefore)),
      notAfter: wholeSecond(Math.min(now + issuerMs, root.notAfter)),
      ...(publicUrl !== undefined && { addresses: addressesAt(publicUrl, root) }),
    },
    root.signer,
  );
}
