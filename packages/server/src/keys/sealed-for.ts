/**
 * Bytes for the holder of one P-256 key: ECDH with a key that is used once, HKDF-SHA-256 over both public keys, which gives key and IV,
 * AES-256-GCM. What is sealed: the public key that was used once (SPKI), ciphertext, tag.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { PortcullisError } from '@portcullis/contract';

const algorithm = 'aes-256-gcm';
const [spkiBytes, keyBytes, ivBytes, tagBytes] = [91, 32, 12, 16];
const purpose = 'portcullis sealed for one key, 1';

const spkiOf = (key: KeyObject) => key.export({ type: 'spki', format: 'der' });

/** `about`: what it is of; it opens with the same alone. @throws {PortcullisError} `key_unusable` */
export function sealFor(publicKey: Uint8Array, secret: Uint8Array, about: string): Buffer {
  const theirs = publicKeyIn(publicKey);
  const once = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { key, iv } = keyOf(once.privateKey, theirs, [once.publicKey, theirs]);
  const cipher = createCipheriv(algorithm, key, iv, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.from(about));
  return Buffer.concat([spkiOf(once.publicKey), cipher.update(secret), cipher.final(), cipher.getAuthTag()]);
}

/** `privateKey`: PKCS#8 in PEM. @throws {PortcullisError} `key_unusable` */
export function openSealed(privateKey: string, sealed: Uint8Array, about: string): Buffer {
  const once = publicKeyIn(sealed.subarray(0, spkiBytes));
  const ours = createPrivateKey(privateKey);
  const rest = sealed.subarray(spkiBytes);
  try {
    const { key, iv } = keyOf(ours, once, [once, createPublicKey(ours)]);
    const decipher = createDecipheriv(algorithm, key, iv, { authTagLength: tagBytes });
    decipher.setAAD(Buffer.from(about));
    decipher.setAuthTag(rest.subarray(-tagBytes));
    return Buffer.concat([decipher.update(rest.subarray(0, -tagBytes)), decipher.final()]);
  } catch (cause) {
    throw new PortcullisError('key_unusable', 'it is sealed for another key, for another request, or was altered', {
      cause,
    });
  }
}

function keyOf(privateKey: KeyObject, publicKey: KeyObject, both: readonly KeyObject[]) {
  const agreed = diffieHellman({ privateKey, publicKey });
  const made = Buffer.from(hkdfSync('sha256', agreed, Buffer.concat(both.map(spkiOf)), purpose, keyBytes + ivBytes));
  return { key: made.subarray(0, keyBytes), iv: made.subarray(keyBytes) };
}

function publicKeyIn(der: Uint8Array): KeyObject {
  try {
    const key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
    // One key has one form: what was altered and means the same is refused too.
    if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1' && spkiOf(key).equals(der)) return key;
  } catch {}
  throw new PortcullisError('key_unusable', 'there is no public key of P-256 in it');
}
