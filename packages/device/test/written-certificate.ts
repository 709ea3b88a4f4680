/** Certificates as nobody sane would sign them, byte by byte: for what judges chains. */
import { type KeyObject, type SigningOptions, sign } from 'node:crypto';
import { der } from '@portcullis/contract';

const { bitString, boolean, explicit, integer, objectIdentifier, octetString, sequence, set, time, utf8String } = der;

export interface WrittenExtension {
  name: string;
  critical?: boolean;
  value: Buffer;
}

export interface Written {
  subject: string;
  issuer: string;
  publicKey: KeyObject;
  /** Milliseconds since 1970. */
  from: number;
  until: number;
  extensions: readonly WrittenExtension[];
  /** 3 but where a test says so. */
  version?: 1 | 3;
}

export interface Signing {
  key: KeyObject & SigningOptions;
  /** The AlgorithmIdentifier. */
  algorithm: Buffer;
  digest: string | null;
}

let serial = 0x1000;

/** In DER (RFC 5280 §4.1). */
export function written(certificate: Written, { key, algorithm, digest }: Signing): Buffer {
  const { subject, issuer, publicKey, from, until, extensions, version = 3 } = certificate;
  const list = extensions.map(({ name, critical, value }) =>
    sequence(objectIdentifier(name), ...(critical ? [boolean(true)] : []), octetString(value)),
  );
  const signed = sequence(
    ...(version === 3 ? [explicit(0, integer(2))] : []),
    integer(serial++),
    algorithm,
    nameOf(issuer),
    sequence(time(from), time(until)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    ...(list.length > 0 ? [explicit(3, sequence(...list))] : []),
  );
  return sequence(signed, algorithm, bitString(sign(digest, signed, key)));
}

const nameOf = (name: string) => sequence(set(sequence(objectIdentifier('2.5.4.3'), utf8String(name))));

export const pemOf = (bytes: Buffer) =>
  `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64').replace(/.{64}(?=.)/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
