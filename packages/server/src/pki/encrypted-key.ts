/** A private key under a passphrase: EncryptedPrivateKeyInfo of PKCS#8 (RFC 5958 §3), PBES2 (RFC 8018 §6.2) by scrypt (RFC 7914 §7). */
import { createCipheriv, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import { AlgorithmIdentifier } from '@peculiar/asn1-x509';
import { objectIdentifiers } from '@portcullis/contract';

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
  const scryptParameters = sequence(octets(salt), ...[cost.N, cost.r, cost.p].map(integer));
  const derivation = algorithm(objectIdentifiers.scrypt, scryptParameters);
  const encryption = algorithm(objectIdentifiers.aes256Cbc, octets(iv));
  const scheme = algorithm(objectIdentifiers.pbes2, sequence(derivation, encryption));
  return sequence(scheme, octets(Buffer.concat([cipher.update(key), cipher.final()])));
}

function algorithm(identifier: string, parameters: Buffer): Buffer {
  const given = new Uint8Array(parameters).buffer;
  return Buffer.from(AsnConvert.serialize(new AlgorithmIdentifier({ algorithm: identifier, parameters: given })));
}

const octets = (bytes: Uint8Array) => Buffer.from(AsnConvert.serialize(new OctetString(new Uint8Array(bytes))));

/** Of less than 2^15. */
function integer(value: number): Buffer {
  const bytes = value < 0x80 ? [value] : [value >> 8, value & 0xff];
  return Buffer.from([0x02, bytes.length, ...bytes]);
}

/** Of less than 64 kB. */
function sequence(...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([0x30, ...head]), content]);
}
