import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { objectIdentifiers } from '@portcullis/contract';
import { bitString, element, integer, objectIdentifier, sequence, set, utf8String } from './der.ts';

/** A fresh P-256 key as PKCS#8 PEM. It is made here and never leaves (P1). */
export function makeKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** A PKCS#10 request in DER (RFC 2986 §4). The name is for people; the authority takes the public key alone. */
export function makeRequest(keyPem: string, subject: string): Buffer {
  const key = createPrivateKey(keyPem);
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const name = sequence(set(sequence(objectIdentifier(objectIdentifiers.commonName), utf8String(subject))));
  const information = sequence(integer(0), name, publicKey, element(0xa0));
  const algorithm = sequence(objectIdentifier(objectIdentifiers.ecdsaWithSha256));
  return sequence(information, algorithm, bitString(sign('sha256', information, key)));
}
