import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import {
  der,
  type KeyAlgorithm,
  keyAlgorithmOf,
  keyAlgorithms,
  objectIdentifiers,
  PortcullisError,
} from '@portcullis/contract';
import { signatureWith, withKey } from '../link/private-key.ts';

const { bitString, element, integer, objectIdentifier, sequence, set, utf8String } = der;

/** A fresh key as PKCS#8 PEM. It is made here and never leaves (P1). @throws {PortcullisError} `key_unusable` where this Node makes none */
export function makeKey(algorithm: KeyAlgorithm = 'p-256'): string {
  return freshKey(algorithm).export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** What a key in PEM is of; undefined: of none that is made here. */
export const algorithmOfKey = (keyPem: string) => withKey(keyPem, keyAlgorithmOf);

function freshKey(algorithm: KeyAlgorithm): KeyObject {
  const { keyType } = keyAlgorithms[algorithm];
  if (keyType === 'ec') return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  try {
    return generateKeyPairSync(keyType).privateKey;
  } catch (cause) {
    const words = `Node ${process.versions.node} makes no key of ${algorithm}; Node 24 does`;
    throw new PortcullisError('key_unusable', words, { cause });
  }
}

/**
 * A PKCS#10 request in DER (RFC 2986 §4). The name is for people; the authority takes the public key alone.
 * @throws {TypeError} when the key is of none of the algorithms
 */
export function makeRequest(keyPem: string, subject: string): Buffer {
  const { name, publicKey } = withKey(keyPem, (key) => ({
    name: keyAlgorithmOf(key),
    publicKey: createPublicKey(key).export({ type: 'spki', format: 'der' }),
  }));
  if (!name) throw new TypeError(`a key is one of [${Object.keys(keyAlgorithms).join(', ')}]`);
  const { signature } = keyAlgorithms[name];
  const names = sequence(set(sequence(objectIdentifier(objectIdentifiers.commonName), utf8String(subject))));
  const information = sequence(integer(0), names, publicKey, element(0xa0));
  return sequence(information, sequence(objectIdentifier(signature)), bitString(signatureWith(keyPem, information)));
}
