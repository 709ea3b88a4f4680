/** A private key under a passphrase: EncryptedPrivateKeyInfo of PKCS#8 (RFC 5958 §3), PBES2 (RFC 8018 §6.2) by scrypt (RFC 7914 §7). */
import { createCipheriv, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { der, objectIdentifiers } from '@portcullis/contract';

const { sequence, integer, objectIdentifier, octetString } = der;

const derive = promisify(scrypt) as (
  passphrase: string,
  salt: Uint8Array,
  bytes: number,
  cost: { N: number; r: number; p: number },
) => Promise<Buffer>;

/** 16 MiB, the most that OpenSSL gives to a key that it reads, five times over. */
const cost = { N: 16_384, r: 8, p: 5 };
/** AES-256 in CBC. */
const [saltBytes, keyBytes, ivBytes] = [16, 32, 16];

/** The key as PKCS#8 in DER → EncryptedPrivateKeyInfo in DER. */
export async function encryptKey(
  key: Uint8Array,
  passphrase: string,
  random: (bytes: number) => Uint8Array,
): Promise<Buffer> {
  const [salt, iv] = [random(saltBytes), random(ivBytes)];
  const cipher = createCipheriv('aes-256-cbc', await derive(passphrase, salt, keyBytes, cost), iv);
  const scryptParameters = sequence(octetString(salt), ...[cost.N, cost.r, cost.p].map(integer));
  const derivation = algorithm(objectIdentifiers.scrypt, scryptParameters);
  const encryption = algorithm(objectIdentifiers.aes256Cbc, octetString(iv));
  const scheme = algorithm(objectIdentifiers.pbes2, sequence(derivation, encryption));
  return sequence(scheme, octetString(Buffer.concat([cipher.update(key), cipher.final()])));
}

const algorithm = (identifier: string, parameters: Buffer) => sequence(objectIdentifier(identifier), parameters);
